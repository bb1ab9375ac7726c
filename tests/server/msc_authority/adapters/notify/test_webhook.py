"""A webhook against a real server: taken, refused, silent, gone."""

from __future__ import annotations

import json
import logging
from datetime import timedelta, timezone

import pytest
from msc_builders import START, at
from msc_hook import closed_port, hook
from msc_observed import an_alert

from msc_authority.adapters.notify.document import document_of, text_of, title_of
from msc_authority.adapters.notify.webhook import Webhook
from msc_authority.app.alerts.delivery import DeliveryFailed
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import AlertState, Severity

LINKS = Links("https://msc.example/authority/")
SECRET = "T0P-s3cret-token"


def sent(url: str, timeout_s: float = 5.0) -> DeliveryFailed | None:
    """Sends an alert once. Returns why it failed, if it did."""
    try:
        Webhook(url, name="webhook-1", links=LINKS, timeout_s=timeout_s).send(an_alert())
    except DeliveryFailed as error:
        return error
    return None


def test_every_field_of_an_alert_is_posted_as_json_with_a_link() -> None:
    with hook() as server:
        assert sent(server.url("/in?channel=ops")) is None

    assert [posted.path for posted in server.posted] == ["/in?channel=ops"]
    assert server.posted[0].document == {
        "code": "CLIENT_SAFE",
        "subject": "executor-1",
        "severity": "critical",
        "state": "firing",
        "title": "A client acts on safe defaults",
        "text": "executor-1 acts on safe defaults (SAFE_NONE)",
        "advice": "Run `msc clients`.",
        "anchor": "alert-client-safe",
        "value": 4.0,
        "pending_since": "2025-11-30T10:30:00Z",
        "firing_since": "2025-11-30T10:31:00Z",
        "resolved_at": None,
        "link": "https://msc.example/authority/troubleshooting#alert-client-safe",
    }


def test_a_user_in_the_address_signs_in() -> None:
    with hook() as server:
        assert sent(server.url(user="ops:pass@")) is None

    assert server.posted[0].authorization == "Basic b3BzOnBhc3M="


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_means_taken(status: int) -> None:
    with hook(status) as server:
        assert sent(server.url()) is None


@pytest.mark.parametrize(
    ("status", "permanent"), [(408, False), (425, False), (429, False), (500, False), (503, False)]
)
def test_what_may_pass_is_worth_another_try(status: int, permanent: bool) -> None:
    with hook(status) as server:
        failed = sent(server.url())

    assert failed is not None
    assert (str(failed), failed.permanent) == (f"it answered {status}", permanent)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 422])
def test_what_will_not_pass_is_not_tried_again_and_no_redirect_is_followed(status: int) -> None:
    with hook(status) as server:
        failed = sent(server.url())

    assert failed is not None
    assert failed.permanent
    assert len(server.posted) == 1


def test_a_server_that_does_not_answer_is_left_after_a_while() -> None:
    with hook() as server:
        server.open.clear()
        failed = sent(server.url(), timeout_s=0.1)

    assert failed is not None
    assert (str(failed), failed.permanent) == ("no answer within 0.1 s", False)


def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    failed = sent(f"http://127.0.0.1:{closed_port()}/{SECRET}")

    assert failed is not None
    assert str(failed).startswith("it cannot be reached (")
    assert not failed.permanent


@pytest.mark.parametrize("status", [200, 404, 500])
def test_nobody_logs_the_address_whatever_the_level(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), hook(status) as server:
        failed = sent(server.url(f"/services/{SECRET}?token={SECRET}", user=f"ops:{SECRET}@"))

    assert len(server.posted) == 1
    assert SECRET not in caplog.text
    assert SECRET not in repr(failed)
    assert failed is None or SECRET not in repr(failed.__cause__)


def test_an_instant_of_any_zone_is_written_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    document = document_of(an_alert(resolved_at=at(5).astimezone(zone)), None)

    assert document["resolved_at"] == "2025-11-30T10:35:00Z"
    assert json.dumps(document)


def test_people_read_how_it_stands_what_it_is_and_what_to_do() -> None:
    alert = an_alert()

    assert title_of(alert) == "[CRITICAL] A client acts on safe defaults (executor-1)"
    assert text_of(alert, LINKS.to(alert.anchor)).splitlines() == [
        "executor-1 acts on safe defaults (SAFE_NONE)",
        "Run `msc clients`.",
        "More: https://msc.example/authority/troubleshooting#alert-client-safe",
        "Firing since 2025-11-30T10:31:00Z",
        "CLIENT_SAFE",
    ]


def test_people_read_that_it_is_over_and_need_no_advice() -> None:
    alert = an_alert(
        state=AlertState.RESOLVED, severity=Severity.WARNING, subject="", firing_since=START, resolved_at=at(3)
    )

    assert title_of(alert) == "[RESOLVED] A client acts on safe defaults"
    assert "Resolved at 2025-11-30T10:33:00Z" in text_of(alert, None)
    assert alert.advice not in text_of(alert, None)

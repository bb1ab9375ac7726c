"""A service of Apprise against a real server: its `json://` posts to any address."""

from __future__ import annotations

import logging

import pytest
from msc_hook import closed_port, hook
from msc_observed import an_alert

from msc_authority.adapters.notify.service import Service, known, understood
from msc_authority.app.alerts.delivery import DeliveryFailed
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import AlertState, Severity

SECRET = "T0Ps3crettoken"


@pytest.mark.parametrize(
    ("severity", "state", "kind"),
    [
        (Severity.CRITICAL, AlertState.FIRING, "failure"),
        (Severity.WARNING, AlertState.FIRING, "warning"),
        (Severity.CRITICAL, AlertState.RESOLVED, "success"),
    ],
)
def test_an_alert_is_sent_with_title_text_and_kind(severity: Severity, state: AlertState, kind: str) -> None:
    alert = an_alert(severity=severity, state=state)
    with hook() as server:
        Service(server.url(scheme="json"), name="json-1", links=Links()).send(alert)

    document = server.posted[0].document
    assert document["title"] == f"[{'RESOLVED' if kind == 'success' else severity.upper()}] {alert.title} (executor-1)"
    assert str(document["message"]).startswith(alert.text)
    assert document["type"] == kind


@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_a_service_does_not_take_has_failed_and_may_be_tried_again(status: int) -> None:
    with hook(status) as server, pytest.raises(DeliveryFailed, match="did not take it") as failed:
        Service(server.url(scheme="json"), name="json-1", links=Links()).send(an_alert())

    assert not failed.value.permanent


def test_a_service_that_is_not_there_has_failed() -> None:
    with pytest.raises(DeliveryFailed):
        Service(f"json://127.0.0.1:{closed_port()}/x", name="json-1", links=Links()).send(an_alert())


@pytest.mark.parametrize("status", [200, 500])
def test_nobody_logs_the_address_whatever_the_level(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), hook(status) as server:
        service = Service(server.url(f"/{SECRET}", "json", f"ops:{SECRET}@"), name="json-1", links=Links())
        try:
            service.send(an_alert())
        except DeliveryFailed as failed:
            assert SECRET not in str(failed)

    assert SECRET in server.posted[0].path
    assert SECRET not in caplog.text


def test_an_address_that_is_not_understood_is_refused_without_repeating_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match="does not understand") as refused:
        Service(f"tgram://{SECRET}", name="tgram-1", links=Links())

    assert SECRET not in str(refused.value)
    assert SECRET not in caplog.text


def test_what_apprise_knows_and_understands_can_be_asked() -> None:
    assert known("discord")
    assert not known("gopher")
    assert understood("mailto://user:pass@mail.example")
    assert not understood("tgram://only")

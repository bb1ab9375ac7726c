"""Who follows the policy, laggards first; and what a person should look at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msc_builders import at
from msc_observed import a_client, an_alert, an_observation

from msc_authority.app.alerts.values import AlertState, Severity
from msc_authority.app.clients import ClientTier
from msc_authority.app.observation import ClientView
from msc_authority.http.dashboard.fleet_view import ALERTS_SHOWN, CLIENTS_SHOWN, Standing, alerts, fleet
from msc_authority.http.dashboard.render import render


def _seen(view: ClientView, **fields: object) -> tuple[Standing, str]:
    changed: ClientView = replace(view, **fields)  # type: ignore[arg-type]  # the fields are those of the test
    row = fleet(an_observation(clients=(changed,))).rows[0]
    return row.standing, row.remark


def test_a_client_on_the_head_is_in_step() -> None:
    shown = fleet(an_observation(clients=(a_client(),), watchers=1))

    row = shown.rows[0]
    assert (row.name, row.role, row.applied, row.tier) == ("executor-1", "executor", "v1", "FRESH")
    assert (row.standing, row.remark) == (Standing.GOOD, "in step")
    assert (row.age_since, row.reported) == (1599.3, 1599.8)
    assert (shown.total, shown.in_trouble, shown.in_doubt, shown.head) == (1, 0, 0, "v1")


def test_a_laggard_is_told_only_when_the_news_had_time_to_travel() -> None:
    behind = replace(a_client(), versions_behind=2)

    assert _seen(behind, behind_for_s=1.0) == (Standing.GOOD, "in step")
    assert _seen(behind, behind_for_s=3.5) == (Standing.BAD, "2 versions behind")


@pytest.mark.parametrize(
    ("tier", "standing", "remark"),
    [
        (ClientTier.SAFE_EXPIRED, Standing.BAD, "safe: opens nothing"),
        (ClientTier.SAFE_NONE, Standing.BAD, "safe: opens nothing"),
        (ClientTier.STALE, Standing.DOUBTFUL, "stale: reduces only"),
        (ClientTier.UNSPECIFIED, Standing.DOUBTFUL, "says nothing yet"),
    ],
)
def test_the_tier_says_how_much_a_client_trusts_its_value(tier: ClientTier, standing: Standing, remark: str) -> None:
    assert _seen(a_client(tier=tier)) == (standing, remark)


def test_a_client_that_does_not_report_is_called_silent() -> None:
    assert _seen(a_client(), report_age_s=61.0) == (Standing.DOUBTFUL, "silent")


def _gone(view: ClientView, report_age_s: float) -> ClientView:
    return replace(view, entry=replace(view.entry, watches=0), report_age_s=report_age_s)


def test_a_client_that_has_ended_is_no_laggard_and_comes_last_and_muted() -> None:
    behind = replace(a_client("gone", tier=ClientTier.SAFE_EXPIRED), versions_behind=2, behind_for_s=100.0)
    shown = fleet(an_observation(clients=(_gone(behind, 91.0), a_client("here"), _gone(a_client("late"), 90.0))))

    assert [(row.name, row.standing, row.remark) for row in shown.rows] == [
        ("late", Standing.DOUBTFUL, "silent"),
        ("here", Standing.GOOD, "in step"),
        ("gone", Standing.ENDED, "ended"),
    ]
    assert (shown.total, shown.ended, shown.in_trouble, shown.in_doubt) == (3, 1, 0, 1)
    page = render("fleet", shown)
    assert 'class="is-ended"' in page
    assert "is-bad" not in page
    assert page.count("not watching") == 1


def test_an_earlier_start_of_a_client_that_watches_again_has_ended_at_once() -> None:
    before, after = _gone(a_client("executor", "first"), 2.0), a_client("executor", "second")

    shown = fleet(an_observation(clients=(before, after)))

    assert [(row.instance_id, row.remark) for row in shown.rows] == [("second", "in step"), ("first", "ended")]


def test_where_all_have_ended_nobody_is_said_to_be_in_step() -> None:
    page = render("fleet", fleet(an_observation(clients=(_gone(a_client(), 100.0),))))

    assert "in step" not in page
    assert "1 clients, 0 watching, 1 ended" in page


def test_those_in_trouble_come_first() -> None:
    clients = (a_client("a"), a_client("b", tier=ClientTier.SAFE_NONE), a_client("c", tier=ClientTier.STALE))

    shown = fleet(an_observation(clients=clients))

    assert [row.name for row in shown.rows] == ["b", "c", "a"]
    assert (shown.in_trouble, shown.in_doubt) == (1, 1)


def test_a_great_fleet_is_cut_and_says_so() -> None:
    clients = tuple(a_client(f"client-{number:03}") for number in range(CLIENTS_SHOWN + 5))

    shown = fleet(an_observation(clients=clients))

    assert (len(shown.rows), shown.total, shown.left_out) == (CLIENTS_SHOWN, CLIENTS_SHOWN + 5, 5)


def test_a_client_without_policy_age_or_name_is_shown_by_what_there_is() -> None:
    view = replace(a_client("", "i-42", applied=None), age_s=None)

    row = fleet(an_observation(clients=(view,))).rows[0]

    assert (row.name, row.applied, row.age_since) == ("i-42", "none", None)


def test_ages_that_only_jitter_send_nothing() -> None:
    before = fleet(an_observation(clients=(a_client(),)))
    later = replace(a_client(), age_s=1.75, report_age_s=1.15)

    assert fleet(an_observation(clients=(later,), monotonic=1601.0), before) == before


def test_alerts_keep_the_order_of_the_board_and_are_counted() -> None:
    found = (
        an_alert(),
        an_alert("BLOCK_RATE_HIGH", subject="", severity=Severity.WARNING),
        an_alert("CLIENT_BEHIND", state=AlertState.PENDING, firing_since=None),
        an_alert("INTEGRITY", state=AlertState.RESOLVED, resolved_at=at(9)),
    )

    shown = alerts(found)

    assert [row.code for row in shown.rows] == ["CLIENT_SAFE", "BLOCK_RATE_HIGH", "CLIENT_BEHIND", "INTEGRITY"]
    assert (shown.critical, shown.warning) == (1, 1)
    assert [row.since.text for row in shown.rows] == ["30 Nov 10:31", "30 Nov 10:31", "30 Nov 10:30", "30 Nov 10:39"]
    assert [row.mark for row in shown.rows] == ["critical", "warning", "critical, pending", "resolved"]
    assert shown.announcement.startswith("2 alerts firing. critical: A client acts on safe defaults (executor-1);")


def test_without_alerts_that_is_announced() -> None:
    assert alerts(()).announcement == "No alert is firing."


def test_a_storm_of_alerts_is_cut_but_counted() -> None:
    shown = alerts(tuple(an_alert(subject=f"client-{number}") for number in range(ALERTS_SHOWN + 2)))

    assert (len(shown.rows), shown.left_out, shown.critical) == (ALERTS_SHOWN, 2, ALERTS_SHOWN + 2)

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from msc_builders import START, a_content
from msc_live import a_head
from msc_observed import a_client, an_observation
from typer.testing import CliRunner

from msc_authority.app.alerts import rules
from msc_authority.app.alerts.board import Board
from msc_authority.app.alerts.conditions import REPORTING_WITHIN_S, reporting_clients, span
from msc_authority.app.alerts.rule import Rule
from msc_authority.app.alerts.rules import RULES
from msc_authority.app.alerts.values import Severity
from msc_authority.app.clients import ClientTier
from msc_authority.app.observation import ClientView, Observation
from msc_authority.cli.app import build_app
from msc_authority.core.policy import RiskMode

EACH_RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
COMMAND = re.compile(r"`(msc [^`]+)`")


def test_each_alert_has_a_name_of_its_own() -> None:
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_the_critical_ones_are_those_that_stop_trading_or_blind_us() -> None:
    critical = {rule.code for rule in RULES if rule.severity is Severity.CRITICAL}

    assert critical == {
        "POLICY_UNAVAILABLE",
        "DEFENSIVE_TOO_LONG",
        "NO_STRATEGY_ALLOWED",
        "CLIENT_SAFE",
        "EVALUATION_OVERDUE",
        "TRADING_NOT_ACTIVE",
        "INTEGRITY",
        "AUDIT_BROKEN",
        "RULE_BROKEN",
    }


@EACH_RULE
def test_each_rule_is_explained_under_a_heading_of_its_name(rule: Rule) -> None:
    assert rule.anchor == f"alert-{rule.code.lower()}".replace("_", "-")
    assert rule.title
    assert not rule.title.endswith(".")


@EACH_RULE
def test_each_rule_is_in_the_list_for_people_with_its_severity(rule: Rule) -> None:
    readme = Path(rules.__file__).with_name("README.md").read_text(encoding="utf-8")

    assert f"| `{rule.code}` | {rule.severity} |" in readme


@EACH_RULE
def test_what_to_do_is_a_command_that_exists(rule: Rule) -> None:
    commands = COMMAND.findall(rule.advice)

    assert commands
    for command in commands:
        # The parser looks at every option before it helps.
        result = CliRunner().invoke(build_app(), [*shlex.split(command)[1:], "--help"])
        assert result.exit_code == 0, result.output


@EACH_RULE
def test_what_to_do_holds_wherever_the_authority_is(rule: Rule) -> None:
    assert "://" not in rule.advice


@EACH_RULE
def test_on_a_calm_day_nothing_is_found(rule: Rule) -> None:
    calm = an_observation(clients=(a_client("one"), a_client("two")))

    assert list(rule.find(calm) or ()) == []


@EACH_RULE
def test_without_a_policy_only_that_is_found(rule: Rule) -> None:
    empty = an_observation(
        head=a_head(0), policy_unavailable_s=600.0, risk_mode_since=None, trading_state_since=None, mode_changes=0
    )

    assert bool(rule.find(empty)) == (rule.code == "POLICY_UNAVAILABLE")


def test_defensive_counts_from_the_revision_while_history_cannot_be_read() -> None:
    observed = an_observation(
        head=a_head(content=a_content(RiskMode.DEFENSIVE)), risk_mode_since=None, at=START + timedelta(hours=2)
    )
    [event] = Board().judge(observed)

    assert (event.alert.code, event.alert.pending_since) == ("DEFENSIVE_TOO_LONG", START)


def test_defensive_without_a_reason_says_so() -> None:
    content = a_content(RiskMode.DEFENSIVE, reasons=())
    observed = an_observation(head=a_head(content=content), at=START + timedelta(hours=2))
    [event] = Board().judge(observed)

    assert event.alert.text == "The risk mode has been DEFENSIVE for 2.0 h: no reason given"


# Who counts as a client


def seen(*views: ClientView) -> Observation:
    return an_observation(clients=views)


def names(observed: Observation) -> list[str]:
    return [subject for subject, _ in reporting_clients(observed)]


def without_watch(view: ClientView, report_age_s: float = 1.0) -> ClientView:
    return replace(view, entry=replace(view.entry, watches=0), report_age_s=report_age_s)


def test_who_only_watches_says_nothing_and_does_not_count() -> None:
    assert names(seen(a_client("one", tier=ClientTier.UNSPECIFIED, applied=None, age_s=None))) == []


def test_who_watches_counts_however_long_it_has_been_silent() -> None:
    assert names(seen(replace(a_client("one"), report_age_s=5000.0))) == ["one"]


@pytest.mark.parametrize(("report_age_s", "counts"), [(REPORTING_WITHIN_S, True), (REPORTING_WITHIN_S + 1, False)])
def test_who_does_not_watch_counts_while_it_reports(report_age_s: float, counts: bool) -> None:
    assert bool(names(seen(without_watch(a_client("one"), report_age_s)))) is counts


def test_a_client_without_a_name_or_with_that_of_another_goes_by_its_instance() -> None:
    views = (a_client("", "x"), a_client("same", "y"), a_client("same", "z"), a_client("own", "w"))

    assert names(seen(*views)) == ["x", "y", "z", "own"]


def test_a_start_of_a_client_that_was_replaced_does_not_count() -> None:
    before, after = without_watch(a_client("one", "before")), a_client("one", "after")

    assert names(seen(before, after)) == ["one"]
    assert reporting_clients(seen(before, after))[0][1] is after


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119.4, "119 s"), (120.0, "2 min"), (7199.0, "120 min"), (9000.0, "2.5 h")]
)
def test_a_span_is_told_as_people_say_it(seconds: float, text: str) -> None:
    assert span(seconds) == text

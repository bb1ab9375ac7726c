"""The gauges beside their lines, and the time in each mode beside its target."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import START, a_verdict, an_entry, at
from msc_dashboard import facts, kept

from msc_authority.app.observation import ModeShares
from msc_authority.core.evaluation import HealthMetric
from msc_authority.core.policy import RiskMode, SystemHealth
from msc_authority.http.dashboard.health_view import gauge, health, measured, mode_shares
from msc_authority.http.dashboard.policy_view import instant
from msc_authority.http.dashboard.render import render
from msc_authority.http.dashboard.text import iso

DRAWDOWN = HealthMetric(
    name="drawdown_pct", value=1.5, threshold=3.0, margin=1.5, sample_size=1747, window="30 d", source="equity_points"
)
WINRATE = HealthMetric(
    name="winrate_fraction",
    value=0.4,
    threshold=0.45,
    margin=-0.05,
    interval_low=0.33,
    interval_high=0.47,
    sample_size=200,
    age_s=125.0,
    warning_points=2,
)


def test_a_metric_in_order_has_room() -> None:
    shown = gauge(DRAWDOWN)

    assert (shown.value, shown.line, shown.margin, shown.verdict) == ("1.50 %", "below 3.00 %", "+1.50", "in order")
    assert shown.room == 0.5
    assert shown.points == ""
    assert shown.basis == "n = 1,747 · 30 d · equity_points"


def test_a_metric_over_its_line_says_so_in_a_word_with_its_points() -> None:
    shown = gauge(WINRATE)

    assert (shown.value, shown.line, shown.margin) == ("40.0 %", "at least 45.0 %", "−5.0")
    assert shown.verdict == "over the line"
    assert shown.points == "2 points"
    assert shown.room == -0.25
    assert shown.basis == "n = 200 · 95 %: 33.0 to 47.0 % · newest 2 min old"


def test_an_upper_line_is_over_when_it_is_reached() -> None:
    assert gauge(HealthMetric(name="loss_streak", value=5, threshold=5, margin=0)).verdict == "over the line"
    assert gauge(HealthMetric(name="expectancy", value=0, threshold=0, margin=0)).verdict == "in order"


def test_an_unknown_metric_is_a_word_and_has_no_bar() -> None:
    shown = gauge(HealthMetric(name="drawdown_pct", value=None, threshold=3.0))

    assert (shown.value, shown.verdict, shown.room, shown.margin) == ("unknown", "unknown", None, "")


def test_of_an_expectancy_only_the_side_is_drawn() -> None:
    rooms = [gauge(HealthMetric(name="expectancy", value=x, threshold=0, margin=x)).room for x in (-900.0, 0.0, 0.01)]

    assert rooms == [-0.5, 0.0, 0.5]


def test_a_metric_that_nobody_knows_here_is_shown_by_its_name() -> None:
    assert gauge(HealthMetric(name="novel_ratio", value=0.5, threshold=1.0, margin=0.5)).label == "novel_ratio"


@given(st.floats(-1e9, 1e9))
def test_a_bar_never_leaves_its_box(margin: float) -> None:
    room = gauge(HealthMetric(name="drawdown_pct", value=3.0 - margin, threshold=3.0, margin=margin)).room

    assert room is not None
    assert -1 <= room <= 1


def test_health_separates_what_has_a_line_from_what_has_none() -> None:
    metrics = (DRAWDOWN, HealthMetric(name="sharpe_ratio", value=1.25))
    entry = an_entry(verdict=a_verdict(metrics=metrics, system_health=SystemHealth.GOOD, mode_target=RiskMode.NORMAL))

    shown = health(facts(kept=kept(entry)))

    assert [row.name for row in shown.gauges] == ["drawdown_pct"]
    assert [(row.label, row.value) for row in shown.measures] == [("Sharpe ratio", "1.25")]
    assert (shown.grade, shown.target) == ("GOOD", "NORMAL")


def test_before_the_first_evaluation_there_is_no_health() -> None:
    assert health(facts()).gauges == ()
    assert measured(facts()) == ()


def test_what_was_measured_can_be_typed_in_again() -> None:
    entry = an_entry(verdict=a_verdict(metrics=(DRAWDOWN, WINRATE, HealthMetric(name="loss_streak", value=None))))

    assert dict(measured(facts(kept=kept(entry)))) == {
        "drawdown_pct": "1.5",
        "winrate_fraction": "0.4",
        "trades_n": "200",
    }


def test_time_in_mode_is_judged_by_the_targets() -> None:
    shares = ModeShares(
        since=START, seconds={RiskMode.DEFENSIVE: 200.0, RiskMode.NORMAL: 650.0, RiskMode.AGGRESSIVE: 150.0}
    )

    shown = mode_shares(shares, at(60)).rows

    assert [(row.mode, row.text, row.verdict) for row in shown] == [
        ("DEFENSIVE", "20.0 %", "more than aimed at"),
        ("NORMAL", "65.0 %", "on target"),
        ("AGGRESSIVE", "15.0 %", "on target"),
    ]


@pytest.mark.parametrize(
    ("normal", "verdict"), [(500.0, "less than aimed at"), (700.0, "on target"), (800.0, "more than aimed at")]
)
def test_a_share_is_below_on_or_above_its_target(normal: float, verdict: str) -> None:
    seconds = {RiskMode.NORMAL: normal, RiskMode.DEFENSIVE: 1000.0 - normal}

    assert mode_shares(ModeShares(since=START, seconds=seconds), at(60)).rows[1].verdict == verdict


def test_without_any_time_the_shares_are_unknown() -> None:
    assert {row.text for row in mode_shares(ModeShares(since=START, seconds={}), at(60)).rows} == {"unknown"}


def test_the_time_in_mode_of_a_young_database_says_since_when_and_that_of_an_old_one_thirty_days() -> None:
    shares = ModeShares(since=START, seconds={RiskMode.NORMAL: 60.0})

    young, old = mode_shares(shares, at(60)), mode_shares(shares, START + timedelta(days=30))

    assert young.since == instant(START)
    assert old.since is None
    assert f'Since <time datetime="{iso(START)}"' in render("shares", young)
    assert "Last 30 days" not in render("shares", young)
    assert "Last 30 days, beside the targets." in render("shares", old)

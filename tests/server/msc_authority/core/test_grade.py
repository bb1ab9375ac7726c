"""Every boundary of the grade."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, changed

from msc_authority.core.grade import GradeInputs, Grading, grade
from msc_authority.core.policy import RiskMode, SystemHealth

UNKNOWN, CRITICAL, POOR, NORMAL, GOOD, EXCELLENT = SystemHealth
STRONG = GradeInputs(
    drawdown_pct=0.5,
    full_drawdown_pct=0.5,
    winrate_fraction=0.65,
    trades_n=100,
    expectancy=10.0,
    slope_pct_per_day=0.2,
    slope_high_pct_per_day=0.4,
    loss_streak=0,
    days_without_profit=0.1,
    volatility_ratio=1.0,
    nav=1.1,
)


def graded(**changes: float | int | bool | None) -> Grading:
    if "drawdown_pct" in changes:
        changes.setdefault("full_drawdown_pct", changes["drawdown_pct"])
    return grade(changed(STRONG, changes), CONFIG.grade)


def just_below(value: float) -> float:
    return math.nextafter(value, -math.inf)


def just_above(value: float) -> float:
    return math.nextafter(value, math.inf)


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        ({}, EXCELLENT),
        ({"known": False}, UNKNOWN),
        ({"stale_for_s": 30_000.0}, UNKNOWN),
        ({"stale_for_s": 30_000.0, "drawdown_pct": 50.0}, UNKNOWN),
        ({"valid": False}, CRITICAL),
        ({"nav": 0.0}, CRITICAL),
        ({"nav": -1.0}, CRITICAL),
        ({"drawdown_pct": 8.0}, CRITICAL),
        ({"drawdown_pct": just_below(8.0)}, POOR),
        ({"drawdown_pct": 4.0}, POOR),
        ({"drawdown_pct": just_below(4.0)}, NORMAL),
        ({"drawdown_pct": just_above(2.0)}, NORMAL),
        ({"drawdown_pct": 2.0}, GOOD),
        ({"drawdown_pct": just_above(1.0)}, GOOD),
        ({"drawdown_pct": 1.0}, EXCELLENT),
        ({"winrate_fraction": just_below(0.55)}, NORMAL),
        ({"winrate_fraction": 0.55}, GOOD),
        ({"winrate_fraction": just_below(0.62)}, GOOD),
        ({"winrate_fraction": 0.62}, EXCELLENT),
        ({"trades_n": 49, "winrate_fraction": 0.9}, GOOD),
        ({"trades_n": 50, "winrate_fraction": 0.9}, EXCELLENT),
        ({"trades_n": 50, "winrate_fraction": 0.62}, GOOD),  # the lower bound of 31 wins in 50 is 0.482
        ({"slope_pct_per_day": 0.0}, GOOD),
        ({"slope_pct_per_day": just_above(0.0)}, EXCELLENT),
        ({"loss_streak": 5}, NORMAL),
        ({"loss_streak": 4}, EXCELLENT),
        ({"days_without_profit": 3.0}, NORMAL),
        ({"days_without_profit": just_below(3.0)}, EXCELLENT),
        ({"volatility_ratio": just_above(1.5)}, NORMAL),
        ({"volatility_ratio": 1.5}, EXCELLENT),
        ({"loss_streak": 8, "days_without_profit": 3.0}, POOR),  # three points
        ({"loss_streak": 8}, NORMAL),  # two points
        ({"drawdown_pct": None, "full_drawdown_pct": None}, NORMAL),
        ({"winrate_fraction": None, "trades_n": None}, NORMAL),
    ],
)
def test_the_first_grade_that_matches_is_given(changes: dict[str, float], health: SystemHealth) -> None:
    assert graded(**changes).health is health


@pytest.mark.parametrize(
    "name",
    ["slope_pct_per_day", "trades_n", "expectancy", "loss_streak", "days_without_profit", "volatility_ratio"],
)
def test_an_unknown_metric_blocks_excellent_but_not_good(name: str) -> None:
    assert graded(**{name: None}).health is GOOD


@pytest.mark.parametrize(
    "name",
    ["slope_pct_per_day", "trades_n", "expectancy", "loss_streak", "days_without_profit", "volatility_ratio"],
)
def test_in_a_what_if_a_metric_that_is_not_supplied_is_left_out_of_account(name: str) -> None:
    assert graded(what_if=True, **{name: None}).health is EXCELLENT


@pytest.mark.parametrize("name", ["full_drawdown_pct", "winrate_fraction"])
def test_what_a_good_grade_rests_on_must_be_known_even_in_a_what_if(name: str) -> None:
    assert graded(what_if=True, **{name: None}).health is NORMAL


def test_good_grades_look_at_the_full_drawdown_even_when_it_was_measured_anew() -> None:
    assert graded(drawdown_pct=0.0, full_drawdown_pct=3.5).health is NORMAL


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({}, {}),
        ({"drawdown_pct": just_below(3.0)}, {}),
        ({"drawdown_pct": 3.0}, {"drawdown_pct": 1}),
        ({"winrate_fraction": 0.45, "trades_n": 20}, {"winrate_fraction": 1}),
        ({"winrate_fraction": 0.45, "trades_n": 20, "expectancy": 0.0}, {"winrate_fraction": 2}),
        ({"winrate_fraction": 0.45, "trades_n": 20, "expectancy": None}, {"winrate_fraction": 1}),
        ({"winrate_fraction": just_above(0.45), "expectancy": -1.0}, {}),
        ({"winrate_fraction": 0.45, "trades_n": 19, "expectancy": -1.0}, {}),
        ({"slope_pct_per_day": -0.51, "slope_high_pct_per_day": -0.1}, {"slope_pct_per_day": 2}),
        ({"slope_pct_per_day": -0.5, "slope_high_pct_per_day": -0.1}, {}),
        ({"slope_pct_per_day": -0.51, "slope_high_pct_per_day": 0.0}, {}),
        ({"slope_pct_per_day": -0.51, "slope_high_pct_per_day": None}, {}),
        ({"loss_streak": 5}, {"loss_streak": 1}),
        ({"loss_streak": 7}, {"loss_streak": 1}),
        ({"loss_streak": 8}, {"loss_streak": 2}),
        ({"days_without_profit": 3.0}, {"days_without_profit": 1}),
        ({"volatility_ratio": 2.5}, {"volatility_ratio": 1}),
        ({"volatility_ratio": just_above(2.5)}, {"volatility_ratio": 2}),
        ({"volatility_ratio": 0.1}, {}),
    ],
)
def test_warning_points_by_metric(changes: dict[str, float], points: dict[str, int]) -> None:
    found = graded(**changes)
    assert found.points == points
    assert found.warning_points == sum(points.values())
    assert {reason.metric for reason in found.reasons[1:]} == set(points)


def test_in_a_what_if_a_falling_slope_counts_without_its_interval() -> None:
    found = graded(what_if=True, slope_pct_per_day=-0.6, slope_high_pct_per_day=None)
    assert found.points == {"slope_pct_per_day": 2}


def test_in_a_what_if_a_low_win_rate_counts_without_its_number_of_trades() -> None:
    assert graded(what_if=True, winrate_fraction=0.4, trades_n=None).points == {"winrate_fraction": 1}


def test_reasons_carry_the_numbers() -> None:
    decisive, warning = graded(drawdown_pct=4.25).reasons
    assert (decisive.code, decisive.value, decisive.threshold) == ("DRAWDOWN_POOR", 4.25, 4.0)
    assert decisive.text == "POOR: drawdown 4.25 % has reached 4 %"
    assert (warning.code, warning.threshold) == ("DRAWDOWN_WARNING", 3.0)


def test_a_grade_says_what_it_is_short_of() -> None:
    text = graded(drawdown_pct=1.5, slope_pct_per_day=None, volatility_ratio=None).reasons[0].text
    assert text == ("GOOD, short of EXCELLENT: drawdown 1.50 % above 1 %; equity slope unknown; volatility unknown")


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({"known": False}, RiskMode.DEFENSIVE),
        ({"drawdown_pct": 9.0}, RiskMode.DEFENSIVE),
        ({"drawdown_pct": 5.0}, RiskMode.DEFENSIVE),
        ({"drawdown_pct": 2.5}, RiskMode.NORMAL),
        ({"drawdown_pct": 1.5}, RiskMode.NORMAL),
        ({}, RiskMode.AGGRESSIVE),
    ],
)
def test_each_grade_asks_for_its_mode(changes: dict[str, float], mode: RiskMode) -> None:
    assert graded(**changes).target is mode


UNSURE = {
    "winrate_fraction": st.one_of(st.none(), st.floats(0, 1)),
    "trades_n": st.one_of(st.none(), st.integers(0, 200)),
    "expectancy": st.one_of(st.none(), st.floats(-10, 10)),
    "slope_pct_per_day": st.one_of(st.none(), st.floats(-2, 2)),
    "slope_high_pct_per_day": st.one_of(st.none(), st.floats(-2, 2)),
    "loss_streak": st.one_of(st.none(), st.integers(0, 10)),
    "days_without_profit": st.one_of(st.none(), st.floats(0, 6)),
    "volatility_ratio": st.one_of(st.none(), st.floats(0, 4)),
}


@given(st.fixed_dictionaries(UNSURE), st.floats(0, 20), st.floats(0, 20), st.booleans())
def test_a_larger_drawdown_never_gives_a_better_grade_or_a_looser_mode(
    others: dict[str, float], one: float, other: float, what_if: bool
) -> None:
    order = list(SystemHealth)
    less, more = (graded(what_if=what_if, drawdown_pct=value, **others) for value in sorted((one, other)))
    assert order.index(more.health) <= order.index(less.health)
    assert more.target <= less.target
    assert more.warning_points >= less.warning_points


@given(st.fixed_dictionaries(UNSURE), st.sampled_from(sorted(UNSURE)))
def test_losing_sight_of_a_metric_never_makes_the_grade_excellent(others: dict[str, float], name: str) -> None:
    if graded(**others).health is not EXCELLENT:
        without = dict.fromkeys(("slope_high_pct_per_day", name))
        assert graded(**{**others, **without}).health is not EXCELLENT

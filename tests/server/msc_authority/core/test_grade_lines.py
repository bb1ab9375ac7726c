"""The lines of the grade are those of the configuration, each on its own side of the line."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import changed

from msc_authority.core.config import GradeConfig
from msc_authority.core.grade import GradeInputs, grade
from msc_authority.core.metrics_trades import wilson_interval
from msc_authority.core.policy import SystemHealth

STRONG = GradeInputs(
    drawdown_pct=0.5,
    full_drawdown_pct=0.5,
    winrate_fraction=0.65,
    trades_n=100.0,
    expectancy=10.0,
    slope_pct_per_day=0.2,
    slope_high_pct_per_day=0.4,
    loss_streak=0,
    days_without_profit=0.1,
    volatility_ratio=1.0,
    nav=1.1,
)
TINY = math.ulp(0.0)


def health(config: GradeConfig, **inputs: float | None) -> SystemHealth:
    if "drawdown_pct" in inputs:
        inputs.setdefault("full_drawdown_pct", inputs["drawdown_pct"])
    return grade(changed(STRONG, inputs), config).health


def points(config: GradeConfig, **inputs: float | None) -> int:
    return grade(changed(STRONG, inputs), config).warning_points


@pytest.mark.parametrize(
    ("line", "value", "metric", "at_the_line", "short_of_it"),
    [
        ("critical_drawdown_pct", 9.0, "drawdown_pct", SystemHealth.CRITICAL, SystemHealth.POOR),
        ("poor_drawdown_pct", 5.0, "drawdown_pct", SystemHealth.POOR, SystemHealth.NORMAL),
        ("good_drawdown_pct", 1.75, "drawdown_pct", SystemHealth.GOOD, SystemHealth.NORMAL),
        ("excellent_drawdown_pct", 0.75, "drawdown_pct", SystemHealth.EXCELLENT, SystemHealth.GOOD),
        ("good_winrate_fraction", 0.58, "winrate_fraction", SystemHealth.GOOD, SystemHealth.NORMAL),
        ("excellent_winrate_fraction", 0.64, "winrate_fraction", SystemHealth.EXCELLENT, SystemHealth.GOOD),
        ("excellent_min_trades", 80, "trades_n", SystemHealth.EXCELLENT, SystemHealth.GOOD),
        ("poor_warning_points", 1, "loss_streak", SystemHealth.POOR, SystemHealth.EXCELLENT),
    ],
)
def test_a_line_that_is_moved_is_crossed_where_it_is_now(
    line: str, value: float, metric: str, at_the_line: SystemHealth, short_of_it: SystemHealth
) -> None:
    config = changed(GradeConfig(), {line: value})
    crossing = float(config.loss_streak_trades) if metric == "loss_streak" else value
    # Drawdowns are judged from below upward, the others from above downward.
    rises = line in {"good_drawdown_pct", "excellent_drawdown_pct"}
    other = math.nextafter(crossing, math.inf if rises else -math.inf)
    other = crossing - 1 if metric in {"trades_n", "loss_streak"} else other

    assert health(config, **{metric: crossing}) is at_the_line
    assert health(config, **{metric: other}) is short_of_it


@pytest.mark.parametrize(
    ("line", "inputs"),
    [
        ("warning_drawdown_points", {"drawdown_pct": 3.5}),
        ("low_winrate_points", {"winrate_fraction": 0.4}),
        ("low_winrate_losing_points", {"winrate_fraction": 0.4, "expectancy": -1.0}),
        ("falling_slope_points", {"slope_pct_per_day": -1.0, "slope_high_pct_per_day": -0.1}),
        ("loss_streak_points", {"loss_streak": 5}),
        ("long_loss_streak_points", {"loss_streak": 8}),
        ("without_profit_points", {"days_without_profit": 4.0}),
        ("high_volatility_points", {"volatility_ratio": 2.0}),
        ("extreme_volatility_points", {"volatility_ratio": 3.0}),
    ],
)
def test_each_warning_costs_the_points_of_its_own_line(line: str, inputs: dict[str, float]) -> None:
    paired = {
        "low_winrate_points": {"low_winrate_losing_points": 5},
        "loss_streak_points": {"long_loss_streak_points": 5},
        "high_volatility_points": {"extreme_volatility_points": 5},
    }
    assert points(changed(GradeConfig(), {line: 5, **paired.get(line, {})}), **inputs) == 5


def test_a_warning_that_costs_nothing_is_no_warning() -> None:
    silent = replace(GradeConfig(), without_profit_points=0)
    found = grade(replace(STRONG, days_without_profit=30.0), silent)

    assert (found.health, found.points, len(found.reasons)) == (SystemHealth.EXCELLENT, {}, 1)


@pytest.mark.parametrize(("expectancy", "cost"), [(-TINY, 2), (0.0, 2), (TINY, 1), (None, 1)])
def test_an_expectancy_of_exactly_zero_is_not_positive(expectancy: float | None, cost: int) -> None:
    assert points(GradeConfig(), winrate_fraction=0.45, expectancy=expectancy) == cost


@pytest.mark.parametrize(("nav", "grade_"), [(TINY, SystemHealth.EXCELLENT), (0.0, SystemHealth.CRITICAL)])
def test_capital_is_gone_at_zero_and_not_before(nav: float, grade_: SystemHealth) -> None:
    assert health(GradeConfig(), nav=nav) is grade_


@pytest.mark.parametrize(
    ("slope", "high", "cost"),
    [
        (math.nextafter(-0.5, -1.0), -TINY, 2),
        (math.nextafter(-0.5, -1.0), 0.0, 0),
        (-0.5, -0.5, 0),
        (0.5, -0.1, 0),
    ],
)
def test_a_slope_warns_only_beyond_its_line_and_with_its_interval_below_zero(
    slope: float, high: float, cost: int
) -> None:
    assert points(GradeConfig(), slope_pct_per_day=slope, slope_high_pct_per_day=high) == cost


def test_the_lower_bound_of_the_win_rate_has_to_be_above_its_line_not_on_it() -> None:
    interval = wilson_interval(0.65, 100.0)
    assert interval is not None
    on_the_line = replace(GradeConfig(), excellent_wilson_low_fraction=interval[0])
    below_it = replace(GradeConfig(), excellent_wilson_low_fraction=math.nextafter(interval[0], 0.0))

    assert health(on_the_line) is SystemHealth.GOOD
    assert health(below_it) is SystemHealth.EXCELLENT


def test_without_a_single_trade_even_a_perfect_rate_proves_nothing() -> None:
    lax = replace(GradeConfig(), excellent_min_trades=0, excellent_wilson_low_fraction=0.0)

    assert health(lax, winrate_fraction=1.0, trades_n=0.0) is SystemHealth.GOOD
    assert health(lax, winrate_fraction=1.0, trades_n=1.0) is SystemHealth.EXCELLENT


@pytest.mark.parametrize(
    ("inputs", "order"),
    [
        ({"known": False, "stale_for_s": 9e9, "valid": False, "nav": -1.0, "drawdown_pct": 99.0}, "NO_FACTS"),
        ({"stale_for_s": 9e9, "valid": False, "nav": -1.0, "drawdown_pct": 99.0}, "FACTS_STALE"),
        ({"valid": False, "nav": -1.0, "drawdown_pct": 99.0}, "INPUTS_INVALID"),
        ({"nav": -1.0, "drawdown_pct": 99.0}, "NAV_NOT_POSITIVE"),
        ({"drawdown_pct": 99.0, "loss_streak": 99}, "DRAWDOWN_CRITICAL"),
        ({"drawdown_pct": 5.0, "loss_streak": 8}, "DRAWDOWN_POOR"),
        ({"drawdown_pct": 3.0, "loss_streak": 8}, "WARNING_POINTS"),
    ],
)
def test_of_several_things_wrong_the_gravest_is_said_first(inputs: dict[str, object], order: str) -> None:
    assert grade(changed(STRONG, inputs), GradeConfig()).reasons[0].code == order


@given(st.floats(0, 20), st.floats(0, 20), st.floats(0, 1), st.integers(0, 12))
def test_a_drawdown_that_was_measured_anew_never_helps_beyond_normal(
    judged: float, full: float, winrate: float, streak: int
) -> None:
    low, high = sorted((judged, full))
    anew = replace(STRONG, drawdown_pct=low, full_drawdown_pct=high, winrate_fraction=winrate, loss_streak=streak)
    whole = replace(anew, drawdown_pct=high)
    found, fair = (grade(inputs, GradeConfig()).health for inputs in (anew, whole))

    if fair not in {SystemHealth.GOOD, SystemHealth.EXCELLENT}:
        assert found not in {SystemHealth.GOOD, SystemHealth.EXCELLENT}

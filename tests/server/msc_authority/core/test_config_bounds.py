"""The bounds of every number of the decision model: the bound itself is taken, the next number beyond it is not."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from msc_core_builders import changed

from msc_authority.core.config import (
    DecisionConfig,
    EquityConfig,
    GradeConfig,
    HysteresisConfig,
    ModeLimits,
    RebaseConfig,
    TapeConfig,
    TradingStateConfig,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TINY = math.ulp(0.0)
NO_BOUND = math.inf

# Group, name, default, least and greatest; whole numbers are counts.
GROUPS: dict[str, tuple[DataclassInstance, dict[str, tuple[float, float, float]]]] = {
    "tape": (
        TapeConfig(),
        {
            "length_trades": (200, 1, 10_000),
            "idle_grace_s": (86_400.0, 0.0, NO_BOUND),
            "winrate_idle_half_life_s": (259_200.0, TINY, NO_BOUND),
            "winrate_prior_fraction": (0.50, 0.0, 1.0),
            "winrate_forgotten_weight": (0.10, 0.0, 1.0),
        },
    ),
    "equity": (
        EquityConfig(),
        {
            "starting_capital": (10_000.0, TINY, NO_BOUND),
            "high_water_window_d": (30, 1, 3650),
            "slope_window_d": (7, 5, 90),
            "slope_min_days": (5, 2, 7),
            "daily_window_d": (90, 14, 3650),
            "ratios_min_days": (14, 2, 90),
            "volatility_half_life_s": (86_400.0, TINY, NO_BOUND),
            "volatility_min_points": (30, 1, 1_000_000),
            "volatility_min_days": (5, 1, 90),
        },
    ),
    "grade": (
        GradeConfig(),
        {
            "critical_drawdown_pct": (8.0, 4.0, 100.0),
            "poor_drawdown_pct": (4.0, 3.0, 8.0),
            "good_drawdown_pct": (2.0, 1.0, 3.0),
            "excellent_drawdown_pct": (1.0, 0.0, 2.0),
            "good_winrate_fraction": (0.55, 0.45, 0.62),
            "excellent_winrate_fraction": (0.62, 0.55, 1.0),
            "excellent_min_trades": (50, 0, 1_000_000),
            "excellent_wilson_low_fraction": (0.50, 0.0, 1.0),
            "poor_warning_points": (3, 1, 1_000_000),
            "warning_drawdown_pct": (3.0, 2.0, 4.0),
            "warning_drawdown_points": (1, 0, 1_000_000),
            "low_winrate_fraction": (0.45, 0.0, 0.55),
            "low_winrate_min_trades": (20, 0, 1_000_000),
            "low_winrate_points": (1, 0, 2),
            "low_winrate_losing_points": (2, 1, 1_000_000),
            "falling_slope_pct_per_day": (-0.5, -NO_BOUND, 0.0),
            "falling_slope_points": (2, 0, 1_000_000),
            "loss_streak_trades": (5, 1, 8),
            "loss_streak_points": (1, 0, 2),
            "long_loss_streak_trades": (8, 5, 1_000_000),
            "long_loss_streak_points": (2, 1, 1_000_000),
            "without_profit_d": (3.0, TINY, NO_BOUND),
            "without_profit_points": (1, 0, 1_000_000),
            "low_volatility_ratio": (0.6, 0.0, 1.5),
            "high_volatility_ratio": (1.5, 0.6, 2.5),
            "high_volatility_points": (1, 0, 2),
            "extreme_volatility_ratio": (2.5, 1.5, NO_BOUND),
            "extreme_volatility_points": (2, 1, 1_000_000),
        },
    ),
    "limits": (
        ModeLimits(),
        {
            "max_risk_per_trade": (0.0030, TINY, 1.0),
            "global_min_confidence": (0.70, 0.0, 1.0),
            "max_positions": (8, 1, 1_000_000),
            "max_daily_trades": (10, 1, 1_000_000),
            "max_strategies": (4, 1, 1_000_000),
        },
    ),
    "hysteresis": (
        HysteresisConfig(),
        {
            "min_time_in_mode_s": (3_600.0, 0.0, NO_BOUND),
            "min_agreeing_evaluations": (2, 1, 1_000_000),
            "changes_window_s": (3_600.0, TINY, NO_BOUND),
            "max_changes_per_window": (5, 1, 1000),
            "exit_defensive_drawdown_pct": (3.0, 0.0, 100.0),
            "exit_defensive_warning_points": (1, 0, 1_000_000),
            "exit_defensive_winrate_fraction": (0.50, 0.0, 1.0),
            "stay_aggressive_drawdown_pct": (1.5, 0.0, 100.0),
            "stay_aggressive_winrate_fraction": (0.58, 0.0, 1.0),
        },
    ),
    "trading_state": (
        TradingStateConfig(),
        {
            "reducing_until_drawdown_pct": (8.0, 0.0, 10.0),
            "reducing_from_drawdown_pct": (10.0, 8.0, 15.0),
            "halted_from_drawdown_pct": (15.0, 10.0, 100.0),
        },
    ),
    "rebase": (
        RebaseConfig(),
        {
            "after_quiet_s": (86_400.0, TINY, NO_BOUND),
            "min_drawdown_pct": (3.0, TINY, 100.0),
            "min_interval_s": (604_800.0, TINY, NO_BOUND),
            "reduced_risk_for_s": (86_400.0, 0.0, NO_BOUND),
            "reduced_risk_multiplier": (0.5, TINY, 1.0),
        },
    ),
    "decision": (DecisionConfig(), {"facts_max_age_s": (21_600.0, TINY, NO_BOUND)}),
}


NUMBERS = [(group, name) for group, (_, bounds) in GROUPS.items() for name in bounds]


def beyond(value: float, direction: float) -> float:
    return value + (1 if direction > 0 else -1) if isinstance(value, int) else math.nextafter(value, direction)


def test_no_number_of_the_decision_model_is_missing_here() -> None:
    for group, bounds in GROUPS.values():
        declared = {field.name for field in fields(group) if "low" in field.metadata}
        assert declared == set(bounds), type(group).__name__


@pytest.mark.parametrize(("group", "name"), NUMBERS)
def test_the_default_is_the_one_of_the_decision_model(group: str, name: str) -> None:
    default, bounds = GROUPS[group]
    assert getattr(default, name) == bounds[name][0]


@pytest.mark.parametrize(("group", "name"), NUMBERS)
def test_both_bounds_are_taken(group: str, name: str) -> None:
    default, bounds = GROUPS[group]
    for bound in bounds[name][1:]:
        if math.isfinite(bound):
            assert getattr(changed(default, {name: bound}), name) == bound


@pytest.mark.parametrize(("group", "name"), NUMBERS)
def test_the_next_number_below_the_least_is_refused_by_name(group: str, name: str) -> None:
    default, bounds = GROUPS[group]
    least = bounds[name][1]
    below = -NO_BOUND if math.isinf(least) else 0.0 if least == TINY else beyond(least, -math.inf)
    with pytest.raises(ValueError, match=rf"{group}\.{name}\b"):
        changed(default, {name: below})


@pytest.mark.parametrize(("group", "name"), NUMBERS)
def test_the_next_number_above_the_greatest_is_refused_by_name(group: str, name: str) -> None:
    default, bounds = GROUPS[group]
    above = beyond(bounds[name][2], math.inf)
    with pytest.raises(ValueError, match=rf"{group}\.{name}\b"):
        changed(default, {name: above})


@pytest.mark.parametrize(("group", "name"), NUMBERS)
@pytest.mark.parametrize("value", [math.nan, "1", None, True, [1.0]])
def test_what_is_no_number_is_refused_by_name(group: str, name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{group}\.{name} must be a (whole|finite) number"):
        changed(GROUPS[group][0], {name: value})


@pytest.mark.parametrize(
    ("group", "name", "value", "text"),
    [
        ("tape", "length_trades", 0, "tape.length_trades must be a whole number from 1 to 10000, not 0"),
        ("tape", "length_trades", 1.0, "tape.length_trades must be a whole number from 1 to 10000, not 1.0"),
        ("rebase", "min_interval_s", 0.0, "rebase.min_interval_s must be a finite number above 0, not 0.0"),
        (
            "limits",
            "max_risk_per_trade",
            1.5,
            "limits.max_risk_per_trade must be a finite number above 0 and at most 1, not 1.5",
        ),
        (
            "grade",
            "poor_drawdown_pct",
            8.5,
            "grade.poor_drawdown_pct (8.5) must not be greater than grade.critical_drawdown_pct (8)",
        ),
    ],
)
def test_a_refusal_says_what_would_be_taken(group: str, name: str, value: object, text: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        changed(GROUPS[group][0], {name: value})
    assert str(refused.value) == text

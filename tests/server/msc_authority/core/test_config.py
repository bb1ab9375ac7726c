"""The numbers of the decision model, and what is no decision model."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from msc_core_builders import changed

from msc_authority.core.config import (
    DecisionConfig,
    EquityConfig,
    GradeConfig,
    HysteresisConfig,
    ModeLimits,
    ModesConfig,
    RebaseConfig,
    TapeConfig,
    TradingStateConfig,
)
from msc_authority.core.policy import RiskMode


def test_each_mode_has_the_limits_of_the_table() -> None:
    modes = DecisionConfig().modes
    table = {
        RiskMode.DEFENSIVE: (0.0030, 0.70, 8, 10, 4),
        RiskMode.NORMAL: (0.0075, 0.60, 10, 30, 8),
        RiskMode.AGGRESSIVE: (0.0150, 0.50, 15, 50, 10),
    }
    for mode, wanted in table.items():
        limits = modes.of(mode)
        found = (
            limits.max_risk_per_trade,
            limits.global_min_confidence,
            limits.max_positions,
            limits.max_daily_trades,
            limits.max_strategies,
        )
        assert found == wanted


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.1, 100.1, "4", True, None])
def test_a_percentage_outside_sense_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match=r"grade\.critical_drawdown_pct"):
        changed(GradeConfig(), {"critical_drawdown_pct": value})


@pytest.mark.parametrize("value", [0, -1, 2.5, math.nan, "10", True])
def test_a_count_outside_sense_is_refused_by_name(value: object) -> None:
    with pytest.raises(ValueError, match=r"limits\.max_positions"):
        changed(ModeLimits(), {"max_positions": value})


def test_a_whole_number_is_welcome_where_a_fraction_is_meant_and_means_the_same() -> None:
    assert replace(GradeConfig(), poor_drawdown_pct=4) == GradeConfig()
    assert isinstance(replace(GradeConfig(), poor_drawdown_pct=4).poor_drawdown_pct, float)


@pytest.mark.parametrize(
    ("group", "changes", "named"),
    [
        (TapeConfig(), {"length_trades": 0}, "tape.length_trades"),
        (TapeConfig(), {"winrate_idle_half_life_s": 0.0}, "tape.winrate_idle_half_life_s"),
        (EquityConfig(), {"starting_capital": 0.0}, "equity.starting_capital"),
        (EquityConfig(), {"slope_min_days": 8}, "equity.slope_min_days"),
        (GradeConfig(), {"good_drawdown_pct": 0.5}, "grade.excellent_drawdown_pct"),
        (GradeConfig(), {"poor_drawdown_pct": 9.0}, "grade.poor_drawdown_pct"),
        (GradeConfig(), {"good_winrate_fraction": 0.7}, "grade.good_winrate_fraction"),
        (GradeConfig(), {"falling_slope_pct_per_day": 0.5}, "grade.falling_slope_pct_per_day"),
        (GradeConfig(), {"long_loss_streak_trades": 4}, "grade.loss_streak_trades"),
        (GradeConfig(), {"extreme_volatility_points": 0}, "grade.high_volatility_points"),
        (HysteresisConfig(), {"max_changes_per_window": 0}, "hysteresis.max_changes_per_window"),
        (TradingStateConfig(), {"reducing_until_drawdown_pct": 11.0}, "trading_state.reducing_until_drawdown_pct"),
        (TradingStateConfig(), {"halted_from_drawdown_pct": 9.0}, "trading_state.reducing_from_drawdown_pct"),
        (RebaseConfig(), {"reduced_risk_multiplier": 1.5}, "rebase.reduced_risk_multiplier"),
    ],
)
def test_a_group_out_of_order_is_refused_by_name(group: GradeConfig, changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        changed(group, changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_risk_per_trade", 0.01),
        ("global_min_confidence", 0.55),
        ("max_positions", 11),
        ("max_daily_trades", 31),
        ("max_strategies", 9),
    ],
)
def test_a_tighter_mode_may_not_be_looser_in_any_limit(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        ModesConfig(defensive=changed(ModeLimits(), {name: value}))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"facts_max_age_s": 0.0}, "decision.facts_max_age_s"),
        ({"hysteresis": HysteresisConfig(exit_defensive_drawdown_pct=5.0)}, "hysteresis.exit_defensive_drawdown_pct"),
        ({"hysteresis": HysteresisConfig(exit_defensive_warning_points=3)}, "hysteresis.exit_defensive_warning_points"),
        ({"hysteresis": HysteresisConfig(stay_aggressive_drawdown_pct=0.9)}, "hysteresis.stay_aggressive_drawdown_pct"),
        (
            {"hysteresis": HysteresisConfig(stay_aggressive_winrate_fraction=0.7)},
            "hysteresis.stay_aggressive_winrate_fraction",
        ),
        ({"rebase": RebaseConfig(min_drawdown_pct=3.5)}, "rebase.min_drawdown_pct"),
    ],
)
def test_groups_that_contradict_each_other_are_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        changed(DecisionConfig(), changes)

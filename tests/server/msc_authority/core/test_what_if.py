"""The commission's scenarios, and what else may be asked."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, DAY, HOUR, T0, a_ledger, a_point, codes, decided, thriving

from msc_authority.core.controller import ControllerState, what_if
from msc_authority.core.evaluation import SuppliedMetrics, Verdict
from msc_authority.core.policy import Limits, RiskMode, SystemHealth, TradingState

NOW = T0 + 2 * DAY
LEDGER = a_ledger(thriving(2))
STATE = decided(thriving(2), end=NOW)[-1].state


def asked(**supplied: float | None) -> Verdict:
    return what_if(SuppliedMetrics(**supplied), LEDGER, STATE, CONFIG, NOW)  # type: ignore[arg-type]  # ints as floats


def limits(risk: float, confidence: float, positions: int, trades: int) -> Limits:
    return Limits(
        max_risk_per_trade=risk, global_min_confidence=confidence, max_positions=positions, max_daily_trades=trades
    )


@pytest.mark.parametrize(
    ("supplied", "health", "mode", "allowed"),
    [
        (
            {"drawdown_pct": 2.0, "winrate_fraction": 0.60},
            SystemHealth.GOOD,
            RiskMode.NORMAL,
            limits(0.0075, 0.60, 10, 30),
        ),
        (
            {"drawdown_pct": 4.0, "winrate_fraction": 0.45},
            SystemHealth.POOR,
            RiskMode.DEFENSIVE,
            limits(0.0030, 0.70, 8, 10),
        ),
        (
            {"drawdown_pct": 0.5, "winrate_fraction": 0.65, "trades_n": 100},
            SystemHealth.EXCELLENT,
            RiskMode.AGGRESSIVE,
            limits(0.0150, 0.50, 15, 50),
        ),
        (
            {"drawdown_pct": 2.5, "winrate_fraction": 0.58, "slope_pct_per_day": 0.8},
            SystemHealth.NORMAL,
            RiskMode.NORMAL,
            limits(0.0075, 0.60, 10, 30),
        ),
    ],
    ids=["normal trading", "system stress", "strong performance", "the schema's sample"],
)
def test_the_commissions_scenarios_give_exactly_their_limits(
    supplied: dict[str, float], health: SystemHealth, mode: RiskMode, allowed: Limits
) -> None:
    verdict = asked(**supplied)
    assert (verdict.system_health, verdict.mode_target, verdict.mode_after) == (health, mode, mode)
    assert verdict.candidate.risk_mode is mode
    assert verdict.candidate.limits == allowed
    assert verdict.candidate.trading_state is TradingState.ACTIVE


def test_the_document_repeats_what_was_supplied_and_says_so() -> None:
    metrics = asked(drawdown_pct=2.5, winrate_fraction=0.58, slope_pct_per_day=0.8).candidate.metrics
    assert (metrics.system_drawdown, metrics.global_winrate, metrics.equity_slope) == (2.5, 0.58, 0.8)
    assert (metrics.trades_n, metrics.equity_source, metrics.system_health) == (None, "supplied", SystemHealth.NORMAL)


def test_strong_numbers_on_few_trades_are_not_excellent() -> None:
    assert asked(drawdown_pct=0.5, winrate_fraction=0.65, trades_n=30).system_health is SystemHealth.GOOD


def test_nothing_supplied_is_unknown_and_one_good_number_alone_vouches_for_nothing() -> None:
    assert asked().system_health is SystemHealth.UNKNOWN
    assert asked(winrate_fraction=0.99).system_health is SystemHealth.NORMAL
    assert asked(drawdown_pct=0.0).system_health is SystemHealth.NORMAL


@pytest.mark.parametrize(
    ("drawdown", "state"),
    [(9.99, TradingState.ACTIVE), (10.0, TradingState.REDUCING), (15.0, TradingState.HALTED)],
)
def test_the_trading_state_follows_the_supplied_drawdown(drawdown: float, state: TradingState) -> None:
    assert asked(drawdown_pct=drawdown).candidate.trading_state is state


def test_without_a_drawdown_the_present_trading_state_is_kept() -> None:
    halted = replace(STATE, trading_state=TradingState.HALTED)
    verdict = what_if(SuppliedMetrics(winrate_fraction=0.6), LEDGER, halted, CONFIG, NOW)
    assert verdict.candidate.trading_state is TradingState.HALTED


def test_strategies_are_chosen_for_the_resulting_mode_and_nobodys_life_changes() -> None:
    verdict = asked(drawdown_pct=2.0, winrate_fraction=0.60)
    assert verdict.candidate.allowed_strategies == ("TREND",)
    assert verdict.transitions == ()
    assert [ranking.allowed for ranking in verdict.strategies] == [True]


def test_warning_points_are_shown_beside_their_metric() -> None:
    verdict = asked(drawdown_pct=3.5, loss_streak=8, days_without_profit=0.0)
    assert verdict.warning_points == 3
    assert codes(verdict) == ["WARNING_POINTS", "DRAWDOWN_WARNING", "LOSS_STREAK"]
    assert {one.name: one.warning_points for one in verdict.metrics if one.warning_points} == {
        "drawdown_pct": 1,
        "loss_streak": 2,
    }
    assert {one.source for one in verdict.metrics} == {"supplied"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("drawdown_pct", math.nan),
        ("drawdown_pct", -0.1),
        ("drawdown_pct", 100.1),
        ("winrate_fraction", 60.0),
        ("winrate_fraction", math.inf),
        ("trades_n", -1),
        ("trades_n", 2.5),
        ("trades_n", 2**32),
        ("trades_n", True),
        ("slope_pct_per_day", -100.5),
        ("slope_pct_per_day", math.inf),
        ("loss_streak", -1),
        ("days_without_profit", -0.5),
        ("expectancy", -math.inf),
        ("volatility_ratio", -1.0),
        ("volatility_ratio", "high"),
    ],
)
def test_a_metric_outside_sense_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        asked(**{name: value})


def test_evidence_later_than_the_question_is_refused() -> None:
    with pytest.raises(ValueError, match="as_of"):
        what_if(SuppliedMetrics(), a_ledger([a_point(NOW + HOUR, 1)]), ControllerState.initial(NOW), CONFIG, NOW)


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 1), st.integers(0, 300))
def test_a_larger_drawdown_never_gives_a_looser_answer(one: float, other: float, winrate: float, trades: int) -> None:
    better, worse = (
        asked(drawdown_pct=value, winrate_fraction=winrate, trades_n=trades).candidate for value in sorted((one, other))
    )
    assert worse.risk_mode <= better.risk_mode
    assert worse.trading_state >= better.trading_state
    assert set(worse.allowed_strategies) <= set(better.allowed_strategies)

"""No death latch: an old drawdown is measured anew after a quiet day, at half risk, once a week."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msc_core_builders import (
    CONFIG,
    DAY,
    HALF_HOUR,
    HOUR,
    T0,
    a_ledger,
    a_point,
    a_result,
    codes,
    decided,
    equity_of,
    metric,
    readings,
    thriving,
)

from msc_authority.core.controller import Decision, decide
from msc_authority.core.evidence import Evidence
from msc_authority.core.policy import RiskMode, TradingState

FALL = T0 + 8 * DAY


def fallen(share: float, *, then: timedelta, trades: list[Evidence] | None = None) -> list[Decision]:
    """An account that loses a share at once and stands still for a while: its decisions since the fall."""
    rows = thriving(8)
    rows += readings(equity_of(rows) * (1 - share), start=FALL, end=FALL + then)
    decisions = decided([*rows, *(trades or [])], end=FALL + then)
    return [one for one in decisions if one.verdict.as_of > FALL]


def rebased(decisions: list[Decision]) -> list[timedelta]:
    return [one.verdict.as_of - FALL for one in decisions if "DRAWDOWN_REBASED" in codes(one.verdict)]


def test_after_a_quiet_day_the_drawdown_starts_from_the_nav_of_then() -> None:
    decisions = fallen(0.05, then=26 * HOUR)
    assert rebased(decisions) == [24 * HOUR + HALF_HOUR]
    last = decisions[-1].verdict
    assert last.candidate.metrics.system_drawdown == 0.0
    assert metric(last, "full_drawdown_pct").value == pytest.approx(5.0, abs=0.1)
    assert last.mode_after is RiskMode.NORMAL


def test_risk_is_halved_for_a_day_and_no_longer() -> None:
    decisions = fallen(0.05, then=50 * HOUR)
    risks = {one.verdict.as_of - FALL: one.verdict.candidate.limits.max_risk_per_trade for one in decisions}
    assert risks[24 * HOUR] == 0.0030
    assert risks[24 * HOUR + HALF_HOUR] == 0.0015
    assert risks[48 * HOUR] == 0.00375
    assert risks[49 * HOUR] == 0.0075
    halved = [one.verdict for one in decisions if "RISK_REDUCED" in codes(one.verdict)]
    assert len(halved) == 48


def test_after_a_rebase_no_good_grade_rests_on_the_smaller_drawdown() -> None:
    decisions = fallen(0.05, then=4 * DAY)
    assert max(one.verdict.mode_after for one in decisions) is RiskMode.NORMAL
    assert {one.verdict.system_health.value for one in decisions} == {"POOR", "NORMAL"}


def test_a_losing_trade_makes_the_day_start_again() -> None:
    loss = a_result(FALL + 20 * HOUR, -10)
    assert rebased(fallen(0.05, then=46 * HOUR, trades=[loss])) == [44 * HOUR]


def test_entries_that_were_stopped_by_the_drawdown_resume_at_half_risk() -> None:
    decisions = fallen(0.11, then=26 * HOUR)
    states = {one.verdict.as_of - FALL: one.verdict.candidate.trading_state for one in decisions}
    assert states[24 * HOUR] is TradingState.REDUCING
    assert states[25 * HOUR] is TradingState.ACTIVE


def test_what_does_not_hold_anybody_back_is_not_measured_anew() -> None:
    assert rebased(fallen(0.029, then=3 * DAY)) == []


def test_a_halt_is_not_measured_anew() -> None:
    decisions = fallen(0.16, then=3 * DAY)
    assert rebased(decisions) == []
    assert decisions[-1].verdict.candidate.trading_state is TradingState.HALTED


def test_it_happens_at_most_once_in_seven_days() -> None:
    rows = thriving(8)
    top = equity_of(rows)
    rows += readings(top * 0.95, start=FALL, end=FALL + 30 * HOUR)
    rows += readings(top * 0.90, start=FALL + 30 * HOUR, end=FALL + 10 * DAY)
    found = rebased([one for one in decided(rows, end=FALL + 10 * DAY) if one.verdict.as_of > FALL])
    assert found == [24 * HOUR + HALF_HOUR, 24 * HOUR + HALF_HOUR + 7 * DAY]


def test_a_fall_after_a_rebase_counts_from_the_new_reference() -> None:
    rows = thriving(8)
    left = equity_of(rows) * 0.95
    rows += readings(left, start=FALL, end=FALL + 25 * HOUR)
    state = decided(rows, end=FALL + 25 * HOUR)[-1].state
    now = FALL + 26 * HOUR
    fallen_again = decide(a_ledger([*rows, a_point(now, f"{left * 0.955:.4f}")]), state, CONFIG, now).verdict
    assert fallen_again.candidate.metrics.system_drawdown == pytest.approx(4.5)
    assert fallen_again.mode_after is RiskMode.DEFENSIVE


def test_old_readings_are_no_reason_to_measure_anew() -> None:
    rows = thriving(8)
    rows += readings(equity_of(rows) * 0.95, start=FALL, end=FALL + HOUR)
    assert rebased(decided(rows, end=FALL + 3 * DAY)) == []

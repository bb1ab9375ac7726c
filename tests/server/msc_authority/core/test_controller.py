"""Decisions over time: calm, explained, and never looser than the facts allow."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msc_core_builders import (
    CONFIG,
    DAY,
    HALF_HOUR,
    HOUR,
    MINUTE,
    T0,
    a_ledger,
    a_point,
    a_result,
    codes,
    decided,
    equity_of,
    histories,
    metric,
    readings,
    thriving,
    with_amount,
)

from msc_authority.core.controller import ControllerState, Decision, clear_halt, decide, halt
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeEvidence
from msc_authority.core.ledger import Ledger
from msc_authority.core.policy import RiskMode, SystemHealth, TradingState

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
ACTIVE, REDUCING, HALTED = TradingState
GROWN = T0 + 8 * DAY
"""By then a thriving account has been AGGRESSIVE for a while."""


def modes(decisions: list[Decision]) -> list[RiskMode]:
    found: list[RiskMode] = []
    for decision in decisions:
        if not found or found[-1] is not decision.verdict.mode_after:
            found.append(decision.verdict.mode_after)
    return found


def after_a_fall(share: float, *, then: timedelta = DAY) -> list[Evidence]:
    """A thriving account that loses this share at once, and then stands still and trades no more."""
    rows = thriving(8)
    left = equity_of(rows) * (1 - share)
    return [*rows, *readings(left, start=GROWN, end=GROWN + then)]


def test_without_facts_the_first_policy_is_defensive_for_nobody() -> None:
    verdict = decided([], end=T0)[0].verdict
    assert verdict.system_health is SystemHealth.UNKNOWN
    assert verdict.mode_before is None
    assert verdict.candidate.risk_mode is DEFENSIVE
    assert verdict.candidate.allowed_strategies == ()
    assert verdict.candidate.metrics.system_drawdown is None
    assert verdict.candidate.metrics.equity_source == "none"
    assert codes(verdict) == ["NO_FACTS", "NOBODY_ALLOWED"]


def test_a_thriving_account_climbs_step_by_step() -> None:
    decisions = decided(thriving(8), end=GROWN)
    assert modes(decisions) == [DEFENSIVE, NORMAL, AGGRESSIVE]
    raised = [one.verdict.as_of for one in decisions if "MODE_RAISED" in codes(one.verdict)]
    assert raised[0] >= T0 + HOUR
    last = decisions[-1].verdict
    assert last.system_health is SystemHealth.EXCELLENT
    assert last.candidate.limits.max_risk_per_trade == 0.0150
    assert last.candidate.allowed_strategies == ("TREND",)


def test_a_fall_of_five_percent_is_answered_in_one_evaluation() -> None:
    before, after = decided(after_a_fall(0.05), end=GROWN + HALF_HOUR)[-2:]
    assert before.verdict.mode_after is AGGRESSIVE
    assert after.verdict.mode_after is DEFENSIVE
    assert after.verdict.candidate.limits.max_risk_per_trade == 0.0030
    assert codes(after.verdict) == ["DRAWDOWN_POOR", "DRAWDOWN_WARNING", "VOLATILITY_HIGH", "MODE_LOWERED"]


def test_every_judged_metric_stands_beside_its_line_with_its_sample() -> None:
    verdict = decided(thriving(8), end=GROWN)[-1].verdict
    winrate = metric(verdict, "winrate_fraction")
    assert winrate.value == 128 / 192
    assert winrate.threshold == 0.45
    assert winrate.margin == pytest.approx(128 / 192 - 0.45)
    assert (winrate.sample_size, winrate.window, winrate.source) == (192, "200 trades", "trade_logs")
    assert winrate.interval_low == pytest.approx(0.5973, abs=1e-4)
    drawdown = metric(verdict, "drawdown_pct")
    assert (drawdown.threshold, drawdown.window, drawdown.source) == (3.0, "30 d", "equity_points")
    assert drawdown.margin == pytest.approx(3.0 - (drawdown.value or 0.0))
    assert drawdown.age_s == 0.0
    slope = metric(verdict, "slope_pct_per_day")
    assert slope.sample_size == 7
    assert slope.interval_low is not None
    assert metric(verdict, "hard_drawdown_pct").threshold == 15.0
    assert metric(verdict, "profit_factor").value == pytest.approx(2.5)


def test_ten_percent_stop_entries_until_below_eight() -> None:
    rows = after_a_fall(0.105, then=HALF_HOUR)
    peak = equity_of(thriving(8))
    for number, left in enumerate((0.905, 0.915, 0.925), start=2):
        rows += [a_point(GROWN + number * HALF_HOUR, f"{peak * left:.4f}")]
    states = [one.verdict.candidate.trading_state for one in decided(rows, end=GROWN + 4 * HALF_HOUR)[-5:]]
    assert states == [ACTIVE, REDUCING, REDUCING, REDUCING, ACTIVE]


def test_a_halt_is_latched_through_recovery_and_restart_until_a_person_clears_it() -> None:
    rows = after_a_fall(0.155, then=HALF_HOUR)
    rows += readings(2 * equity_of(thriving(8)), start=GROWN + HALF_HOUR, end=GROWN + 2 * DAY)
    end = GROWN + 2 * DAY
    last = decided(rows, end=end)[-1]
    assert last.verdict.candidate.trading_state is HALTED
    assert "HALT_LATCHED" in codes(last.verdict)
    restarted = ControllerState.decode(last.state.encode())
    cleared = clear_halt(restarted, a_ledger(rows), end)
    assert cleared.trading_state is REDUCING
    assert decide(a_ledger(rows), cleared, CONFIG, end).verdict.candidate.trading_state is ACTIVE


def test_after_a_reset_the_hard_drawdown_counts_from_the_nav_of_then() -> None:
    rows = after_a_fall(0.155, then=HOUR)
    now = GROWN + HOUR
    cleared = clear_halt(decided(rows, end=now)[-1].state, a_ledger(rows), now)
    left = equity_of(rows)
    rows += [a_point(now + HOUR, f"{left * 0.9:.4f}")]
    again = decide(a_ledger(rows), cleared, CONFIG, now + HOUR)
    assert metric(again.verdict, "hard_drawdown_pct").value == pytest.approx(10.0)
    assert again.verdict.candidate.trading_state is REDUCING
    rows += [a_point(now + 2 * HOUR, f"{left * 0.84:.4f}")]
    assert decide(a_ledger(rows), again.state, CONFIG, now + 2 * HOUR).state.trading_state is HALTED


def test_a_slow_fall_that_the_rolling_window_forgets_still_halts() -> None:
    rows: list[Evidence] = [a_point(T0 + day * DAY, f"{1_000 * 0.997**day:.4f}") for day in range(61)]
    verdict = decided(rows, end=T0 + 60 * DAY, every=DAY)[-1].verdict
    assert metric(verdict, "full_drawdown_pct").value == pytest.approx((1 - 0.997**30) * 100)
    assert metric(verdict, "hard_drawdown_pct").value == pytest.approx((1 - 0.997**60) * 100)
    assert verdict.candidate.trading_state is HALTED


def test_a_person_can_stop_trading_at_any_time() -> None:
    last = decided(thriving(8), end=GROWN)[-1]
    stopped = decide(a_ledger(thriving(8)), halt(last.state), CONFIG, GROWN)
    assert stopped.verdict.candidate.trading_state is HALTED
    assert clear_halt(last.state, a_ledger(thriving(8)), GROWN).trading_state is ACTIVE


def test_clearing_a_halt_is_no_change_of_the_evaluations_own_and_latches_nothing_again() -> None:
    rows = after_a_fall(0.155, then=HOUR)
    now = GROWN + HOUR
    used_up = replace(decided(rows, end=now)[-1].state, changes=(now,) * 5)
    cleared = clear_halt(used_up, a_ledger(rows), now)
    after = decide(a_ledger(rows), cleared, CONFIG, now)
    assert after.verdict.candidate.trading_state is REDUCING
    assert after.state.changes == (now,) * 5


def test_the_first_reading_of_the_account_starts_the_hard_mark_anew() -> None:
    # 10 000 assumed, then 20 % lost on paper: the real account may be much larger.
    rows: list[Evidence] = [a_result(T0, -500), a_point(T0 + HOUR, 1_000_000)]
    verdict = decided(rows, end=T0 + 2 * HOUR)[-1].verdict
    assert metric(verdict, "hard_drawdown_pct").value == 0.0
    assert verdict.candidate.metrics.equity_source == "equity_points"


def test_silence_while_trading_is_on_is_unknown_and_defensive() -> None:
    decisions = decided(thriving(8), end=GROWN + 7 * HOUR)
    before, after = (
        next(one for one in decisions if one.verdict.as_of == GROWN + age) for age in (6 * HOUR, 6.5 * HOUR)
    )
    assert before.verdict.mode_after is AGGRESSIVE
    assert (after.verdict.system_health, after.verdict.mode_after) == (SystemHealth.UNKNOWN, DEFENSIVE)
    assert "FACTS_STALE" in codes(after.verdict)


def test_any_newer_fact_counts_for_freshness_but_none_from_the_future() -> None:
    last, ledger = decided(thriving(8), end=GROWN)[-1], a_ledger(thriving(8))
    later = GROWN + 7 * HOUR
    fresh = decide(ledger, last.state, CONFIG, later, newest_fact_at=later - HOUR)
    future = decide(ledger, last.state, CONFIG, later, newest_fact_at=later + MINUTE)
    assert fresh.verdict.mode_after is AGGRESSIVE
    assert future.verdict.system_health is SystemHealth.UNKNOWN


def test_silence_while_nobody_may_trade_is_no_alarm_but_loosens_nothing() -> None:
    decisions = decided(readings(1_000.0, start=T0, end=T0 + 2 * HOUR), end=T0 + 10 * HOUR)
    last = decisions[-1].verdict
    assert last.candidate.allowed_strategies == ()
    assert (last.system_health, last.mode_after) == (SystemHealth.NORMAL, NORMAL)
    stale = decided([a_point(T0, 1_000.0)], start=T0 + 10 * HOUR, end=T0 + 20 * HOUR)[-1].verdict
    assert (stale.mode_after, "HELD_STALE_FACTS" in codes(stale)) == (DEFENSIVE, True)


def test_entries_do_not_resume_on_stale_facts() -> None:
    ledger = a_ledger(thriving(8))
    last = decided(thriving(8), end=GROWN)[-1].state
    stopped = clear_halt(halt(last), ledger, GROWN)
    stale = decide(ledger, stopped, CONFIG, GROWN + 7 * HOUR)
    assert stale.verdict.candidate.trading_state is REDUCING
    assert "HELD_STALE_FACTS" in codes(stale.verdict)


@pytest.mark.parametrize("equity", ["0", "-50"])
def test_capital_that_is_gone_is_critical_and_halts(equity: str) -> None:
    verdict = decided([*thriving(8), a_point(GROWN + MINUTE, equity)], end=GROWN + HALF_HOUR)[-1].verdict
    assert verdict.system_health is SystemHealth.CRITICAL
    assert verdict.candidate.trading_state is HALTED
    drawdown = verdict.candidate.metrics.system_drawdown
    assert drawdown is not None
    assert drawdown >= 100.0


@pytest.mark.parametrize("equity", ["0", "NaN"])
def test_an_account_that_was_never_funded_is_critical_but_has_lost_nothing(equity: str) -> None:
    decisions = decided([a_point(T0, equity), a_point(T0 + HOUR, 1_000, flow=1_000)], end=T0 + HOUR)
    assert decisions[0].verdict.system_health is SystemHealth.CRITICAL
    assert decisions[0].verdict.candidate.trading_state is ACTIVE
    assert decisions[-1].verdict.system_health is SystemHealth.NORMAL
    assert decisions[-1].verdict.candidate.metrics.system_drawdown == 0.0


def test_evidence_later_than_the_evaluation_is_refused() -> None:
    ledger = a_ledger([a_point(T0 + HOUR, 1_000.0)])
    with pytest.raises(ValueError, match="as_of"):
        decide(ledger, ControllerState.initial(T0), CONFIG, T0)


def senseless(row: Evidence) -> st.SearchStrategy[Evidence]:
    names = ("net_pnl",) if isinstance(row, TradeEvidence) else ("wallet_balance", "unrealized_pnl", "net_flow")
    values = st.sampled_from([Decimal("NaN"), Decimal("Infinity"), Decimal("-1e999")])
    return st.builds(lambda name, value: with_amount(row, name, value), st.sampled_from(names), values)


@given(st.sampled_from([row for row in thriving(8) if isinstance(row, TradeEvidence)]).flatmap(senseless))
@settings(max_examples=20)
def test_one_trade_without_sense_on_the_tape_is_critical(bad: TradeEvidence) -> None:
    rows = [bad if row.at == bad.at and isinstance(row, TradeEvidence) else row for row in thriving(8)]
    last = decided(thriving(8)[:-2], end=GROWN - HOUR)[-1].state
    verdict = decide(a_ledger(rows), last, CONFIG, GROWN).verdict
    assert (verdict.system_health, verdict.mode_after) == (SystemHealth.CRITICAL, DEFENSIVE)


@given(senseless(a_point(GROWN, 100_000)))
@settings(max_examples=20)
def test_a_newest_reading_without_sense_is_critical(bad: EquityEvidence) -> None:
    rows = thriving(8)[:-1]
    last = decided(rows, end=GROWN - HOUR)[-1].state
    verdict = decide(a_ledger([*rows, bad]), last, CONFIG, GROWN).verdict
    assert (verdict.system_health, verdict.mode_after) == (SystemHealth.CRITICAL, DEFENSIVE)


@given(histories(max_size=30), st.integers(0, 30))
@settings(max_examples=50)
def test_restarting_from_stored_state_gives_the_bytes_of_never_having_stopped(rows: list[Evidence], cut: int) -> None:
    ledger, other = Ledger.empty(CONFIG), Ledger.empty(CONFIG)
    state = again = ControllerState.initial(rows[0].at)
    for number, row in enumerate(rows):
        ledger.fold([row])
        other.fold([row])
        one, two = decide(ledger, state, CONFIG, row.at), decide(other, again, CONFIG, row.at)
        assert two.verdict == one.verdict
        assert two.state.encode() == one.state.encode()
        state, again = one.state, two.state
        if number == cut % len(rows):
            other, again = Ledger.decode(other.encode(), CONFIG), ControllerState.decode(again.encode())


@given(histories(max_size=30))
@settings(max_examples=50)
def test_deciding_reads_the_ledger_and_changes_nothing_in_it(rows: list[Evidence]) -> None:
    ledger, state = a_ledger(rows), ControllerState.initial(T0)
    before, stored = ledger.encode(), state.encode()
    first, second = (decide(ledger, state, CONFIG, rows[-1].at + HOUR) for _ in range(2))
    assert (ledger.encode(), state.encode()) == (before, stored)
    assert first == second


LEVELS = st.lists(st.sampled_from([100.0, 99.4, 98.5, 97.5, 96.5, 95.0, 93.0, 91.0, 89.0]), min_size=2, max_size=40)


@given(LEVELS, st.lists(st.sampled_from([50.0, -40.0]), max_size=40), st.floats(80, 101), st.floats(80, 101))
@settings(max_examples=60)
def test_from_any_state_a_larger_drawdown_never_gives_a_looser_policy(
    levels: list[float], results: list[float], one: float, other: float
) -> None:
    # Within four days neither slope nor volatility is known: the newest reading moves the drawdown alone.
    rows: list[Evidence] = [a_point(T0 + number * 2 * HOUR, level) for number, level in enumerate(levels)]
    rows += [a_result(T0 + number * HOUR + MINUTE, pnl) for number, pnl in enumerate(results)]
    end = T0 + len(levels) * 2 * HOUR
    rows = [row for row in rows if row.at < end]
    state = decided(rows, end=end - HALF_HOUR)[-1].state
    better, worse = (
        decide(a_ledger([*rows, a_point(end, f"{level:.6f}")]), state, CONFIG, end)
        for level in sorted((one, other), reverse=True)
    )
    assert better.state.effective is not None
    assert worse.state.effective is not None
    assert not worse.state.effective.is_looser_than(better.state.effective)


def loosened_at(decisions: list[Decision]) -> list[datetime]:
    instants = []
    for before, after in pairwise(decisions):
        assert before.state.effective is not None
        assert after.state.effective is not None
        if after.state.effective.is_looser_than(before.state.effective):
            instants.append(after.verdict.as_of)
    return instants


def most_within_an_hour(instants: list[datetime]) -> int:
    return max((sum(start <= at < start + HOUR for at in instants) for start in instants), default=0)


def test_an_account_that_flips_every_minute_loosens_five_times_an_hour_and_is_held_then() -> None:
    rows: list[Evidence] = [a_point(T0, 100.0)]
    rows += [a_point(T0 + minute * MINUTE, 89.0 if minute % 2 else 93.0) for minute in range(1, 180)]
    decisions = decided(rows, end=T0 + 179 * MINUTE, every=MINUTE)
    assert most_within_an_hour(loosened_at(decisions)) == 5
    assert any("HELD_CHANGES" in codes(one.verdict) for one in decisions)


@given(
    st.lists(st.sampled_from([100.0, 99.5, 97.5, 95.0, 92.5, 91.0, 89.0, 86.0]), min_size=10, max_size=120),
    st.lists(st.tuples(st.sampled_from("ABCDEF"), st.sampled_from([60.0, -40.0]), st.booleans()), max_size=120),
)
@settings(max_examples=40)
def test_whatever_the_input_does_there_are_at_most_five_risk_increasing_changes_an_hour(
    levels: list[float], trades: list[tuple[str, float, bool]]
) -> None:
    rows: list[Evidence] = [a_point(T0 + number * MINUTE, level) for number, level in enumerate(levels)]
    rows += [
        a_result(T0 + number * MINUTE, pnl, strategy_id=strategy_id, live=live)
        for number, (strategy_id, pnl, live) in enumerate(trades)
    ]
    decisions = decided(rows, end=T0 + len(levels) * MINUTE, every=MINUTE)
    assert most_within_an_hour(loosened_at(decisions)) <= 5


def test_when_changes_are_used_up_rankings_say_what_the_policy_really_allows() -> None:
    last = decided(thriving(8), end=GROWN)[-1].state
    assert last.effective is not None
    nobody = replace(last, changes=(GROWN,) * 5, effective=replace(last.effective, grants=()))
    verdict = decide(a_ledger(thriving(8)), nobody, CONFIG, GROWN + MINUTE, newest_fact_at=GROWN).verdict
    assert verdict.candidate.allowed_strategies == ()
    assert [ranking.allowed for ranking in verdict.strategies] == [False]
    assert codes(verdict)[-2:] == ["HELD_CHANGES", "NOBODY_ALLOWED"]

"""What is remembered over time: the halt, the reductions, the re-base and the changes, each at its very edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, DAY, HALF_HOUR, HOUR, MINUTE, T0, a_ledger, a_point, codes, decided, metric

from msc_authority.core.assessment import recent_changes
from msc_authority.core.controller import ControllerState, clear_halt, decide, halt
from msc_authority.core.evidence import Evidence
from msc_authority.core.high_water import HighWaterMark
from msc_authority.core.hysteresis import ModeState
from msc_authority.core.policy import RiskMode, TradingState
from msc_authority.core.trading_state import next_trading_state

ACTIVE, REDUCING, HALTED = TradingState
SECOND = timedelta(seconds=1)


def walked(start: TradingState, *drawdowns: float) -> str:
    state, letters = start, ""
    for drawdown in drawdowns:
        state, _ = next_trading_state(
            state, drawdown_pct=drawdown, hard_drawdown_pct=drawdown, config=CONFIG.trading_state
        )
        letters += state.name[0]
    return letters


@pytest.mark.parametrize(
    ("drawdowns", "states"),
    [
        ((0, 9.9, 10, 9.9, 8, 7.9, 9.9, 10), "AARRRAAR"),
        ((14.9, 15, 14.9, 0, 0, 0), "RHHHHH"),
        ((50, 0), "HH"),
        ((8, 8, 8), "AAA"),
    ],
)
def test_stops_come_at_ten_resumption_below_eight_and_the_halt_for_good(
    drawdowns: tuple[float, ...], states: str
) -> None:
    assert walked(ACTIVE, *drawdowns) == states


@given(st.lists(st.floats(0, 30), max_size=60))
def test_once_halted_no_course_of_the_drawdown_ends_it(drawdowns: list[float]) -> None:
    states = walked(ACTIVE, *drawdowns)

    assert "H" not in states or set(states[states.index("H") :]) == {"H"}
    assert ("H" in states) == any(drawdown >= 15.0 for drawdown in drawdowns)


def standing(equity: float, until: datetime) -> list[Evidence]:
    rows: list[Evidence] = [a_point(T0, 10_000.0), a_point(T0 + HALF_HOUR, equity)]
    return [*rows, a_point(until - MINUTE, equity)]


def in_defensive(since: datetime, **changes: object) -> ControllerState:
    state = ControllerState(mode=ModeState(mode=RiskMode.DEFENSIVE, since=since))
    return replace(state, **changes)  # type: ignore[arg-type]  # tests name fields of the state


def is_rebased(equity: float, at: datetime, state: ControllerState) -> bool:
    verdict = decide(a_ledger(standing(equity, at)), state, CONFIG, at).verdict
    return "DRAWDOWN_REBASED" in codes(verdict)


@pytest.mark.parametrize(("equity", "rebased"), [(9_700.0, True), (9_700.01, False), (9_000.0, True)])
def test_a_drawdown_is_measured_anew_from_three_percent_on(equity: float, rebased: bool) -> None:
    assert is_rebased(equity, T0 + DAY, in_defensive(T0)) is rebased


@pytest.mark.parametrize(("quiet", "rebased"), [(DAY, True), (DAY - SECOND, False)])
def test_it_takes_a_whole_day_in_defensive(quiet: timedelta, rebased: bool) -> None:
    assert is_rebased(9_500.0, T0 + 3 * DAY, in_defensive(T0 + 3 * DAY - quiet)) is rebased


@pytest.mark.parametrize(("ago", "rebased"), [(7 * DAY, True), (7 * DAY - SECOND, False)])
def test_it_takes_a_whole_week_since_the_last_time(ago: timedelta, rebased: bool) -> None:
    at = T0 + 10 * DAY
    last = HighWaterMark(since=at - ago, nav=1.0, origin=f"equity_points@{T0.isoformat()}")

    assert is_rebased(9_500.0, at, in_defensive(T0, rebase_mark=last)) is rebased


@pytest.mark.parametrize("mode", [RiskMode.NORMAL, RiskMode.AGGRESSIVE])
def test_in_a_looser_mode_nothing_is_forgiven(mode: RiskMode) -> None:
    assert not is_rebased(9_500.0, T0 + 3 * DAY, in_defensive(T0, mode=ModeState(mode=mode, since=T0)))


def test_capital_that_is_gone_is_not_forgiven() -> None:
    assert not is_rebased(0.0, T0 + 3 * DAY, in_defensive(T0))
    assert not is_rebased(-10.0, T0 + 3 * DAY, in_defensive(T0))


@pytest.mark.parametrize(("ages", "count"), [([0, 59, 60], 2), ([60, 61], 0), ([-5, 10], 2), ([], 0)])
def test_a_change_counts_for_less_than_an_hour_and_one_from_the_future_counts_too(ages: list[int], count: int) -> None:
    state = in_defensive(T0, changes=tuple(T0 - age * MINUTE for age in ages))

    assert len(recent_changes(state, CONFIG, T0)) == count


def test_after_a_reset_without_any_reading_the_first_one_starts_the_mark() -> None:
    cleared = clear_halt(halt(ControllerState.initial(T0)), a_ledger(), T0 + HOUR)
    assert cleared.hard_mark == HighWaterMark(since=T0 + HOUR)

    verdict = decided([a_point(T0 + 2 * HOUR, 500.0)], start=T0 + 2 * HOUR, end=T0 + 2 * HOUR, state=cleared)[0].verdict
    assert metric(verdict, "hard_drawdown_pct").value == 0.0


def test_a_reset_of_what_is_not_halted_only_moves_the_mark() -> None:
    rows: list[Evidence] = [a_point(T0, 1_000.0), a_point(T0 + HOUR, 890.0)]
    reducing = decided(rows, end=T0 + HOUR)[-1].state
    assert reducing.trading_state is REDUCING

    reset = clear_halt(reducing, a_ledger(rows), T0 + HOUR)

    assert reset == replace(reducing, hard_mark=reset.hard_mark)
    assert reset.hard_mark.nav == pytest.approx(0.89)
    assert reset.hard_mark.since == T0 + HOUR


def test_a_halt_by_a_person_tells_the_next_evaluation_only_that_it_is_latched() -> None:
    rows: list[Evidence] = [a_point(T0, 1_000.0), a_point(T0 + HOUR, 1_000.0)]
    before = decided(rows, end=T0 + HOUR)[-1].state

    verdict = decide(a_ledger(rows), halt(before), CONFIG, T0 + HOUR).verdict

    assert "HALT_LATCHED" in codes(verdict)
    assert "TRADING_HALTED" not in codes(verdict)
    assert metric(verdict, "hard_drawdown_pct").value == 0.0


@given(
    st.lists(st.sampled_from([1_000.0, 960.0, 930.0, 890.0, 860.0, 830.0, 1_020.0]), min_size=2, max_size=30),
    st.integers(1, 29),
)
def test_between_two_resets_the_hard_drawdown_only_knows_its_own_time(levels: list[float], reset_at: int) -> None:
    rows: list[Evidence] = [a_point(T0 + number * HOUR, level) for number, level in enumerate(levels)]
    cut = min(reset_at, len(levels) - 1)
    now = T0 + cut * HOUR
    state = clear_halt(ControllerState.initial(T0), a_ledger(rows[: cut + 1]), now)

    last = decided(rows, start=now, end=T0 + (len(levels) - 1) * HOUR, every=HOUR, state=state)[-1].verdict

    high = max(levels[cut:])
    assert metric(last, "hard_drawdown_pct").value == pytest.approx((high - levels[-1]) / high * 100)

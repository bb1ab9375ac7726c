"""What a person does to the controller's state, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msc_core_builders import CONFIG, DAY, HALF_HOUR, HOUR, T0, a_ledger, a_point, changed, decided, thriving
from msc_overrides import a_grant, a_permission, an_override

from msc_authority.core.controller import decide, halt
from msc_authority.core.operator_acts import (
    MAX_OVERRIDES,
    Instruction,
    InvalidAct,
    LooseningNotAllowed,
    NothingToResume,
    OverrideNotFound,
    StrategyUnknown,
    TooManyOverrides,
    WrongStrategyState,
    halted,
    lifted,
    placed,
    reinstated,
    resumed,
    retired,
)
from msc_authority.core.overrides import Bench, PinMode, Reduce, Rollback, SetLimits
from msc_authority.core.policy import PolicyRef, Reason, RiskMode, StrategyState, TradingState
from msc_authority.core.state import ControllerState

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
ACTIVE, REDUCING, HALTED = TradingState
SAID = Instruction(actor="alice", reason="exchange incident", now=T0 + 6.5 * DAY, override_id="o-1")
ROWS = thriving(6.5)
STATE = decided(ROWS, end=T0 + 6 * DAY)[-1].state
"""After six good days, in which TREND has been met."""


def a_state(**fields: object) -> ControllerState:
    return changed(STATE, fields)


def test_the_state_tested_trades() -> None:
    assert STATE.trading_is_on
    assert set(STATE.lives.by_id) == {"TREND"}


def test_a_halt_is_latched_with_its_reason_until_a_person_resumes() -> None:
    done = halted(STATE, SAID)

    assert done.because == Reason(code="OPERATOR_HALT", text="HALTED by alice: exchange incident")
    assert done.state.trading_state is HALTED
    again = decide(a_ledger(ROWS), done.state, CONFIG, SAID.now)
    assert again.state.trading_state is HALTED
    assert done.because in again.verdict.candidate.reasons
    assert again.state.halted_because == done.because


def test_a_halt_before_the_first_evaluation_outlives_it() -> None:
    done = halted(ControllerState.initial(T0), SAID)

    decision = decide(a_ledger(ROWS), done.state, CONFIG, SAID.now)

    assert decision.verdict.candidate.trading_state is HALTED


def test_resuming_from_a_halt_goes_on_reducing_and_measures_the_drawdown_anew() -> None:
    rows = [a_point(T0, 1_000.0), a_point(T0 + HOUR, 800.0)]
    fallen = decided(rows, end=T0 + HOUR)[-1].state
    assert fallen.trading_state is HALTED

    done = resumed(fallen, replace(SAID, now=T0 + 2 * HOUR), a_ledger(rows))

    assert (done.state.trading_state, done.state.halted_because) == (REDUCING, None)
    assert done.state.hard_mark.nav == pytest.approx(0.8)
    decision = decide(a_ledger(rows), done.state, CONFIG, T0 + 2 * HOUR)
    assert decision.state.trading_state is REDUCING, "20 % below the peak of 30 days"


def test_a_halt_on_a_whim_is_over_with_the_evaluation_behind_the_resume() -> None:
    done = resumed(halted(STATE, SAID).state, SAID, a_ledger(ROWS))

    assert done.state.trading_state is REDUCING
    assert decide(a_ledger(ROWS), done.state, CONFIG, SAID.now).state.trading_state is ACTIVE


def test_resuming_ends_reductions_and_leaves_the_mark_of_the_drawdown() -> None:
    bench, reduction = an_override(Bench(strategy_id="TREND"), override_id="o-9"), an_override()

    done = resumed(a_state(overrides=(bench, reduction)), SAID, None)

    assert done.state == a_state(overrides=(bench,))
    assert done.lifted == (reduction,)


def test_a_halt_is_not_cleared_without_the_ledger() -> None:
    with pytest.raises(ValueError, match="ledger"):
        resumed(halt(STATE), SAID, None)


@pytest.mark.parametrize(
    ("state", "text"),
    [(STATE, "neither halted nor reduced"), (a_state(trading_state=REDUCING), "because of the drawdown")],
)
def test_what_no_person_holds_back_no_person_resumes(state: ControllerState, text: str) -> None:
    with pytest.raises(NothingToResume, match=text):
        resumed(state, SAID, None)


def test_an_override_is_placed_with_who_why_and_until_when() -> None:
    done = placed(STATE, SAID, a_permission(), Reduce(), HOUR, loosens=False)

    assert done.placed == an_override(created_at=SAID.now, expires_at=SAID.now + HOUR)
    assert done.state.overrides == (done.placed,)
    assert done.because.text.startswith("entries stopped (REDUCING) by alice until 2024-03-07 13:00:00Z")


def test_what_loosens_ends_after_an_hour() -> None:
    done = placed(STATE, SAID, a_permission(), PinMode(mode=AGGRESSIVE), None, loosens=True)

    assert done.placed is not None
    assert done.placed.expires_at == SAID.now + HOUR


@pytest.mark.parametrize(
    ("sets", "text"),
    [
        (PinMode(mode=AGGRESSIVE), "the controller allows NORMAL, and AGGRESSIVE is more"),
        (SetLimits(max_risk_per_trade=0.01, max_positions=11, max_daily_trades=5), "max_risk_per_trade 0.0075, max_p"),
        (SetLimits(global_min_confidence=0.5), "global_min_confidence 0.6"),
        (Rollback(revision=PolicyRef(7, 3), permission=a_permission(AGGRESSIVE)), "version 3 is nowhere tighter"),
    ],
)
def test_what_would_loosen_has_to_say_so(sets: PinMode | SetLimits | Rollback, text: str) -> None:
    with pytest.raises(LooseningNotAllowed, match=text):
        placed(STATE, SAID, a_permission(), sets, None, loosens=False)

    assert placed(STATE, SAID, a_permission(), sets, None, loosens=True).placed is not None


@pytest.mark.parametrize(
    "sets",
    [
        PinMode(mode=NORMAL),
        PinMode(mode=DEFENSIVE),
        SetLimits(max_risk_per_trade=0.0075, max_positions=10),
        Rollback(revision=PolicyRef(7, 3), permission=a_permission()),
        Rollback(revision=PolicyRef(7, 3), permission=a_permission(AGGRESSIVE, grants=(a_grant("TREND"),))),
    ],
)
def test_what_is_as_tight_or_tighter_needs_no_leave(sets: PinMode | SetLimits | Rollback) -> None:
    assert placed(STATE, SAID, a_permission(), sets, None, loosens=False).placed is not None


@pytest.mark.parametrize(
    ("sets", "lasts", "loosens", "field"),
    [
        (Reduce(), timedelta(0), False, "lasts"),
        (Reduce(), timedelta(days=4000), False, "lasts"),
        (PinMode(mode=NORMAL), 25 * HOUR, True, "lasts"),
        (Reduce(), None, True, "allow_loosening"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(sets: Reduce, lasts: timedelta, loosens: bool, field: str) -> None:
    with pytest.raises(InvalidAct) as caught:
        placed(STATE, SAID, a_permission(), sets, lasts, loosens=loosens)

    assert caught.value.field == field
    assert caught.value.problem


def test_who_has_not_been_met_is_not_benched_but_asked_back_for() -> None:
    with pytest.raises(StrategyUnknown, match="no strategy 'TREN' has been met; did you mean TREND"):
        placed(STATE, SAID, a_permission(), Bench(strategy_id="TREN"), None, loosens=False)
    with pytest.raises(StrategyUnknown, match="the list of strategies"):
        placed(STATE, SAID, a_permission(), Bench(strategy_id="x"), None, loosens=False)


def test_who_is_on_the_list_can_be_benched() -> None:
    assert placed(STATE, SAID, a_permission(), Bench(strategy_id="RANGE"), None, loosens=False).placed is not None


def test_overrides_are_bounded() -> None:
    many = tuple(an_override(override_id=f"o-{number}") for number in range(MAX_OVERRIDES))

    with pytest.raises(TooManyOverrides, match="200"):
        placed(a_state(overrides=many), SAID, a_permission(), Reduce(), None, loosens=False)


def test_an_override_is_lifted_by_its_id() -> None:
    keep, gone = an_override(override_id="keep"), an_override(override_id="gone")

    done = lifted(a_state(overrides=(keep, gone)), SAID, "gone")

    assert (done.state.overrides, done.lifted) == ((keep,), (gone,))
    assert done.because.text == "lifted: entries stopped (REDUCING) by alice: exchange incident"
    with pytest.raises(OverrideNotFound, match="'gone'"):
        lifted(done.state, SAID, "gone")


def test_a_retired_strategy_loses_its_permission_at_once_and_comes_back_to_the_bench() -> None:
    done = retired(STATE, SAID, "TREND")

    assert done.state.effective is not None
    assert done.state.effective.grants == ()
    assert done.state.lives.by_id["TREND"].state is StrategyState.RETIRED
    assert done.transitions[0].reason.text == "retired by a person: alice: exchange incident"
    back = reinstated(done.state, SAID, "TREND")
    assert back.state.lives.by_id["TREND"].state is StrategyState.BENCHED
    assert back.state.effective == done.state.effective
    assert [done.because.code, back.because.code] == ["OPERATOR_RETIRE", "OPERATOR_REINSTATE"]


def test_a_strategy_can_be_retired_before_anything_was_published() -> None:
    done = retired(a_state(effective=None), SAID, "TREND")

    assert done.state.effective is None


def test_nobody_is_retired_twice_or_reinstated_who_is_not_retired() -> None:
    with pytest.raises(WrongStrategyState, match="TREND is retired already"):
        retired(retired(STATE, SAID, "TREND").state, SAID, "TREND")
    with pytest.raises(WrongStrategyState, match="not RETIRED"):
        reinstated(STATE, SAID, "TREND")
    with pytest.raises(StrategyUnknown):
        retired(STATE, SAID, "NEWS")


def test_a_retired_strategy_stays_out_of_the_next_evaluation_too() -> None:
    state = retired(STATE, SAID, "TREND").state

    decision = decide(a_ledger(ROWS), state, CONFIG, SAID.now + HALF_HOUR)

    assert decision.verdict.candidate.grants == ()

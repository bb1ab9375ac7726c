"""The policy that a person's act leads to: of what was said before, what is still true."""

from __future__ import annotations

import pytest
from msc_builders import START, a_content

from msc_authority.core.config import DecisionConfig
from msc_authority.core.operator_policy import allowed_by_controller, content_by_person, still_true
from msc_authority.core.policy import Reason, TradingState
from msc_authority.core.state import ControllerState

BECAUSE = Reason(code="OPERATOR_LIFT", text="lifted by anna: calm")


def a_said(*codes: str) -> tuple[Reason, ...]:
    return tuple(Reason(code=code, text=code.lower()) for code in codes)


@pytest.mark.parametrize("code", ["TRADING_RESUMED", "MODE_RAISED", "MODE_LOWERED", "DRAWDOWN_REBASED"])
@pytest.mark.parametrize("trading_state", TradingState)
def test_why_an_evaluation_changed_something_is_not_said_of_a_later_policy(
    code: str, trading_state: TradingState
) -> None:
    reasons = a_said("GRADE_GOOD", code, "RISK_REDUCED")

    assert still_true(reasons, trading_state) == a_said("GRADE_GOOD", "RISK_REDUCED")


@pytest.mark.parametrize("code", ["GRADE_GOOD", "HELD_AGREEMENT", "TRADING_REDUCING", "RISK_REDUCED", "NOBODY_ALLOWED"])
def test_how_things_stand_is_said_on(code: str) -> None:
    assert still_true(a_said(code), TradingState.REDUCING) == a_said(code)


@pytest.mark.parametrize("code", ["TRADING_HALTED", "HALT_LATCHED"])
def test_a_halt_is_said_on_until_it_is_over(code: str) -> None:
    assert still_true(a_said(code), TradingState.HALTED) == a_said(code)
    assert still_true(a_said(code), TradingState.REDUCING) == ()


def test_what_persons_said_is_told_anew_by_what_is_in_force() -> None:
    assert still_true(a_said("OPERATOR_HALT", "OVERRIDE_REDUCE", "GRADE_GOOD"), TradingState.ACTIVE) == a_said(
        "GRADE_GOOD"
    )


def test_a_policy_by_a_person_says_why_it_is_there_and_nothing_of_what_changed_before() -> None:
    state, modes = ControllerState.initial(START), DecisionConfig().modes
    before = a_content(reasons=a_said("GRADE_GOOD", "TRADING_RESUMED"))

    content = content_by_person(
        allowed_by_controller(state, modes, evaluated=True),
        state,
        before,
        modes,
        START,
        because=BECAUSE,
        author="operator:anna",
    )

    assert content.reasons == (BECAUSE, *a_said("GRADE_GOOD"))
    assert content.metrics == before.metrics

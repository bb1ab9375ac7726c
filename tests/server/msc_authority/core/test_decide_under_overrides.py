"""Evaluations under overrides: what is published is overridden, what the controller itself goes by is not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, DAY, HALF_HOUR, HOUR, T0, a_ledger, codes, decided, thriving
from msc_overrides import a_loosening, a_permission, an_override, several

from msc_authority.core.codec import StateMismatch
from msc_authority.core.controller import Decision, decide, halt
from msc_authority.core.overrides import Bench, Override, PinMode, Rollback, SetLimits
from msc_authority.core.policy import PolicyContent, PolicyRef, Reason, RiskMode, TradingState
from msc_authority.core.state import ControllerState

ROWS = thriving(6)
AS_OF = T0 + 6 * DAY
BEFORE = decided(ROWS, end=AS_OF - HALF_HOUR)[-1].state
FREE = decide(a_ledger(ROWS), BEFORE, CONFIG, AS_OF)


def under(*overrides: Override) -> Decision:
    return decide(a_ledger(ROWS), replace(BEFORE, overrides=overrides), CONFIG, AS_OF)


def effective_of(content: PolicyContent) -> tuple[object, ...]:
    return content.risk_mode, content.trading_state, content.limits, content.grants


@given(several())
def test_the_controllers_own_way_is_that_without_overrides(overrides: tuple[Override, ...]) -> None:
    decision = under(*overrides)

    kept = tuple(one for one in overrides if one.is_in_force(AS_OF))
    assert replace(decision.state, overrides=()) == FREE.state
    assert decision.state.overrides == kept
    assert set(decision.expired) == set(overrides) - set(kept)


def test_what_is_published_is_overridden_and_says_so_first() -> None:
    pin = an_override(PinMode(mode=RiskMode.DEFENSIVE))

    candidate = under(pin).verdict.candidate

    assert FREE.verdict.candidate.risk_mode > RiskMode.DEFENSIVE
    assert candidate.risk_mode is RiskMode.DEFENSIVE
    assert candidate.reasons[0].code == "OVERRIDE_PIN_MODE"
    assert candidate.metrics == FREE.verdict.candidate.metrics


def test_an_override_whose_time_is_over_has_no_effect_and_is_dropped() -> None:
    over = an_override(PinMode(mode=RiskMode.DEFENSIVE), expires_at=AS_OF)

    decision = under(over)

    assert decision.verdict.candidate == FREE.verdict.candidate
    assert (decision.expired, decision.state.overrides) == ((over,), ())


def test_a_benched_strategy_is_not_allowed_in_the_ranking_and_an_empty_list_is_told() -> None:
    verdict = under(an_override(Bench(strategy_id="TREND"))).verdict

    assert [ranking.allowed for ranking in verdict.strategies] == [False]
    assert "NOBODY_ALLOWED" in codes(verdict)
    assert "NOBODY_ALLOWED" not in codes(FREE.verdict)


def test_a_rollback_is_named_by_what_it_brings_back() -> None:
    rollback = Rollback(revision=PolicyRef(7, 4), permission=a_permission(RiskMode.DEFENSIVE))

    assert under(an_override(rollback)).verdict.candidate.rollback_of == 4


def test_what_was_loosened_counts_as_no_change_of_the_controllers() -> None:
    loosened = replace(a_loosening(SetLimits(max_risk_per_trade=0.5)), created_at=AS_OF, expires_at=AS_OF + HOUR)

    decision = under(loosened)

    assert decision.verdict.candidate.limits.max_risk_per_trade == 0.5
    assert decision.state.changes == FREE.state.changes


def test_while_a_person_holds_entries_back_silence_is_expected() -> None:
    late = AS_OF + timedelta(days=1)
    held = replace(BEFORE, overrides=(an_override(),))

    assert "FACTS_STALE" in codes(decide(a_ledger(ROWS), BEFORE, CONFIG, late).verdict)
    assert "FACTS_STALE" not in codes(decide(a_ledger(ROWS), held, CONFIG, late).verdict)


def test_a_halt_is_published_whatever_was_rolled_back_or_loosened() -> None:
    rollback = Rollback(revision=PolicyRef(7, 4), permission=a_permission(RiskMode.AGGRESSIVE))
    because = Reason(code="OPERATOR_HALT", text="HALTED by alice")
    state = replace(halt(BEFORE, because), overrides=(replace(a_loosening(rollback), expires_at=T0 + DAY),))

    candidate = decide(a_ledger(ROWS), state, CONFIG, AS_OF).verdict.candidate

    assert candidate.trading_state is TradingState.HALTED
    assert because in candidate.reasons


@given(several())
def test_a_state_with_overrides_comes_back(overrides: tuple[Override, ...]) -> None:
    state = replace(halt(BEFORE, Reason(code="OPERATOR_HALT", text="why")), overrides=overrides)

    again = ControllerState.decode(state.encode())

    assert again == state
    assert again.encode() == state.encode()


def test_a_state_from_before_there_were_overrides_has_none() -> None:
    document = json.loads(BEFORE.encode())

    assert "overrides" not in document
    assert document["format"] == 1
    assert ControllerState.decode(BEFORE.encode()).overrides == ()


def test_a_program_that_knows_no_overrides_refuses_a_state_that_has_some() -> None:
    assert json.loads(replace(BEFORE, overrides=(an_override(),)).encode())["format"] == 2


@pytest.mark.parametrize("overrides", ["x", [7], [{"id": "x"}], {}])
def test_damaged_overrides_are_refused(overrides: object) -> None:
    document = json.loads(replace(BEFORE, overrides=(an_override(),)).encode())
    document["overrides"] = overrides

    with pytest.raises(StateMismatch, match=r"controller\.overrides"):
        ControllerState.decode(json.dumps(document).encode())


@pytest.mark.parametrize("number", [0, 3, "2", True])
def test_another_format_is_refused(number: object) -> None:
    document = json.loads(BEFORE.encode())
    document["format"] = number

    with pytest.raises(StateMismatch, match=r"controller\.format"):
        ControllerState.decode(json.dumps(document).encode())


@given(st.data())
def test_damage_is_refused_in_a_state_with_everything_in_it(data: st.DataObject) -> None:
    state = replace(halt(BEFORE, Reason(code="OPERATOR_HALT", text="why")), overrides=(an_override(),))
    document = json.loads(state.encode())
    name = data.draw(st.sampled_from(sorted(document)))
    document[name] = data.draw(st.sampled_from([["x"], "x", {"x": 1}, -1.5]))

    with pytest.raises(StateMismatch, match="controller"):
        ControllerState.decode(json.dumps(document).encode())

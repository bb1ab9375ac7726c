"""What the controller remembers survives a restart, whole or not at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import DAY, HALF_HOUR, T0, decided, equity_of, readings, thriving

from msc_authority.core.codec import StateMismatch
from msc_authority.core.controller import ControllerState
from msc_authority.core.policy import RiskMode


def states() -> list[ControllerState]:
    rows = thriving(6)
    fall, end = T0 + 6 * DAY, T0 + 8 * DAY
    rows += readings(equity_of(rows) * 0.88, start=fall, end=end)
    return [decision.state for decision in decided(rows, end=end)]


STATES = [ControllerState.initial(T0), *states()[::40]]


@pytest.mark.parametrize("state", STATES)
def test_a_stored_state_comes_back(state: ControllerState) -> None:
    again = ControllerState.decode(state.encode())
    assert again == state
    assert again.encode() == state.encode()


def test_the_states_tested_have_been_through_everything() -> None:
    assert any(state.rebase_mark is not None for state in STATES)
    assert any(state.changes for state in states())
    assert {state.mode.mode for state in states()} == set(RiskMode)


def test_before_the_first_evaluation_it_is_defensive_and_trading_is_off() -> None:
    state = ControllerState.initial(T0 + HALF_HOUR)
    assert (state.mode.mode, state.mode.since) == (RiskMode.DEFENSIVE, T0 + HALF_HOUR)
    assert not state.trading_is_on


@given(st.sampled_from(STATES), st.data())
def test_damaged_bytes_are_refused(state: ControllerState, data: st.DataObject) -> None:
    document = json.loads(state.encode())
    name = data.draw(st.sampled_from(sorted(document)))
    document[name] = data.draw(st.sampled_from([["x"], "x", {"x": 1}, -1.5]))
    with pytest.raises(StateMismatch, match="controller"):
        ControllerState.decode(json.dumps(document).encode())


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1]", b"\xff"])
def test_bytes_that_are_no_state_are_refused(payload: bytes) -> None:
    with pytest.raises(StateMismatch, match="controller"):
        ControllerState.decode(payload)

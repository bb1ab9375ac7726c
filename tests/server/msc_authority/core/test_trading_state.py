"""When entries stop, and when they may resume."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG

from msc_authority.core.policy import Reason, TradingState
from msc_authority.core.trading_state import next_trading_state

ACTIVE, REDUCING, HALTED = TradingState


def after(before: TradingState, drawdown: float | None, hard: float | None = 0.0) -> tuple[TradingState, Reason | None]:
    return next_trading_state(before, drawdown_pct=drawdown, hard_drawdown_pct=hard, config=CONFIG.trading_state)


@pytest.mark.parametrize(
    ("before", "drawdown", "state", "code"),
    [
        (ACTIVE, 0.0, ACTIVE, None),
        (ACTIVE, 9.99, ACTIVE, None),
        (ACTIVE, 10.0, REDUCING, "TRADING_REDUCING"),
        (REDUCING, 10.0, REDUCING, "TRADING_REDUCING"),
        (REDUCING, 8.0, REDUCING, "TRADING_REDUCING"),
        (REDUCING, 7.99, ACTIVE, "TRADING_RESUMED"),
        (ACTIVE, None, ACTIVE, None),
        (REDUCING, None, REDUCING, "TRADING_REDUCING"),
        (HALTED, 0.0, HALTED, "HALT_LATCHED"),
        (HALTED, None, HALTED, "HALT_LATCHED"),
    ],
)
def test_by_drawdown(before: TradingState, drawdown: float | None, state: TradingState, code: str | None) -> None:
    found, reason = after(before, drawdown)
    assert found is state
    assert (reason.code if reason is not None else None) == code


@pytest.mark.parametrize(("hard", "state"), [(14.99, ACTIVE), (15.0, HALTED), (110.0, HALTED), (None, ACTIVE)])
def test_it_halts_by_the_hard_drawdown(hard: float | None, state: TradingState) -> None:
    assert after(ACTIVE, 0.0, hard)[0] is state


@given(
    st.sampled_from(list(TradingState)),
    st.tuples(st.floats(0, 20), st.floats(0, 20)),
    st.tuples(st.floats(0, 20), st.floats(0, 20)),
)
def test_a_larger_drawdown_never_gives_a_looser_state(
    before: TradingState, drawdowns: tuple[float, float], hard: tuple[float, float]
) -> None:
    less, _ = after(before, min(drawdowns), min(hard))
    more, _ = after(before, max(drawdowns), max(hard))
    assert more >= less

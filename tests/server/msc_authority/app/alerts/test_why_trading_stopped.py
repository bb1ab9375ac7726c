"""Why trading is not active, as the alert says it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msc_builders import a_content
from msc_live import a_head
from msc_observed import an_observation

from msc_authority.app.alerts.conditions import trading_not_active
from msc_authority.core.policy import Reason, TradingState

REDUCED = Reason(code="OVERRIDE_REDUCE", text="reduced by bob")
HALTED = Reason(code="OPERATOR_HALT", text="halted by alice")
DRAWDOWN = Reason(code="TRADING_HALTED", text="drawdown 20 %")


@pytest.mark.parametrize(
    ("state", "reasons", "why"),
    [
        (TradingState.HALTED, (REDUCED, HALTED), "halted by alice"),
        (TradingState.HALTED, (REDUCED, DRAWDOWN), "drawdown 20 %"),
        (TradingState.HALTED, (REDUCED,), "reduced by bob"),
        (TradingState.REDUCING, (REDUCED,), "reduced by bob"),
    ],
)
def test_a_halt_is_told_by_what_halted(state: TradingState, reasons: tuple[Reason, ...], why: str) -> None:
    content = replace(a_content(trading_state=state), reasons=reasons)

    (finding,) = trading_not_active(an_observation(head=a_head(2, content=content)))

    assert finding.text.endswith(f": {why}")

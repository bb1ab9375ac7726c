"""Why trading is not active, as the alert says it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from msc_builders import a_content
from msc_live import a_head
from msc_observed import OBSERVED_AT, an_observation

from msc_authority.app.alerts.board import Board
from msc_authority.app.alerts.conditions import trading_not_active
from msc_authority.app.alerts.rules import RULES
from msc_authority.app.alerts.values import AlertState
from msc_authority.core.policy import Reason, RiskMode, TradingState

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

    found = trading_not_active(an_observation(head=a_head(2, content=content)))

    assert found is not None
    assert [finding.text.partition(": ")[2] for finding in found] == [why]


@pytest.mark.parametrize("code", ["TRADING_NOT_ACTIVE", "NO_STRATEGY_ALLOWED", "DEFENSIVE_TOO_LONG"])
def test_what_a_policy_brought_stands_while_there_is_none_and_resolves_with_the_next(code: str) -> None:
    board = Board([rule for rule in RULES if rule.code == code])
    bad = a_content(risk_mode=RiskMode.DEFENSIVE, trading_state=TradingState.HALTED, grants=())
    long_ago = OBSERVED_AT - timedelta(hours=2)

    told = [
        [event.alert.state for event in board.judge(an_observation(head=head, monotonic=at, risk_mode_since=long_ago))]
        for at, head in enumerate((a_head(2, content=bad), a_head(0), a_head(0), a_head(3)))
    ]

    assert told == [[AlertState.FIRING], [], [], [AlertState.RESOLVED]]

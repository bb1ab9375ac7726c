"""The verification checklist of the risk guard, box by box."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal

import pytest
from guard_builders import ACCOUNT, Desk, facts, intent, others

from msc_client.facts import Side
from msc_client.testing import make_policy
from msc_client.tier import Tier
from msc_trading.guard import ReasonCode, RiskGuardService, blocked_execution


def test_policy_store_is_initialised_the_guard_cannot_be_made_without_a_policy_source() -> None:
    desk = Desk()

    assert desk.ask().policy_ref == desk.bench.current().ref


def test_policy_is_read_before_each_trade_execution() -> None:
    desk = Desk()
    service = RiskGuardService(
        desk.guard, desk.bench, facts, account_id=ACCOUNT, executor_id="executor-1", decided=lambda _: None
    )
    reads = desk.bench.reads

    for number in range(3):
        answer = service.can_execute(
            symbol="BTCUSDT",
            notional=Decimal(400),
            side=Side.BUY,
            client_order_id=f"e{number}",
            strategy_id="TREND_001",
            confidence=0.9,
            stop_price=Decimal(39_500),
        )
        assert asyncio.run(answer) == (True, "ALLOWED: allowed")

    # Once for the question, and once more at the instant of the grant.
    assert desk.bench.reads - reads == 6


def test_position_limits_are_validated() -> None:
    desk = Desk(make_policy(max_positions=8))

    assert desk.ask(known=facts(positions=others(7))).allowed
    full = Desk(make_policy(max_positions=8)).ask(known=facts(positions=others(8)))
    assert full.reason_code is ReasonCode.MAX_POSITIONS


def test_daily_trade_limits_are_checked() -> None:
    desk = Desk(make_policy(max_daily_trades=2))
    desk.granted()
    desk.granted()

    assert desk.ask().reason_code is ReasonCode.MAX_DAILY_TRADES


def test_risk_per_trade_is_enforced() -> None:
    desk = Desk(make_policy(max_risk_per_trade=0.0030))

    assert desk.ask().reason_code is ReasonCode.RISK_PER_TRADE
    assert desk.ask(intent(quantity=Decimal("0.056"))).allowed


def test_enforcement_actions_are_logged_and_can_be_journalled(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="msc_trading.guard")
    decision = Desk(make_policy(max_positions=0)).ask()

    assert "[RISK GUARD] Trade blocked: MSC AI position limit exceeded" in caplog.messages
    execution = blocked_execution(decision)
    assert execution is not None
    assert (execution.status, execution.reason) == ("BLOCKED", "MAX_POSITIONS")


def test_an_authority_that_is_gone_leaves_the_last_known_good_policy_in_force() -> None:
    desk = Desk()
    desk.ask()
    desk.bench.set(make_policy(), Tier.STALE)

    decision = desk.ask()

    assert decision.allowed
    assert decision.degraded

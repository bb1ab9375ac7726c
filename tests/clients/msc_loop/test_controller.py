"""The controller of a backtest decides as the authority does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from msc_authority.compose.replay import replay_in_memory
from msc_authority.core import facts
from msc_authority.core.config import DecisionConfig
from msc_authority.core.policy import effective_part
from msc_client import ClosedTrade, Direction, EquityPoint, TradeSource
from msc_loop.controller import CoreController, as_client_sees

START = datetime(2025, 11, 30, tzinfo=UTC)
STEP = timedelta(minutes=30)


def a_trade(number: int, at: datetime, pnl: int, *, source: TradeSource = TradeSource.LIVE) -> ClosedTrade:
    return ClosedTrade(
        trade_id=f"T-{number:04d}",
        strategy_id=f"TREND_00{number % 3}",
        symbol="BTCUSDT",
        direction=Direction.LONG,
        quantity=Decimal(1),
        entry_price=Decimal(100),
        exit_price=Decimal(101),
        opened_at=at - timedelta(minutes=5),
        closed_at=at,
        gross_pnl=Decimal(pnl),
        fees=Decimal(0),
        funding=Decimal(0),
        net_pnl=Decimal(pnl),
        risk_at_entry=Decimal(400),
        source=source,
    )


def a_point(at: datetime, balance: int) -> EquityPoint:
    return EquityPoint(account="main", at=at, wallet_balance=Decimal(balance), unrealized_pnl=Decimal(0))


def a_life(hours: int) -> list[ClosedTrade | EquityPoint]:
    """A fleet that wins, then loses; a trade and a reading every hour."""
    told: list[ClosedTrade | EquityPoint] = []
    balance = 100_000
    for hour in range(hours):
        pnl = 300 if hour % 5 and hour < hours * 2 // 3 else -250
        balance += pnl
        at = START + timedelta(hours=hour, minutes=7)
        source = TradeSource.SHADOW if hour % 7 == 0 else TradeSource.LIVE
        told += [a_trade(hour, at, pnl, source=source), a_point(at + timedelta(minutes=3), balance)]
    return told


def as_the_authority_keeps_it(fact: ClosedTrade | EquityPoint) -> facts.Fact:
    values = {name: getattr(fact, name) for name in fact.__dataclass_fields__}
    if isinstance(fact, EquityPoint):
        return facts.EquityPoint(**values)
    kinds = {"direction": facts.Direction(fact.direction), "source": facts.TradeSource(fact.source)}
    return facts.Trade(**values | kinds)


def happened_at(fact: ClosedTrade | EquityPoint) -> datetime:
    return fact.closed_at if isinstance(fact, ClosedTrade) else fact.at


def told_to(controller: CoreController, fact: ClosedTrade | EquityPoint) -> None:
    if isinstance(fact, ClosedTrade):
        controller.on_trade(fact)
    else:
        controller.on_equity(fact)


def test_every_policy_is_the_one_that_the_authority_would_publish() -> None:
    told = a_life(hours=96)
    controller, position = CoreController(DecisionConfig()), 0

    for step in replay_in_memory([as_the_authority_keeps_it(fact) for fact in told], DecisionConfig(), STEP):
        while position < len(told) and happened_at(told[position]) <= step.as_of:
            told_to(controller, told[position])
            position += 1
        policy = controller.evaluate(step.as_of)

        published = step.outcome.head.policy
        assert published is not None
        assert policy.ref.version == published.ref.version
        expected = as_client_sees(published)
        assert policy.allowed_strategies == expected.allowed_strategies
        assert policy.strategy_grants == expected.strategy_grants
        assert (policy.risk_mode, policy.trading_state) == (expected.risk_mode, expected.trading_state)
        assert policy.max_risk_per_trade == expected.max_risk_per_trade
    assert controller.evaluate(step.as_of).ref.version > 3


def test_facts_told_out_of_order_between_two_evaluations_decide_the_same() -> None:
    told = a_life(hours=24)
    forwards, backwards = CoreController(DecisionConfig()), CoreController(DecisionConfig())
    for fact in told:
        told_to(forwards, fact)
    for fact in reversed(told):
        told_to(backwards, fact)

    assert forwards.evaluate(START + timedelta(days=2)) == backwards.evaluate(START + timedelta(days=2))


def test_first_policy_is_for_nobody_and_unchanged_ones_are_the_same_object() -> None:
    controller = CoreController(DecisionConfig())

    first = controller.evaluate(START)

    assert first.allowed_strategies == ()
    assert first.ref.version == 1
    assert controller.evaluate(START + STEP) is first


def test_fact_of_the_future_is_refused() -> None:
    controller = CoreController(DecisionConfig())
    controller.on_equity(a_point(START + timedelta(hours=1), 1000))

    with pytest.raises(ValueError, match="newest fact"):
        controller.evaluate(START)


def test_client_sees_every_field_of_a_policy() -> None:
    (*_, last) = replay_in_memory(
        [as_the_authority_keeps_it(fact) for fact in a_life(hours=48)], DecisionConfig(), STEP
    )
    policy = last.outcome.head.policy
    assert policy is not None

    seen = as_client_sees(policy)

    assert seen.ref.etag == policy.etag
    assert seen.created_at == policy.created_at
    assert seen.valid_for_s == policy.valid_for_s
    assert [reason.text for reason in seen.reasons] == [reason.text for reason in policy.content.reasons]
    assert seen.metrics.system_drawdown == policy.content.metrics.system_drawdown
    assert effective_part(policy.content)[3] == policy.content.grants
    assert [grant.risk_multiplier for grant in seen.strategy_grants] == [
        grant.risk_multiplier for grant in policy.content.grants
    ]

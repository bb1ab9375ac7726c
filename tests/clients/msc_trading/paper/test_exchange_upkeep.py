"""What the exchange does by itself: funding, margin calls, liquidation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from paper_builders import DEEP, NOON, engine, go, limit, market, stop, story

from msc_client import Side
from msc_trading.paper import ETHUSDT
from msc_trading.paper.engine import Engine
from msc_trading.paper.engine.events import ForcedOrder, OrderEvent
from msc_trading.paper.engine.upkeep import next_funding
from msc_trading.paper.engine.values import Execution, IncomeType, OrderType

BUY, SELL = Side.BUY, Side.SELL
FREE = replace(DEEP, taker_fee=Decimal(0))


def incomes(exchange: Engine, kind: IncomeType) -> list[Decimal]:
    return [income.amount for income in exchange.state.incomes if income.kind is kind]


@pytest.mark.parametrize(("hour", "expected"), [(0, 8), (7, 8), (8, 16), (15, 16), (16, 24), (23, 24)])
def test_funding_is_due_every_eight_hours_of_the_utc_day(hour: int, expected: int) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)

    assert next_funding(midnight + timedelta(hours=hour)) == midnight + timedelta(hours=expected)


@pytest.mark.parametrize(("side", "amount"), [(BUY, "-5.00000000"), (SELL, "5.00000000")])
def test_longs_pay_shorts_at_a_positive_rate(side: Side, amount: str) -> None:
    exchange = engine(FREE)
    exchange.place(market(side), NOON)
    wallet = exchange.state.wallet
    exchange.drain()

    exchange.advance(NOON + timedelta(hours=4))

    assert incomes(exchange, IncomeType.FUNDING_FEE) == [Decimal(amount)]
    assert exchange.state.wallet == wallet + Decimal(amount)
    assert story(exchange.drain()) == ["ACCOUNT FUNDING_FEE"]


def test_every_funding_time_that_a_long_step_passes_is_settled_at_its_instant() -> None:
    exchange = engine(FREE)
    exchange.place(market(), NOON)

    exchange.advance(NOON + timedelta(hours=28))

    times = [income.at for income in exchange.state.incomes if income.kind is IncomeType.FUNDING_FEE]
    assert times == [NOON + timedelta(hours=hours) for hours in (4, 12, 20, 28)]


def test_a_flat_account_pays_no_funding() -> None:
    exchange = engine(FREE)

    exchange.advance(NOON + timedelta(hours=24))

    assert incomes(exchange, IncomeType.FUNDING_FEE) == []
    assert len(exchange.state.funding) == 3


def leveraged(side: Side = BUY, balance: int = 30_000) -> Engine:
    exchange = engine(FREE, ETHUSDT, starting_balance=Decimal(balance))
    exchange.place(market(side, "10"), NOON)
    exchange.drain()
    return exchange


def test_a_margin_call_comes_once_before_liquidation() -> None:
    exchange = leveraged()

    go(exchange, "47250")
    go(exchange, "47249")

    assert story(exchange.drain()) == ["MARGIN_CALL"]


def test_a_margin_call_can_come_again_after_recovery() -> None:
    exchange = leveraged()

    for price in ("47250", "49000", "47250"):
        go(exchange, price)

    assert story(exchange.drain()) == ["MARGIN_CALL"] * 2


@pytest.mark.parametrize(("side", "price"), [(BUY, "47000"), (SELL, "53000")])
def test_an_account_below_maintenance_is_closed(side: Side, price: str) -> None:
    exchange = leveraged(side)

    go(exchange, price)

    assert exchange.state.positions["BTCUSDT"].quantity == 0
    told = [event for event in exchange.drain() if isinstance(event, OrderEvent)]
    assert [event.execution for event in told] == [Execution.NEW, Execution.CALCULATED]
    assert told[-1].order.client_order_id.startswith("autoclose-")
    assert told[-1].order.order_type is OrderType.LIQUIDATION


def test_a_liquidation_cancels_open_orders_first_and_is_told_to_the_market() -> None:
    exchange = leveraged()
    exchange.place(limit(BUY, "0.1", "40000"), NOON)
    exchange.drain()

    go(exchange, "47000")

    events = exchange.drain()
    assert story(events)[0] == "ORDER EXPIRED EXPIRED"
    assert sum(isinstance(event, ForcedOrder) for event in events) == 1


def test_a_liquidation_costs_its_fee_and_never_more_than_the_wallet() -> None:
    exchange = leveraged()

    go(exchange, "45000")

    assert exchange.state.wallet == 0
    assert sum(incomes(exchange, IncomeType.INSURANCE_CLEAR)) > 0


def test_the_position_that_asks_for_most_is_closed_first_and_the_rest_may_stay() -> None:
    cheap = replace(FREE, liquidation_fee=Decimal("0.001"))
    exchange = engine(cheap, ETHUSDT, starting_balance=Decimal(32_000))
    exchange.place(market(BUY, "10"), NOON)
    exchange.place(market(BUY, "0.02", symbol="ETHUSDT"), NOON)

    go(exchange, "46990")

    assert exchange.state.positions["BTCUSDT"].quantity == 0
    assert exchange.state.positions["ETHUSDT"].quantity == Decimal("0.02")


def test_a_stop_before_the_liquidation_price_saves_the_account() -> None:
    exchange = leveraged()
    exchange.place_algo(stop(SELL, "48000"), NOON)

    go(exchange, "45000")

    assert exchange.state.wallet == 30_000 + 10 * (Decimal(48000) - Decimal("50000.10"))


@pytest.mark.parametrize(("by_adl", "prefix", "charged"), [(False, "autoclose-", True), (True, "adl_autoclose", False)])
def test_a_position_can_be_closed_by_hand_as_either(by_adl: bool, prefix: str, charged: bool) -> None:
    exchange = leveraged()

    order = exchange.liquidate("BTCUSDT", NOON, by_adl=by_adl)

    assert order is not None
    assert order.client_order_id.startswith(prefix)
    assert bool(incomes(exchange, IncomeType.INSURANCE_CLEAR)) is charged
    assert exchange.liquidate("BTCUSDT", NOON) is None

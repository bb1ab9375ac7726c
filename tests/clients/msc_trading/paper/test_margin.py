"""Margin of a cross account."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from paper_builders import BALANCE, DEEP, NOON, engine, go, limit, market

from msc_client import Side
from msc_trading.paper import BTCUSDT
from msc_trading.paper.engine import Rejected, margin

BUY, SELL = Side.BUY, Side.SELL


def test_a_position_asks_for_its_notional_over_the_leverage() -> None:
    exchange = engine(DEEP)
    exchange.place(market(quantity="2"), NOON)

    own = margin.of_symbol(exchange.state, "BTCUSDT")

    assert (own.notional, own.position_initial, own.order_initial) == (Decimal(100_000), Decimal(5_000), Decimal(0))
    assert own.unrealized == Decimal("-0.2")


def test_open_orders_ask_for_the_side_that_adds_more() -> None:
    exchange = engine(DEEP)
    exchange.place(limit(BUY, "1", "49000"), NOON)
    exchange.place(limit(SELL, "2", "51000"), NOON)

    assert margin.of_symbol(exchange.state, "BTCUSDT").order_initial == Decimal(102_000) / 20


def test_an_order_that_reduces_asks_for_nothing() -> None:
    exchange = engine(DEEP)
    exchange.place(market(quantity="2"), NOON)
    exchange.place(limit(SELL, "2", "51000"), NOON)

    assert margin.of_symbol(exchange.state, "BTCUSDT").order_initial == 0


@pytest.mark.parametrize(("quantity", "passes"), [("99", True), ("101", False)])
def test_an_order_may_use_what_is_available_and_no_more(quantity: str, passes: bool) -> None:
    exchange = engine(DEEP, starting_balance=Decimal(250_000))

    if passes:
        exchange.place(market(quantity=quantity), NOON)
        assert margin.of_account(exchange.state).available < 3_000
    else:
        with pytest.raises(Rejected) as refused:
            exchange.place(market(quantity=quantity), NOON)
        assert refused.value.code == -2019


def test_turning_a_position_needs_no_more_than_its_new_size() -> None:
    exchange = engine(DEEP, starting_balance=Decimal(250_000))
    exchange.place(market(BUY, "95"), NOON)

    exchange.place(replace(market(SELL, "120"), quantity=Decimal(120)), NOON)

    assert exchange.state.positions["BTCUSDT"].quantity == -25


def test_leverage_has_a_largest_position() -> None:
    exchange = engine(DEEP)
    exchange.set_leverage("BTCUSDT", 125, NOON)

    with pytest.raises(Rejected) as refused:
        exchange.place(market(quantity="7"), NOON)

    assert refused.value.code == -2027
    exchange.place(market(quantity="5"), NOON)


def test_leverage_cannot_be_raised_above_the_position_nor_lowered_below_the_margin() -> None:
    exchange = engine(DEEP, starting_balance=Decimal(50_000))
    exchange.place(market(quantity="10"), NOON)

    for leverage, code in ((125, -2027), (5, -2028)):
        with pytest.raises(Rejected) as refused:
            exchange.set_leverage("BTCUSDT", leverage, NOON)
        assert refused.value.code == code
    assert exchange.set_leverage("BTCUSDT", 50, NOON) == Decimal(12_000_000)


@pytest.mark.parametrize(
    ("notional", "needed"), [("100000", "400"), ("300000", "1200"), ("500000", "2200"), ("20000000", "268000")]
)
def test_maintenance_follows_the_tiers_without_steps(notional: str, needed: str) -> None:
    assert margin.maintenance(BTCUSDT, Decimal(notional)) == Decimal(needed)


def test_every_tier_starts_where_the_last_one_ends() -> None:
    for before, after in zip(BTCUSDT.brackets, BTCUSDT.brackets[1:], strict=False):
        at = before.notional_cap
        assert at * before.maintenance_fraction - before.cum == at * after.maintenance_fraction - after.cum


@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_liquidation_price_is_where_equity_meets_maintenance(side: Side) -> None:
    exchange = engine(DEEP, starting_balance=Decimal(30_000))
    exchange.place(market(side, "10"), NOON)
    tier_cum = margin.bracket_of(DEEP, Decimal(500_000)).cum

    price = margin.liquidation_price(exchange.state, exchange.state.positions["BTCUSDT"])

    position = exchange.state.positions["BTCUSDT"]
    equity = exchange.state.wallet + position.unrealized(price)
    assert equity == pytest.approx(price * 10 * Decimal("0.005") - tier_cum)
    assert (price < 50_000) is (side is BUY)


def test_a_flat_position_has_no_liquidation_price() -> None:
    exchange = engine()

    assert margin.liquidation_price(exchange.state, exchange.state.positions["BTCUSDT"]) == 0


def test_equity_moves_with_the_mark() -> None:
    exchange = engine(DEEP)
    exchange.place(market(BUY, "2"), NOON)
    fee = Decimal("40.00008")

    go(exchange, "50500")

    account = margin.of_account(exchange.state)
    assert account.equity == BALANCE - fee + 2 * (Decimal(50500) - Decimal("50000.10"))
    assert account.available == account.equity - account.initial

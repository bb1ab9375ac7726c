"""The life of an order: states, fills, and the order in which they are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from paper_builders import DEEP, NOON, engine, go, immediate, limit, market, story

from msc_client import Side
from msc_trading.paper.engine import Rejected
from msc_trading.paper.engine.events import OrderEvent
from msc_trading.paper.engine.values import Order, SelfTrade, Status, TimeInForce

BUY, SELL = Side.BUY, Side.SELL
FILL = ["TRADE_LITE", "ACCOUNT ORDER"]


def present(exchange: object, order: Order) -> Order:
    return exchange.state.orders[order.order_id]  # type: ignore[attr-defined,no-any-return]  # an Engine


def test_a_market_order_is_told_new_then_short_then_account_then_full() -> None:
    exchange = engine()

    exchange.place(market(), NOON)

    assert story(exchange.drain()) == ["ORDER NEW NEW", *FILL, "ORDER TRADE FILLED"]


def test_placing_answers_new_although_the_match_is_made() -> None:
    exchange = engine()

    order = exchange.place(market(), NOON)

    assert order.status is Status.NEW
    assert present(exchange, order).status is Status.FILLED


def test_a_buyer_takes_the_ask_and_a_seller_the_bid() -> None:
    exchange = engine()

    bought, sold = exchange.place(market(BUY), NOON), exchange.place(market(SELL), NOON)

    assert present(exchange, bought).average_price == Decimal("50000.10")
    assert present(exchange, sold).average_price == Decimal("50000.00")


def test_an_order_larger_than_a_level_walks_up_the_book() -> None:
    exchange = engine()

    order = exchange.place(market(quantity="25"), NOON)

    prices = [trade.price for trade in exchange.state.trades["BTCUSDT"]]
    assert prices == [Decimal("50000.10"), Decimal("50000.20"), Decimal("50000.30")]
    states = [told.order.status for told in exchange.drain() if isinstance(told, OrderEvent)]
    assert states == [Status.NEW, Status.PARTIALLY_FILLED, Status.PARTIALLY_FILLED, Status.FILLED]
    assert present(exchange, order).average_price == Decimal("50000.18")


def test_a_market_order_stops_at_the_take_bound_and_expires() -> None:
    thin = replace(DEEP, level_quantity=Decimal("0.001"), market_take_bound=Decimal("0.00001"))
    exchange = engine(thin)

    order = present(exchange, exchange.place(market(quantity="1"), NOON))

    assert (order.status, order.executed) == (Status.EXPIRED, Decimal("0.005"))


def test_a_limit_order_rests_until_the_price_goes_through_it() -> None:
    exchange = engine()
    order = exchange.place(limit(price="49900"), NOON)
    assert present(exchange, order).status is Status.NEW

    go(exchange, "49900.10")
    assert present(exchange, order).status is Status.NEW
    go(exchange, "49899")

    filled = present(exchange, order)
    assert (filled.status, filled.average_price) == (Status.FILLED, Decimal(49900))


def test_a_touched_limit_order_gets_one_level() -> None:
    exchange = engine()
    order = exchange.place(limit(quantity="15", price="49900"), NOON)

    go(exchange, "49899.90")

    touched = present(exchange, order)
    assert (touched.status, touched.executed) == (Status.PARTIALLY_FILLED, Decimal(10))


def test_resting_orders_pay_the_makers_fee_and_takers_the_takers() -> None:
    exchange = engine()
    exchange.place(limit(price="49900"), NOON)
    go(exchange, "49800")
    exchange.place(market(SELL), exchange.state.now)

    made, taken = exchange.state.trades["BTCUSDT"]

    assert (made.maker, made.fee) == (True, Decimal("9.98000000"))
    assert (taken.maker, taken.fee) == (False, Decimal("19.92000000"))


def test_a_crossing_limit_order_takes_up_to_its_price_and_rests_with_what_is_left() -> None:
    exchange = engine()

    order = present(exchange, exchange.place(limit(quantity="25", price="50000.20"), NOON))

    assert (order.status, order.executed, order.remaining) == (Status.PARTIALLY_FILLED, Decimal(20), Decimal(5))


def test_what_an_immediate_or_cancel_order_cannot_take_expires() -> None:
    exchange = engine()

    order = present(exchange, exchange.place(immediate(limit(quantity="15", price="50000.10")), NOON))

    assert (order.status, order.executed) == (Status.EXPIRED, Decimal(10))
    assert story(exchange.drain())[-1] == "ORDER EXPIRED EXPIRED"


@pytest.mark.parametrize(
    ("time_in_force", "price", "code"), [(TimeInForce.FOK, "50000.10", -5021), (TimeInForce.GTX, "50000.10", -5022)]
)
def test_what_cannot_be_filled_at_once_or_as_maker_is_refused_and_not_recorded(
    time_in_force: TimeInForce, price: str, code: int
) -> None:
    exchange = engine()

    with pytest.raises(Rejected) as refused:
        exchange.place(limit(quantity="15", price=price, time_in_force=time_in_force), NOON)

    assert refused.value.code == code
    assert exchange.state.orders == {}
    assert exchange.drain() == []


def test_a_fill_or_kill_order_that_fits_is_filled() -> None:
    exchange = engine()

    order = exchange.place(limit(quantity="15", price="50000.20", time_in_force=TimeInForce.FOK), NOON)

    assert present(exchange, order).status is Status.FILLED


def test_a_post_only_order_below_the_market_rests() -> None:
    exchange = engine()

    order = exchange.place(limit(price="50000", time_in_force=TimeInForce.GTX), NOON)

    assert present(exchange, order).status is Status.NEW


def test_an_order_with_a_date_ends_on_it() -> None:
    exchange = engine()
    until = NOON + timedelta(minutes=1)
    order = exchange.place(limit(time_in_force=TimeInForce.GTD, good_till=until), NOON)

    exchange.advance(until - timedelta(milliseconds=1))
    assert present(exchange, order).status is Status.NEW
    exchange.advance(until)

    assert present(exchange, order).status is Status.EXPIRED


def test_better_prices_and_older_orders_are_filled_first() -> None:
    exchange = engine()
    later = exchange.place(limit(price="49900"), NOON)
    best = exchange.place(limit(price="49950"), NOON)
    last = exchange.place(limit(price="49900"), NOON)

    go(exchange, "49000", jumps=True)

    order_ids = [trade.order_id for trade in exchange.state.trades["BTCUSDT"]]
    assert order_ids == [best.order_id, later.order_id, last.order_id]


def test_cancelling_tells_it_and_a_second_time_is_refused() -> None:
    exchange = engine()
    order = exchange.place(limit(client_order_id="mine"), NOON)
    exchange.drain()

    cancelled = exchange.cancel("BTCUSDT", NOON, client_order_id="mine")

    assert (cancelled.order_id, cancelled.status) == (order.order_id, Status.CANCELED)
    assert story(exchange.drain()) == ["ORDER CANCELED CANCELED"]
    with pytest.raises(Rejected) as refused:
        exchange.cancel("BTCUSDT", NOON, order_id=order.order_id)
    assert refused.value.code == -2011


def test_cancelling_all_ends_the_symbols_orders_only() -> None:
    exchange = engine()
    exchange.place(limit(), NOON)
    exchange.place(limit(price="48900"), NOON)
    other = exchange.place(limit(symbol="ETHUSDT", price="49000"), NOON)

    assert len(exchange.cancel_all("BTCUSDT", NOON)) == 2

    assert [order.order_id for order in exchange.state.open_orders["ETHUSDT"].values()] == [other.order_id]


def test_an_id_is_refused_while_its_order_is_open_and_free_afterwards() -> None:
    exchange = engine()
    exchange.place(limit(client_order_id="mine"), NOON)

    with pytest.raises(Rejected) as refused:
        exchange.place(market(client_order_id="mine"), NOON)
    assert refused.value.code == -4116

    exchange.cancel("BTCUSDT", NOON, client_order_id="mine")
    first = exchange.place(market(client_order_id="mine"), NOON)
    second = exchange.place(market(client_order_id="mine"), NOON)
    assert first.order_id != second.order_id
    assert exchange.state.positions["BTCUSDT"].quantity == 2


def test_amending_moves_the_order_and_may_fill_it() -> None:
    exchange = engine()
    order = exchange.place(limit(quantity="2", price="49000"), NOON)
    exchange.drain()

    exchange.amend("BTCUSDT", NOON, order_id=order.order_id, side=BUY, quantity=Decimal(3), price=Decimal("50000.10"))

    assert story(exchange.drain()) == ["ORDER AMENDMENT NEW", *FILL, "ORDER TRADE FILLED"]
    assert present(exchange, order).executed == 3


@pytest.mark.parametrize(
    ("side", "quantity", "price", "code"), [(SELL, "2", "48000", -1117), (BUY, "1", "49000", -5027)]
)
def test_amending_refuses_another_side_and_no_change(side: Side, quantity: str, price: str, code: int) -> None:
    exchange = engine()
    order = exchange.place(limit(), NOON)

    with pytest.raises(Rejected) as refused:
        exchange.amend(
            "BTCUSDT", NOON, order_id=order.order_id, side=side, quantity=Decimal(quantity), price=Decimal(price)
        )

    assert refused.value.code == code


def test_amending_below_what_is_filled_ends_the_order() -> None:
    exchange = engine()
    order = exchange.place(limit(quantity="15", price="50000.10"), NOON)

    ended = exchange.amend(
        "BTCUSDT", NOON, order_id=order.order_id, side=BUY, quantity=Decimal(10), price=Decimal("50000.10")
    )

    assert (ended.status, ended.executed) == (Status.CANCELED, Decimal(10))


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        (SelfTrade.EXPIRE_TAKER, Status.EXPIRED_IN_MATCH, Status.NEW),
        (SelfTrade.EXPIRE_MAKER, Status.FILLED, Status.EXPIRED_IN_MATCH),
        (SelfTrade.EXPIRE_BOTH, Status.EXPIRED_IN_MATCH, Status.EXPIRED_IN_MATCH),
        (SelfTrade.NONE, Status.FILLED, Status.NEW),
    ],
)
def test_an_account_does_not_trade_with_itself(mode: SelfTrade, taker: Status, maker: Status) -> None:
    exchange = engine()
    resting = exchange.place(limit(BUY, price="50000"), NOON)

    taking = exchange.place(market(SELL, self_trade=mode), NOON)

    assert (present(exchange, taking).status, present(exchange, resting).status) == (taker, maker)


class TestReduceOnly:
    def test_it_is_refused_without_a_position_to_reduce(self) -> None:
        exchange = engine()
        exchange.place(market(BUY), NOON)

        with pytest.raises(Rejected) as refused:
            exchange.place(market(BUY, reduce_only=True), NOON)

        assert refused.value.code == -2022

    def test_it_never_turns_the_position(self) -> None:
        exchange = engine()
        exchange.place(market(BUY, "2"), NOON)

        order = present(exchange, exchange.place(market(SELL, "5", reduce_only=True), NOON))

        assert (order.status, order.executed) == (Status.EXPIRED, Decimal(2))
        assert exchange.state.positions["BTCUSDT"].quantity == 0

    def test_it_passes_below_the_minimum_notional(self) -> None:
        exchange = engine(price="600")
        exchange.place(market(BUY, "0.015"), NOON)
        exchange.place(market(SELL, "0.009", reduce_only=True), NOON)

        with pytest.raises(Rejected) as refused:
            exchange.place(market(SELL, "0.006"), NOON)
        assert refused.value.code == -4164

        exchange.place(market(SELL, "0.006", reduce_only=True), NOON)
        assert exchange.state.positions["BTCUSDT"].quantity == 0

    def test_a_resting_one_expires_when_the_position_is_gone(self) -> None:
        exchange = engine()
        exchange.place(market(BUY), NOON)
        resting = exchange.place(limit(SELL, price="51000", reduce_only=True), NOON)
        exchange.drain()

        exchange.place(market(SELL), NOON)

        assert present(exchange, resting).status is Status.EXPIRED
        assert story(exchange.drain()) == ["ORDER NEW NEW", *FILL, "ORDER TRADE FILLED", "ORDER EXPIRED EXPIRED"]

    def test_one_that_empties_the_position_itself_ends_once(self) -> None:
        exchange = engine()
        exchange.place(market(BUY), NOON)
        exchange.drain()

        order = exchange.place(limit(SELL, quantity="3", price="50000", reduce_only=True), NOON)

        assert present(exchange, order).status is Status.EXPIRED
        assert story(exchange.drain()) == [
            "ORDER NEW NEW",
            *FILL,
            "ORDER TRADE PARTIALLY_FILLED",
            "ORDER EXPIRED EXPIRED",
        ]

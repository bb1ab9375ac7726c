"""What the engine refuses, with the venue's codes, and that a refusal changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from paper_builders import NOON, Changes, config, engine, limit, market, stop

from msc_client import Side
from msc_trading.paper import BTCUSDT
from msc_trading.paper.engine import Engine, Rejected
from msc_trading.paper.engine.values import NewAlgo, NewOrder, OrderType, WorkingType

BUY, SELL = Side.BUY, Side.SELL
PLAIN_STOP: Changes = {"close_position": False, "quantity": Decimal(1)}


def code_of(attempt: Callable[[], object]) -> int:
    with pytest.raises(Rejected) as refused:
        attempt()
    return refused.value.code


@pytest.mark.parametrize(
    ("order", "code"),
    [
        pytest.param(market(symbol="DOGEUSDT"), -1121, id="unknown symbol"),
        pytest.param(market(quantity="0.0001"), -1111, id="too many decimals of quantity"),
        pytest.param(limit(price="49000.123"), -1111, id="too many decimals of price"),
        pytest.param(limit(price="49000.05"), -4014, id="price precision is not the tick"),
        pytest.param(limit(price="0"), -4001, id="price of zero"),
        pytest.param(limit(price="500"), -4013, id="price below the smallest"),
        pytest.param(limit(price="4600000"), -4002, id="price above the largest"),
        pytest.param(market(quantity="0"), -4003, id="quantity of zero"),
        pytest.param(market(quantity="121"), -4005, id="market lot size is smaller than lot size"),
        pytest.param(limit(quantity="1001"), -4005, id="lot size"),
        pytest.param(limit(BUY, price="52500.10"), -4016, id="buying more than 5 % above the mark"),
        pytest.param(limit(SELL, price="47499.90"), -4024, id="selling more than 5 % below the mark"),
        pytest.param(limit(quantity="0.001", price="4000"), -4164, id="limit notional"),
        pytest.param(market(reduce_only=True), -2022, id="nothing to reduce"),
        pytest.param(limit(quantity="420", price="49000"), -2019, id="margin"),
        pytest.param(market(position_side="LONG"), -4061, id="hedge order in one-way mode"),
        pytest.param(replace(market(), order_type=OrderType.STOP_MARKET), -4120, id="conditional type"),
    ],
)
def test_an_order_out_of_the_rules_is_refused(order: NewOrder, code: int) -> None:
    exchange = engine()

    assert code_of(lambda: exchange.place(order, NOON)) == code

    assert (exchange.state.orders, exchange.drain()) == ({}, [])


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(limit(BUY, price="52500"), id="buying at 5 % above"),
        pytest.param(limit(SELL, price="47500"), id="selling at 5 % below"),
        pytest.param(limit(SELL, price="90000"), id="selling far above"),
        pytest.param(limit(BUY, price="10000"), id="buying far below"),
        pytest.param(market(quantity="120"), id="largest market quantity"),
        pytest.param(limit(quantity="0.001", price="5000"), id="smallest notional"),
    ],
)
def test_an_order_on_the_edge_of_the_rules_passes(order: NewOrder) -> None:
    exchange = engine()

    exchange.place(order, NOON)

    assert len(exchange.state.orders) == 1


def test_quantities_start_from_the_smallest_in_steps() -> None:
    coarse = replace(BTCUSDT, step_size=Decimal("0.005"), min_quantity=Decimal("0.002"))
    exchange = engine(coarse)

    assert code_of(lambda: exchange.place(limit(quantity="0.005"), NOON)) == -4023
    assert code_of(lambda: exchange.place(limit(quantity="0.001"), NOON)) == -4004
    exchange.place(limit(quantity="0.007"), NOON)


@pytest.mark.parametrize(
    ("algo", "code"),
    [
        pytest.param(stop(symbol="DOGEUSDT"), -1121, id="unknown symbol"),
        pytest.param(stop(order_type=OrderType.MARKET), -1116, id="no conditional type"),
        pytest.param(stop(trigger_price=None), -1102, id="no trigger"),
        pytest.param(stop(close_position=False), -1102, id="no quantity"),
        pytest.param(stop(quantity=Decimal(1)), -1106, id="quantity beside closePosition"),
        pytest.param(stop(reduce_only=True), -1106, id="reduceOnly beside closePosition"),
        pytest.param(stop(order_type=OrderType.STOP, price=Decimal(48000)), -4136, id="closePosition with a limit"),
        pytest.param(stop(order_type=OrderType.STOP, **PLAIN_STOP), -1102, id="limit without a price"),
        pytest.param(stop(trigger="49000.05"), -4014, id="trigger off the tick"),
        pytest.param(stop(SELL, "50000"), -2021, id="selling stop at the price"),
        pytest.param(stop(BUY, "50000"), -2021, id="buying stop at the price"),
        pytest.param(stop(SELL, "49000", order_type=OrderType.TAKE_PROFIT_MARKET), -2021, id="profit taken already"),
        pytest.param(stop(SELL, "51000", working_type=WorkingType.MARK_PRICE), -2021, id="by the mark"),
        pytest.param(
            stop(order_type=OrderType.TRAILING_STOP_MARKET, callback_rate=Decimal(11), **PLAIN_STOP),
            -1130,
            id="callback rate",
        ),
        pytest.param(stop(position_side="SHORT"), -4061, id="hedge order in one-way mode"),
        pytest.param(stop(close_position=False, quantity=Decimal("0.0001")), -1111, id="decimals"),
    ],
)
def test_a_conditional_order_out_of_the_rules_is_refused(algo: NewAlgo, code: int) -> None:
    exchange = engine()

    assert code_of(lambda: exchange.place_algo(algo, NOON)) == code

    assert (exchange.state.algos, exchange.drain()) == ({}, [])


def test_open_and_conditional_orders_are_counted_together() -> None:
    exchange = engine(replace(BTCUSDT, max_orders=3))
    exchange.place(limit(), NOON)
    exchange.place(limit(), NOON)
    exchange.place_algo(stop(), NOON)

    assert code_of(lambda: exchange.place(limit(), NOON)) == -2025
    assert code_of(lambda: exchange.place_algo(stop(SELL, "48000", **PLAIN_STOP), NOON)) == -2025


def test_conditional_orders_have_a_limit_of_their_own() -> None:
    exchange = engine(replace(BTCUSDT, max_algo_orders=2))
    for trigger in ("48000", "48100"):
        exchange.place_algo(stop(SELL, trigger, **PLAIN_STOP), NOON)

    assert code_of(lambda: exchange.place_algo(stop(SELL, "48200", **PLAIN_STOP), NOON)) == -4045


def test_a_direction_has_one_stop_for_the_whole_position() -> None:
    exchange = engine()
    exchange.place_algo(stop(SELL, "49000"), NOON)

    assert code_of(lambda: exchange.place_algo(stop(SELL, "48000"), NOON)) == -4130
    exchange.place_algo(stop(BUY, "51000"), NOON)
    exchange.place_algo(stop(SELL, "52000", order_type=OrderType.TAKE_PROFIT_MARKET), NOON)


def test_the_id_of_a_waiting_conditional_order_is_taken() -> None:
    exchange = engine()
    exchange.place_algo(stop(client_algo_id="mine"), NOON)

    assert code_of(lambda: exchange.place_algo(stop(BUY, "51000", client_algo_id="mine"), NOON)) == -4116

    exchange.cancel_algo(NOON, client_algo_id="mine")
    exchange.place_algo(stop(client_algo_id="mine"), NOON)


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (lambda exchange: exchange.cancel("BTCUSDT", NOON, order_id=1), -2011),
        (lambda exchange: exchange.cancel("DOGEUSDT", NOON, order_id=1), -1121),
        (lambda exchange: exchange.cancel_all("DOGEUSDT", NOON), -1121),
        (lambda exchange: exchange.cancel_algo(NOON, algo_id=1), -2011),
        (
            lambda exchange: exchange.amend(
                "BTCUSDT", NOON, order_id=1, side=BUY, quantity=Decimal(1), price=Decimal(1)
            ),
            -2013,
        ),
        (lambda exchange: exchange.set_leverage("BTCUSDT", 126, NOON), -4028),
        (lambda exchange: exchange.set_leverage("BTCUSDT", 0, NOON), -4028),
        (lambda exchange: exchange.set_hedge_mode(False, NOON), -4059),
    ],
)
def test_calls_for_what_is_not_there_are_refused(attempt: Callable[[Engine], object], code: int) -> None:
    exchange = engine()

    assert code_of(lambda: attempt(exchange)) == code


def test_hedge_mode_can_be_set_and_then_nothing_trades() -> None:
    exchange = engine()

    exchange.set_hedge_mode(True, NOON)

    assert code_of(lambda: exchange.place(market(), NOON)) == -4061
    assert code_of(lambda: exchange.place(market(position_side="LONG"), NOON)) == -1020


def test_the_position_mode_stays_while_there_are_orders_or_positions() -> None:
    exchange = engine()
    order = exchange.place(limit(), NOON)
    assert code_of(lambda: exchange.set_hedge_mode(True, NOON)) == -4067

    exchange.cancel("BTCUSDT", NOON, order_id=order.order_id)
    exchange.place(market(), NOON)
    assert code_of(lambda: exchange.set_hedge_mode(True, NOON)) == -4068


def test_nothing_trades_before_the_first_price() -> None:

    exchange = Engine(config(), NOON)

    assert code_of(lambda: exchange.place(market(), NOON)) == -1020

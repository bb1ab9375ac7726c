"""Conditional orders: when they trigger, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from paper_builders import DEEP, NOON, Changes, engine, go, limit, market, stop, story

from msc_client import Side
from msc_trading.paper.engine.values import AlgoStatus, OrderType, Status, WorkingType

BUY, SELL = Side.BUY, Side.SELL
ONE: Changes = {"close_position": False, "quantity": Decimal(1)}
TAKE_PROFIT = OrderType.TAKE_PROFIT_MARKET


def test_a_stop_is_told_step_by_step() -> None:
    exchange = engine()
    exchange.place(market(), NOON)
    exchange.drain()

    exchange.place_algo(stop(), NOON)
    go(exchange, "48500")

    assert story(exchange.drain()) == [
        "ALGO NEW",
        "ALGO TRIGGERING",
        "ALGO TRIGGERED",
        "ORDER NEW NEW",
        "TRADE_LITE",
        "ACCOUNT ORDER",
        "ORDER TRADE FILLED",
        "ALGO FINISHED",
    ]


def test_a_stop_inside_a_move_is_filled_where_it_stands_not_where_the_move_ends() -> None:
    exchange = engine()
    exchange.place(market(), NOON)
    algo = exchange.place_algo(stop(SELL, "49000"), NOON)

    go(exchange, "45000")

    finished = exchange.state.algos[algo.algo_id]
    assert (finished.average_price, finished.executed) == (Decimal(49000), Decimal(1))
    assert exchange.state.markets["BTCUSDT"].last == 45000


def test_a_stop_that_a_jump_passes_is_filled_where_the_jump_ends() -> None:
    exchange = engine()
    exchange.place(market(), NOON)
    algo = exchange.place_algo(stop(SELL, "49000"), NOON)

    go(exchange, "45000", jumps=True)

    assert exchange.state.algos[algo.algo_id].average_price == 45000


def test_stops_on_the_way_trigger_in_the_order_of_their_prices() -> None:
    exchange = engine()
    exchange.place(market(quantity="3"), NOON)
    far = exchange.place_algo(stop(SELL, "48000", **ONE), NOON)
    near = exchange.place_algo(stop(SELL, "49500", **ONE), NOON)
    middle = exchange.place_algo(stop(SELL, "49000", **ONE), NOON)

    go(exchange, "47000")

    filled = [trade.client_order_id for trade in exchange.state.trades["BTCUSDT"][1:]]
    assert filled == [each.client_algo_id for each in (near, middle, far)]
    assert [trade.price for trade in exchange.state.trades["BTCUSDT"][1:]] == [49500, 49000, 48000]


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "quiet", "reached"),
    [
        (SELL, OrderType.STOP_MARKET, "49000", "49000.10", "49000"),
        (BUY, OrderType.STOP_MARKET, "51000", "50999.90", "51000"),
        (SELL, TAKE_PROFIT, "51000", "50999.90", "51000"),
        (BUY, TAKE_PROFIT, "49000", "49000.10", "49000"),
    ],
)
def test_a_trigger_is_reached_by_touching_it(
    side: Side, kind: OrderType, trigger: str, quiet: str, reached: str
) -> None:
    exchange = engine()
    algo = exchange.place_algo(stop(side, trigger, order_type=kind, **ONE), NOON)

    go(exchange, quiet)
    assert exchange.state.algos[algo.algo_id].status is AlgoStatus.NEW
    go(exchange, reached)

    assert exchange.state.algos[algo.algo_id].status is AlgoStatus.FINISHED


def test_closing_the_position_takes_the_size_of_that_moment() -> None:
    exchange = engine(DEEP)
    exchange.place(market(BUY, "1"), NOON)
    exchange.place_algo(stop(), NOON)
    exchange.place(market(BUY, "4"), NOON)

    go(exchange, "48000")

    assert exchange.state.positions["BTCUSDT"].quantity == 0
    assert exchange.state.trades["BTCUSDT"][-1].quantity == 5


def test_the_order_of_a_stop_carries_the_stops_id_and_only_reduces() -> None:
    exchange = engine()
    exchange.place(market(), NOON)
    algo = exchange.place_algo(stop(client_algo_id="stop-1"), NOON)

    go(exchange, "48000")

    order = exchange.state.orders[exchange.state.algos[algo.algo_id].order_id or 0]
    assert (order.client_order_id, order.order_type, order.original_type) == (
        "stop-1",
        OrderType.MARKET,
        OrderType.STOP_MARKET,
    )
    assert (order.reduce_only, order.close_position, order.stop_price) == (True, True, Decimal(49000))


def test_a_stop_without_a_position_is_rejected_when_it_triggers() -> None:
    exchange = engine()
    algo = exchange.place_algo(stop(), NOON)
    exchange.drain()

    go(exchange, "48000")

    rejected = exchange.state.algos[algo.algo_id]
    assert (rejected.status, rejected.reason) == (AlgoStatus.REJECTED, "ReduceOnly Order is rejected.")
    assert story(exchange.drain()) == ["ALGO TRIGGERING", "ALGO REJECTED"]
    assert exchange.state.orders == {}


def test_a_stop_without_margin_is_rejected_when_it_triggers() -> None:
    exchange = engine(DEEP, starting_balance=Decimal(1000))
    algo = exchange.place_algo(stop(BUY, "50100", **ONE), NOON)

    go(exchange, "50200")

    assert exchange.state.algos[algo.algo_id].status is AlgoStatus.REJECTED
    assert exchange.state.positions["BTCUSDT"].quantity == 0


def test_a_stop_limit_becomes_a_resting_order() -> None:
    exchange = engine()
    asked = stop(SELL, "49000", order_type=OrderType.STOP, price=Decimal(49500), **ONE)
    algo = exchange.place_algo(asked, NOON)

    go(exchange, "49000")

    triggered = exchange.state.algos[algo.algo_id]
    order = exchange.state.orders[triggered.order_id or 0]
    assert (triggered.status, order.status, order.price) == (AlgoStatus.TRIGGERED, Status.NEW, Decimal(49500))
    go(exchange, "49600")
    assert exchange.state.algos[algo.algo_id].status is AlgoStatus.FINISHED


def test_one_stop_may_end_what_the_next_would_close() -> None:
    exchange = engine()
    exchange.place(market(), NOON)
    first = exchange.place_algo(stop(SELL, "49000", **ONE), NOON)
    second = exchange.place_algo(stop(SELL, "49000"), NOON)

    go(exchange, "48000")

    statuses = [exchange.state.algos[each.algo_id].status for each in (first, second)]
    assert statuses == [AlgoStatus.FINISHED, AlgoStatus.REJECTED]
    assert exchange.state.positions["BTCUSDT"].quantity == 0


def test_resting_orders_on_the_way_are_filled_before_the_stop_behind_them() -> None:
    exchange = engine()
    exchange.place(market(), NOON)
    exchange.place(limit(BUY, "1", "49500"), NOON)
    exchange.place_algo(stop(SELL, "49000"), NOON)

    go(exchange, "48000")

    assert [trade.price for trade in exchange.state.trades["BTCUSDT"][1:]] == [49500, 49000]
    assert exchange.state.positions["BTCUSDT"].quantity == 0


def test_a_stop_by_the_mark_waits_for_the_mark() -> None:
    exchange = engine(replace(DEEP, mark_lag=Decimal("0.5")))
    exchange.place(market(), NOON)
    by_mark = exchange.place_algo(stop(SELL, "49000", working_type=WorkingType.MARK_PRICE), NOON)

    go(exchange, "48500")
    assert exchange.state.markets["BTCUSDT"].mark == 49250
    assert exchange.state.algos[by_mark.algo_id].status is AlgoStatus.NEW
    go(exchange, "48600")

    assert exchange.state.algos[by_mark.algo_id].status is AlgoStatus.FINISHED


class TestTrailingStop:
    ASKED = stop(SELL, order_type=OrderType.TRAILING_STOP_MARKET, callback_rate=Decimal(1), trigger_price=None, **ONE)

    def test_it_follows_the_price_and_triggers_on_the_way_back(self) -> None:
        exchange = engine()
        exchange.place(market(), NOON)
        algo = exchange.place_algo(self.ASKED, NOON)

        go(exchange, "52000")
        assert exchange.state.algos[algo.algo_id].trigger_price == 51480
        go(exchange, "51500")
        assert exchange.state.algos[algo.algo_id].status is AlgoStatus.NEW
        go(exchange, "51000")

        finished = exchange.state.algos[algo.algo_id]
        assert (finished.status, finished.average_price) == (AlgoStatus.FINISHED, Decimal(51480))

    def test_it_sleeps_until_it_is_activated(self) -> None:
        exchange = engine()
        algo = exchange.place_algo(replace(self.ASKED, activate_price=Decimal(51000)), NOON)

        go(exchange, "49000")
        assert exchange.state.algos[algo.algo_id].extreme is None
        go(exchange, "51000")

        assert exchange.state.algos[algo.algo_id].trigger_price == 50490

    def test_a_buying_one_follows_downwards(self) -> None:
        exchange = engine()
        algo = exchange.place_algo(replace(self.ASKED, side=BUY), NOON)

        go(exchange, "48000")
        go(exchange, "49000")

        assert exchange.state.algos[algo.algo_id].average_price == Decimal("48480.10")


def test_cancelling_ends_a_waiting_one_only() -> None:
    exchange = engine()
    exchange.place_algo(stop(SELL, "49000", **ONE), NOON)
    exchange.place_algo(stop(SELL, "48000", **ONE), NOON)
    exchange.place_algo(stop(SELL, "2900", symbol="ETHUSDT", **ONE), NOON)

    cancelled = exchange.cancel_all_algos("BTCUSDT", NOON)

    assert [algo.status for algo in cancelled] == [AlgoStatus.CANCELED] * 2
    assert len(exchange.state.open_algos["ETHUSDT"]) == 1


def test_cancelling_open_orders_leaves_the_stops() -> None:
    exchange = engine()
    exchange.place(limit(), NOON)
    exchange.place_algo(stop(), NOON)

    exchange.cancel_all("BTCUSDT", NOON)

    assert len(exchange.state.open_algos["BTCUSDT"]) == 1

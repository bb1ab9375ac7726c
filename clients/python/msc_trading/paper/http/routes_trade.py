"""Routes that trade: orders and conditional orders."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from msc_client import Side
from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.engine.values import Algo, AlgoStatus, Order
from msc_trading.paper.http import reading
from msc_trading.paper.http.auth import Access
from msc_trading.paper.http.order_shapes import Shape, algo_shape, order_shape
from msc_trading.paper.http.params import Params
from msc_trading.paper.http.route import Call, Route, by_symbol

Row = TypeVar("Row")

LARGEST_BATCH = 5
LARGEST_CANCEL_BATCH = 10
LOOKUP = timedelta(days=7)
CANCELLED_ALL = {"code": 200, "msg": "The operation of cancel all open order is done."}


def new_order(call: Call) -> object:
    """Places an order. The answer says NEW unless RESULT was asked for, whatever the match has made of it."""
    desk, params = call.desk, call.params
    asked = reading.new_order(params)
    desk.engine.state.market(asked.symbol)
    desk.limiter.order(desk.now())
    order = desk.engine.place(asked, desk.now())
    _count(call)
    result = (params.optional_text("newOrderRespType") or "ACK") == "RESULT"
    return _shape(call, desk.engine.state.orders[order.order_id] if result else order)


def test_order(call: Call) -> object:
    """Checks an order, and does nothing."""
    call.desk.engine.check(reading.new_order(call.params), call.desk.now())
    return {}


def amend_order(call: Call) -> object:
    """Changes a limit order."""
    desk, params = call.desk, call.params
    symbol, order_id, client_order_id = _reference(params)
    desk.limiter.order(desk.now())
    order = desk.engine.amend(
        symbol,
        desk.now(),
        order_id=order_id,
        client_order_id=client_order_id,
        side=params.choice("side", Side, reason.BAD_SIDE),
        quantity=params.decimal("quantity"),
        price=params.decimal("price"),
    )
    _count(call)
    return _shape(call, desk.engine.state.orders[order.order_id])


def query_order(call: Call) -> object:
    """Answers an order, open or not."""
    symbol, order_id, client_order_id = _reference(call.params)
    state = call.desk.engine.state
    state.market(symbol)
    order = state.find_order(symbol, order_id, client_order_id)
    if order is None:
        raise Rejected(reason.NO_SUCH_ORDER)
    return order_shape(state.spec(symbol), order)


def cancel_order(call: Call) -> object:
    """Cancels an order."""
    symbol, order_id, client_order_id = _reference(call.params)
    desk = call.desk
    return _shape(call, desk.engine.cancel(symbol, desk.now(), order_id=order_id, client_order_id=client_order_id))


def cancel_all_orders(call: Call) -> object:
    """Cancels the open orders of a symbol."""
    call.desk.engine.cancel_all(call.params.text("symbol"), call.desk.now())
    return CANCELLED_ALL


def batch_orders(call: Call) -> object:
    """Places up to five orders, each on its own."""
    orders = _json_list(call.params.text("batchOrders"), "batchOrders", LARGEST_BATCH)
    return [_each(call, Params(_texts(order)), new_order) for order in orders]


def cancel_batch(call: Call) -> object:
    """Cancels up to ten orders of a symbol, each on its own."""
    params, symbol = call.params, call.params.text("symbol")
    for name, single in (("orderIdList", "orderId"), ("origClientOrderIdList", "origClientOrderId")):
        given = params.optional_text(name) or params.optional_text(name.lower())
        if given is not None:
            wanted = _json_list(given, name, LARGEST_CANCEL_BATCH)
            return [_each(call, Params({"symbol": symbol, single: str(each)}), cancel_order) for each in wanted]
    raise Rejected(reason.MISSING_PARAMETER, name="orderIdList")


def _each(call: Call, params: Params, handler: Callable[[Call], object]) -> object:
    own = Call(call.desk, params, call.api_key)
    try:
        return handler(own)
    except Rejected as refused:
        return {"code": refused.code, "msg": refused.message}
    finally:
        call.orders += own.orders


def _json_list(text: str, name: str, largest: int) -> list[object]:
    try:
        found = json.loads(text)
    except ValueError as broken:
        raise Rejected(reason.BAD_PARAMETER, name=name) from broken
    if not isinstance(found, list) or not 0 < len(found) <= largest:
        raise Rejected(reason.BAD_PARAMETER, name=name)
    return found


def _texts(order: object) -> dict[str, str]:
    if not isinstance(order, dict):
        raise Rejected(reason.BAD_PARAMETER, name="batchOrders")
    return {str(name): str(value) for name, value in order.items()}


def open_orders(call: Call) -> object:
    """Answers open orders, oldest first."""
    state = call.desk.engine.state
    symbols = [state.spec(call.params.text("symbol")).symbol] if call.params.has("symbol") else list(state.markets)
    return [
        order_shape(state.spec(symbol), order) for symbol in symbols for order in state.open_orders[symbol].values()
    ]


def all_orders(call: Call) -> object:
    """Answers orders of a symbol, oldest first."""
    state, symbol = call.desk.engine.state, call.params.text("symbol")
    spec, start_id = state.spec(symbol), call.params.optional_integer("orderId")
    within = time_filter(call)
    found = [
        order
        for order in state.orders.values()
        if order.symbol == symbol and within(order.created) and (start_id is None or order.order_id >= start_id)
    ]
    return [order_shape(spec, order) for order in page(found, call, from_start=start_id is not None)]


def countdown_cancel_all(call: Call) -> object:
    """Arms, renews or (0) disarms the cancelling of a symbol's open orders; conditional orders are outside it."""
    symbol, countdown = call.params.text("symbol"), call.params.integer("countdownTime")
    call.desk.engine.state.market(symbol)
    call.desk.count_down(symbol, countdown)
    return {"symbol": symbol, "countdownTime": str(countdown)}


def new_algo(call: Call) -> object:
    """Places a conditional order."""
    desk = call.desk
    asked = reading.new_algo(call.params)
    desk.engine.state.market(asked.symbol)
    desk.limiter.order(desk.now())
    algo = desk.engine.place_algo(asked, desk.now())
    _count(call)
    return algo_shape(desk.engine.state.spec(asked.symbol), algo)


def query_algo(call: Call) -> object:
    """Answers a conditional order, waiting or not."""
    state = call.desk.engine.state
    algo = state.find_algo(*_algo_reference(call.params))
    if algo is None:
        raise Rejected(reason.NO_SUCH_ORDER)
    return algo_shape(state.spec(algo.asked.symbol), algo)


def cancel_algo(call: Call) -> object:
    """Cancels a conditional order."""
    algo_id, client_algo_id = _algo_reference(call.params)
    algo = call.desk.engine.cancel_algo(call.desk.now(), algo_id=algo_id, client_algo_id=client_algo_id)
    return {"algoId": algo.algo_id, "clientAlgoId": algo.client_algo_id, "code": "200", "msg": "success"}


def cancel_all_algos(call: Call) -> object:
    """Cancels the conditional orders of a symbol."""
    call.desk.engine.cancel_all_algos(call.params.text("symbol"), call.desk.now())
    return CANCELLED_ALL


def open_algos(call: Call) -> object:
    """Answers waiting conditional orders."""
    symbol = call.params.optional_text("symbol")
    return _algo_shapes(call, [algo for algo in _algos(call, symbol) if algo.status is AlgoStatus.NEW])


def all_algos(call: Call) -> object:
    """Answers conditional orders of a symbol, oldest first."""
    start_id, within = call.params.optional_integer("algoId"), time_filter(call)
    found = [
        algo
        for algo in _algos(call, call.params.text("symbol"))
        if within(algo.created) and (start_id is None or algo.algo_id >= start_id)
    ]
    return _algo_shapes(call, page(found, call, from_start=start_id is not None))


def _algos(call: Call, symbol: str | None) -> list[Algo]:
    state = call.desk.engine.state
    if symbol is not None:
        state.market(symbol)
    return [algo for algo in state.algos.values() if symbol in {None, algo.asked.symbol}]


def _algo_shapes(call: Call, algos: Sequence[Algo]) -> list[Shape]:
    state = call.desk.engine.state
    return [algo_shape(state.spec(algo.asked.symbol), algo) for algo in algos]


def time_filter(call: Call) -> Callable[[datetime], bool]:
    """Returns whether an instant lies in the time asked for; with an id to start from, all time is."""
    params, now = call.params, call.desk.now()
    start, end = params.optional_instant("startTime"), params.optional_instant("endTime")
    if start is not None and end is not None and end < start:
        raise Rejected(reason.START_AFTER_END)
    if start is not None and end is not None and end - start > LOOKUP:
        raise Rejected(reason.INTERVAL_TOO_BIG, hours=int(LOOKUP.total_seconds() // 3600))
    if start is None and end is None:
        return lambda at: at >= now - LOOKUP
    first = start if start is not None else (end or now) - LOOKUP
    last = end if end is not None else first + LOOKUP
    return lambda at: first <= at <= last


def page(found: Sequence[Row], call: Call, *, from_start: bool) -> Sequence[Row]:
    """Returns the first rows from a start that was given, or else the last ones."""
    limit = call.params.limit(500, 1000)
    return found[:limit] if from_start or call.params.has("startTime") else found[-limit:]


def _reference(params: Params) -> tuple[str, int | None, str | None]:
    symbol = params.text("symbol")
    order_id, client_order_id = params.optional_integer("orderId"), params.optional_text("origClientOrderId")
    if order_id is None and client_order_id is None:
        raise Rejected(reason.MISSING_PARAMETER, name="orderId")
    return symbol, order_id, client_order_id


def _algo_reference(params: Params) -> tuple[int | None, str | None]:
    algo_id, client_algo_id = params.optional_integer("algoId"), params.optional_text("clientAlgoId")
    if algo_id is None and client_algo_id is None:
        raise Rejected(reason.MISSING_PARAMETER, name="algoId")
    return algo_id, client_algo_id


def _count(call: Call) -> None:
    call.desk.limiter.count_order(call.desk.now())
    call.orders += 1


def _shape(call: Call, order: Order) -> Shape:
    return order_shape(call.desk.engine.state.spec(order.symbol), order, with_sum=True)


ROUTES = (
    Route("POST", "/fapi/v1/order", Access.TRADE, new_order, 0),
    Route("POST", "/fapi/v1/order/test", Access.TRADE, test_order, 0),
    Route("PUT", "/fapi/v1/order", Access.TRADE, amend_order, 1),
    Route("GET", "/fapi/v1/order", Access.SIGNED, query_order),
    Route("DELETE", "/fapi/v1/order", Access.TRADE, cancel_order),
    Route("POST", "/fapi/v1/batchOrders", Access.TRADE, batch_orders, 5),
    Route("DELETE", "/fapi/v1/batchOrders", Access.TRADE, cancel_batch),
    Route("GET", "/fapi/v1/openOrders", Access.SIGNED, open_orders, by_symbol(1, 40)),
    Route("GET", "/fapi/v1/allOrders", Access.SIGNED, all_orders, 5),
    Route("DELETE", "/fapi/v1/allOpenOrders", Access.TRADE, cancel_all_orders),
    Route("POST", "/fapi/v1/countdownCancelAll", Access.TRADE, countdown_cancel_all, 10),
    Route("POST", "/fapi/v1/algoOrder", Access.TRADE, new_algo, 0),
    Route("GET", "/fapi/v1/algoOrder", Access.SIGNED, query_algo),
    Route("DELETE", "/fapi/v1/algoOrder", Access.TRADE, cancel_algo),
    Route("GET", "/fapi/v1/openAlgoOrders", Access.SIGNED, open_algos, by_symbol(1, 40)),
    Route("GET", "/fapi/v1/allAlgoOrders", Access.SIGNED, all_algos, 5),
    Route("DELETE", "/fapi/v1/algoOpenOrders", Access.TRADE, cancel_all_algos),
)

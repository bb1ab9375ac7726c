"""Conditional orders: they wait outside the book, and become a normal order when a price is reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from msc_client import Side
from msc_trading.paper.engine import checks, trading
from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.market import Market
from msc_trading.paper.engine.positions import reduces
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.engine.state import State
from msc_trading.paper.engine.values import (
    CONDITIONAL_TYPES,
    ZERO,
    Algo,
    AlgoStatus,
    NewAlgo,
    NewOrder,
    Order,
    OrderType,
    TimeInForce,
    WorkingType,
)

PER_CENT = Decimal(100)
STOPS = frozenset({OrderType.STOP, OrderType.STOP_MARKET})
LIMITS = frozenset({OrderType.STOP, OrderType.TAKE_PROFIT})
SMALLEST_CALLBACK, LARGEST_CALLBACK = Decimal("0.1"), Decimal(10)


def place(state: State, asked: NewAlgo) -> Algo:
    """Takes a conditional order and returns it."""
    check(state, asked)
    market = state.markets[asked.symbol]
    algo = Algo(
        algo_id=state.take_algo_id(),
        client_algo_id=asked.client_algo_id or state.make_client_id(),
        asked=asked,
        trigger_price=asked.trigger_price or ZERO,
        status=AlgoStatus.NEW,
        created=state.now,
        updated=state.now,
    )
    return state.keep_algo(_trail(algo, _watched(algo, market)) if _trails(algo) else algo)


def check(state: State, asked: NewAlgo) -> None:
    """Refuses what the venue refuses, before anything is done."""
    market = state.market(asked.symbol)
    if asked.order_type not in CONDITIONAL_TYPES:
        raise Rejected(reason.BAD_TYPE)
    checks.check_position_side(asked.position_side, state.hedge_mode)
    _check_size(asked, market)
    _check_prices(asked, market)
    _check_room(state, asked, market)


def _check_size(asked: NewAlgo, market: Market) -> None:
    if asked.close_position:
        if asked.order_type not in {OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET}:
            raise Rejected(reason.WRONG_CLOSE_POSITION, order_type=asked.order_type, close=True)
        for name, value in (("quantity", asked.quantity), ("reduceOnly", asked.reduce_only or None)):
            if value is not None:
                raise Rejected(reason.NOT_REQUIRED, name=name)
        return
    if asked.quantity is None:
        raise Rejected(reason.MISSING_PARAMETER, name="quantity")
    checks.check_quantity(market.spec, asked.order_type, asked.quantity)
    if not asked.reduce_only:
        checks.check_notional(market.spec, asked.quantity, asked.price or market.mark)


def _check_prices(asked: NewAlgo, market: Market) -> None:
    if asked.order_type in LIMITS:
        if asked.price is None:
            raise Rejected(reason.MISSING_PARAMETER, name="price")
        checks.check_price(market.spec, asked.price)
    if asked.order_type is OrderType.TRAILING_STOP_MARKET:
        rate = asked.callback_rate
        if rate is None or not SMALLEST_CALLBACK <= rate <= LARGEST_CALLBACK:
            raise Rejected(reason.BAD_PARAMETER, name="callbackRate")
        return
    if asked.trigger_price is None:
        raise Rejected(reason.MISSING_PARAMETER, name="triggerPrice")
    checks.check_price(market.spec, asked.trigger_price)
    if _reached(asked, asked.trigger_price, _watched_price(asked, market)):
        raise Rejected(reason.WOULD_TRIGGER)


def _check_room(state: State, asked: NewAlgo, market: Market) -> None:
    waiting = state.open_algos[asked.symbol].values()
    if asked.client_algo_id and any(algo.client_algo_id == asked.client_algo_id for algo in waiting):
        raise Rejected(reason.DUPLICATE_ID)
    if len(waiting) >= market.spec.max_algo_orders:
        raise Rejected(reason.MAX_ALGO_ORDERS)
    if len(waiting) + len(state.open_orders[asked.symbol]) >= market.spec.max_orders:
        raise Rejected(reason.MAX_ORDERS)
    if asked.close_position and any(_closes_alike(algo.asked, asked) for algo in waiting):
        raise Rejected(reason.STOP_EXISTS)


def _closes_alike(one: NewAlgo, other: NewAlgo) -> bool:
    return one.close_position and one.side is other.side and one.order_type is other.order_type


def cancel(state: State, algo_id: int | None, client_algo_id: str | None) -> Algo:
    """Cancels a waiting conditional order and returns it."""
    algo = state.find_algo(algo_id, client_algo_id)
    if algo is None or algo.status is not AlgoStatus.NEW:
        raise Rejected(reason.UNKNOWN_ORDER_ON_CANCEL)
    return state.keep_algo(replace(algo, status=AlgoStatus.CANCELED, updated=state.now))


def cancel_all(state: State, symbol: str) -> list[Algo]:
    """Cancels the waiting conditional orders of a symbol and returns them."""
    state.market(symbol)
    return [cancel(state, algo_id, None) for algo_id in list(state.open_algos[symbol])]


def next_stop(state: State, symbol: str, target: Decimal) -> Decimal | None:
    """Returns the first price on the way to the target at which something triggers, None when nothing does."""
    market = state.markets[symbol]
    if market.spec.mark_lag or not state.open_algos[symbol]:
        return None
    upwards = target > market.last
    reached = [
        market.beyond(level, upwards)
        for level in _levels(state.open_algos[symbol].values(), upwards)
        if (market.last < level <= target if upwards else target <= level < market.last)
    ]
    if not reached:
        return None
    return min(*reached, target) if upwards else max(*reached, target)


def _levels(algos: Iterable[Algo], upwards: bool) -> Iterable[Decimal]:
    return (algo.trigger_price for algo in algos if algo.trigger_price and _triggers_above(algo.asked) is upwards)


def _triggers_above(asked: NewAlgo) -> bool:
    is_stop = asked.order_type in STOPS or asked.order_type is OrderType.TRAILING_STOP_MARKET
    return (asked.side is Side.BUY) is is_stop


def trigger_reached(state: State, symbol: str) -> None:
    """Turns every conditional order whose price is reached into a normal order."""
    market = state.markets[symbol]
    for algo_id in list(state.open_algos[symbol]):
        # An earlier one may have ended this one.
        algo = state.open_algos[symbol].get(algo_id)
        if algo is None:
            continue
        price = _watched(algo, market)
        if _trails(algo):
            algo = _trail(algo, price)
            state.algos[algo_id] = state.open_algos[symbol][algo_id] = algo
        if algo.trigger_price and _reached(algo.asked, algo.trigger_price, price):
            _trigger(state, algo)


def _reached(asked: NewAlgo, trigger: Decimal, price: Decimal) -> bool:
    return price >= trigger if _triggers_above(asked) else price <= trigger


def _watched(algo: Algo, market: Market) -> Decimal:
    return _watched_price(algo.asked, market)


def _watched_price(asked: NewAlgo, market: Market) -> Decimal:
    return market.mark if asked.working_type is WorkingType.MARK_PRICE else market.last


def _trails(algo: Algo) -> bool:
    return algo.asked.order_type is OrderType.TRAILING_STOP_MARKET


def _trail(algo: Algo, price: Decimal) -> Algo:
    """Returns a trailing stop that has seen one price more; it has no trigger until it is activated."""
    asked = algo.asked
    selling = asked.side is Side.SELL
    activation = asked.activate_price
    if algo.extreme is None and activation is not None and (price < activation if selling else price > activation):
        return algo
    seen = price if algo.extreme is None else (max if selling else min)(algo.extreme, price)
    fraction = (asked.callback_rate or ZERO) / PER_CENT
    return replace(algo, extreme=seen, trigger_price=seen * (1 - fraction if selling else 1 + fraction))


def _trigger(state: State, algo: Algo) -> None:
    algo = state.keep_algo(replace(algo, status=AlgoStatus.TRIGGERING, updated=state.now, triggered=state.now))
    try:
        order = _accept_triggered(state, algo)
    except Rejected as refused:
        state.keep_algo(replace(algo, status=AlgoStatus.REJECTED, updated=state.now, reason=refused.message))
        return
    state.keep_algo(replace(algo, status=AlgoStatus.TRIGGERED, updated=state.now, order_id=order.order_id))
    trading.announce(state, order)
    trading.match(state, order.order_id)


def _accept_triggered(state: State, algo: Algo) -> Order:
    asked = algo.asked
    position = state.positions[asked.symbol]
    reducing = asked.reduce_only or asked.close_position
    if reducing and not reduces(position, asked.side):
        raise Rejected(reason.REDUCE_ONLY_REJECTED)
    is_limit = asked.order_type in LIMITS
    order = NewOrder(
        symbol=asked.symbol,
        side=asked.side,
        order_type=OrderType.LIMIT if is_limit else OrderType.MARKET,
        quantity=abs(position.quantity) if asked.quantity is None else asked.quantity,
        price=asked.price if is_limit else None,
        time_in_force=asked.time_in_force if is_limit else TimeInForce.GTC,
        client_order_id=algo.client_algo_id,
        reduce_only=reducing,
        self_trade=asked.self_trade,
    )
    if not reducing:
        trading.check(state, order)
    return trading.accept(state, order, algo_id=algo.algo_id)

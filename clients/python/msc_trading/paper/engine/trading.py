"""Orders: accepted, matched, changed, cancelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from msc_client import Side
from msc_trading.paper.engine import checks, margin
from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.events import OrderEvent, TradeLite
from msc_trading.paper.engine.market import Market, money, worse
from msc_trading.paper.engine.positions import after_fill, reduces
from msc_trading.paper.engine.rejections import Rejected
from msc_trading.paper.engine.state import State
from msc_trading.paper.engine.values import (
    CONDITIONAL_TYPES,
    ZERO,
    AlgoStatus,
    Execution,
    IncomeType,
    NewOrder,
    Order,
    OrderType,
    SelfTrade,
    Status,
    TimeInForce,
    Trade,
)

NEVER_RESTS = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def place(state: State, asked: NewOrder) -> Order:
    """Takes an order and matches it; returns it as it was accepted, in state NEW."""
    check(state, asked)
    order = accept(state, asked)
    announce(state, order)
    match(state, order.order_id)
    return order


def check(state: State, asked: NewOrder) -> None:
    """Refuses what the venue refuses, before anything is done."""
    market = state.market(asked.symbol)
    _check_form(state, asked, market)
    price = asked.price if asked.price is not None else _market_price(market, asked.side)
    if asked.price is not None:
        checks.check_percent_price(market.spec, asked.side, asked.price, market.mark)
    if asked.reduce_only:
        if not reduces(state.positions[asked.symbol], asked.side):
            raise Rejected(reason.REDUCE_ONLY_REJECTED)
    else:
        mark_or_limit = asked.price if asked.price is not None else market.mark
        checks.check_notional(market.spec, asked.quantity, mark_or_limit)
        check_margin(state, asked.symbol, asked.side, asked.quantity, price)
    _check_time_in_force(asked, market)


def _check_form(state: State, asked: NewOrder, market: Market) -> None:
    if asked.order_type in CONDITIONAL_TYPES:
        raise Rejected(reason.USE_ALGO_ENDPOINT)
    checks.check_position_side(asked.position_side, state.hedge_mode)
    if not market.has_price:
        raise Rejected(reason.UNSUPPORTED)
    checks.check_quantity(market.spec, asked.order_type, asked.quantity)
    if asked.price is not None:
        checks.check_price(market.spec, asked.price)
    if _is_taken(state, asked.symbol, asked.client_order_id):
        raise Rejected(reason.DUPLICATE_ID)
    if len(state.open_orders[asked.symbol]) + len(state.open_algos[asked.symbol]) >= market.spec.max_orders:
        raise Rejected(reason.MAX_ORDERS)


def _is_taken(state: State, symbol: str, client_order_id: str | None) -> bool:
    # Ids of finished orders are free again: the venue knows duplicates among open orders only.
    found = state.find_order(symbol, None, client_order_id) if client_order_id else None
    return found is not None and found.status.is_open


def _market_price(market: Market, side: Side) -> Decimal:
    return market.ask if side is Side.BUY else market.bid


def check_margin(state: State, symbol: str, side: Side, quantity: Decimal, price: Decimal) -> None:
    """Refuses an order that would make the position larger than margin or leverage allow."""
    market, leverage = state.markets[symbol], state.leverage[symbol]
    before = margin.exposure(state, symbol)
    after = margin.exposure(state, symbol, side, quantity * price)
    if after <= before:
        return
    if after > margin.max_notional(market.spec, leverage):
        raise Rejected(reason.MAX_POSITION_AT_LEVERAGE)
    direction = 1 if side is Side.BUY else -1
    opening_loss = max(ZERO, (price - market.mark) * direction * quantity)
    if (after - before) / leverage + opening_loss > margin.of_account(state).available:
        raise Rejected(reason.MARGIN_INSUFFICIENT)


def _check_time_in_force(asked: NewOrder, market: Market) -> None:
    if asked.price is None:
        return
    crosses = not worse(asked.side, _market_price(market, asked.side), asked.price)
    if asked.time_in_force is TimeInForce.GTX and crosses:
        raise Rejected(reason.GTX_REJECTED)
    if asked.time_in_force is TimeInForce.FOK:
        available = market.available(asked.side, asked.price)
        if available is not None and available < asked.quantity:
            raise Rejected(reason.FOK_REJECTED)


def accept(state: State, asked: NewOrder, *, algo_id: int | None = None, as_type: OrderType | None = None) -> Order:
    """Returns a new order, stored and not yet told of."""
    algo = state.algos.get(algo_id) if algo_id is not None else None
    return state.keep_order(
        Order(
            order_id=state.take_order_id(),
            client_order_id=asked.client_order_id or state.make_client_id(),
            symbol=asked.symbol,
            side=asked.side,
            order_type=as_type or asked.order_type,
            original_type=algo.asked.order_type if algo else as_type or asked.order_type,
            time_in_force=asked.time_in_force,
            quantity=asked.quantity,
            price=asked.price if asked.price is not None else ZERO,
            status=Status.NEW,
            created=state.now,
            updated=state.now,
            stop_price=algo.trigger_price if algo else ZERO,
            reduce_only=asked.reduce_only,
            close_position=algo.asked.close_position if algo else False,
            self_trade=asked.self_trade,
            good_till=asked.good_till,
            algo_id=algo_id,
        )
    )


def announce(state: State, order: Order) -> None:
    """Tells that an order is new."""
    state.emit(OrderEvent(at=state.now, order=order, execution=Execution.NEW))


def match(state: State, order_id: int) -> None:
    """Takes from the book what the order can take, and ends what may not rest."""
    order = state.orders[order_id]
    if _gives_way_to_itself(state, order):
        return
    order = take(state, order)
    if not order.status.is_open:
        return
    if order.price == 0 or order.time_in_force in NEVER_RESTS or _fillable(state, order) <= 0:
        end(state, order, Status.EXPIRED)


def take(state: State, order: Order, execution: Execution = Execution.TRADE) -> Order:
    """Returns the order after it has taken what the book offers up to its limit."""
    market = state.markets[order.symbol]
    limit = order.price or _protected(market, order.side)
    for price, quantity in market.levels(order.side):
        left = _fillable(state, order)
        if left <= 0 or worse(order.side, price, limit):
            break
        taken = left if quantity is None else min(left, quantity)
        order = fill(state, order, price, taken, maker=False, execution=execution)
        if not order.status.is_open:
            break
    return order


def _protected(market: Market, side: Side) -> Decimal:
    bound = market.spec.market_take_bound
    return market.mark * (1 + bound if side is Side.BUY else 1 - bound)


def _fillable(state: State, order: Order) -> Decimal:
    if not order.reduce_only:
        return order.remaining
    position = state.positions[order.symbol]
    return min(order.remaining, abs(position.quantity)) if reduces(position, order.side) else ZERO


def fill(
    state: State,
    order: Order,
    price: Decimal,
    quantity: Decimal,
    *,
    maker: bool,
    execution: Execution = Execution.TRADE,
) -> Order:
    """Fills a part of an order: position, wallet, trade, reports. Returns the order after it."""
    market = state.markets[order.symbol]
    fee = money(price * quantity * (market.spec.maker_fee if maker else market.spec.taker_fee))
    position, realized = after_fill(state.positions[order.symbol], order.side, quantity, price, state.now)
    state.positions[order.symbol] = position
    executed = order.executed + quantity
    order = state.keep_order(
        replace(
            order,
            executed=executed,
            quote=order.quote + price * quantity,
            status=Status.FILLED if executed == order.quantity else Status.PARTIALLY_FILLED,
            updated=state.now,
        )
    )
    trade = Trade(
        trade_id=market.take_trade_id(),
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        price=price,
        quantity=quantity,
        fee=fee,
        realized=realized,
        maker=maker,
        reduce_only=order.reduce_only,
        at=state.now,
    )
    _settle(state, trade)
    state.emit(TradeLite(at=state.now, order=order, trade=trade))
    state.tell_account("ORDER", position)
    state.emit(OrderEvent(at=state.now, order=order, execution=execution, trade=trade))
    _follow(state, order)
    expire_useless_reducers(state, order.symbol)
    # It may itself have been one of those.
    return state.orders[order.order_id]


def _settle(state: State, trade: Trade) -> None:
    state.trades[trade.symbol].append(trade)
    if trade.realized:
        state.earn(IncomeType.REALIZED_PNL, trade.symbol, trade.realized, trade_id=trade.trade_id)
    state.earn(IncomeType.COMMISSION, trade.symbol, -trade.fee, trade_id=trade.trade_id)


def end(state: State, order: Order, status: Status) -> Order:
    """Ends an order without a fill, and returns it."""
    order = state.keep_order(replace(order, status=status, updated=state.now))
    execution = Execution.CANCELED if status is Status.CANCELED else Execution.EXPIRED
    state.emit(OrderEvent(at=state.now, order=order, execution=execution))
    _follow(state, order)
    return order


def _follow(state: State, order: Order) -> None:
    """Has the conditional order behind an order follow it to its end."""
    if order.algo_id is None or order.status.is_open:
        return
    algo = state.algos[order.algo_id]
    state.keep_algo(
        replace(
            algo,
            status=AlgoStatus.FINISHED,
            updated=state.now,
            order_id=order.order_id,
            executed=order.executed,
            average_price=order.average_price,
        )
    )


def expire_useless_reducers(state: State, symbol: str) -> None:
    """Ends resting orders that may only reduce and have nothing left to reduce."""
    position = state.positions[symbol]
    resting = [order for order in state.open_orders[symbol].values() if order.reduce_only and order.price]
    for order in resting:
        if not reduces(position, order.side):
            end(state, order, Status.EXPIRED)


def _gives_way_to_itself(state: State, order: Order) -> bool:
    """Returns whether the order ended because it would have met an order of its own account."""
    if order.self_trade is SelfTrade.NONE:
        return False
    met = [other for other in state.open_orders[order.symbol].values() if _would_meet(state, order, other)]
    if met and order.self_trade in {SelfTrade.EXPIRE_MAKER, SelfTrade.EXPIRE_BOTH}:
        for other in met:
            end(state, other, Status.EXPIRED_IN_MATCH)
    if met and order.self_trade in {SelfTrade.EXPIRE_TAKER, SelfTrade.EXPIRE_BOTH}:
        end(state, order, Status.EXPIRED_IN_MATCH)
        return True
    return False


def _would_meet(state: State, taker: Order, maker: Order) -> bool:
    if maker.side is taker.side:
        return False
    best = _market_price(state.markets[taker.symbol], taker.side)
    ahead_of_book = not worse(taker.side, maker.price, best)
    return ahead_of_book and (not taker.price or not worse(taker.side, maker.price, taker.price))


def match_resting(state: State, symbol: str) -> None:
    """Fills resting orders that the price has reached: whole when it went through, one level when it just touched."""
    if not state.open_orders[symbol]:
        return
    market = state.markets[symbol]
    for order in sorted(state.open_orders[symbol].values(), key=_priority):
        current = state.orders[order.order_id]
        opposite = _market_price(market, order.side)
        if not current.status.is_open or worse(order.side, opposite, order.price):
            continue
        level = market.spec.level_quantity
        left = _fillable(state, current)
        touched_only = opposite == order.price and level is not None
        quantity = min(left, level) if touched_only and level is not None else left
        if quantity > 0:
            fill(state, current, order.price, quantity, maker=True)


def _priority(order: Order) -> tuple[Decimal, int]:
    return (-order.price if order.side is Side.BUY else order.price), order.order_id


def cancel(state: State, symbol: str, order_id: int | None, client_order_id: str | None) -> Order:
    """Cancels an open order and returns it."""
    state.market(symbol)
    order = state.find_order(symbol, order_id, client_order_id)
    if order is None or not order.status.is_open:
        raise Rejected(reason.UNKNOWN_ORDER_ON_CANCEL)
    return end(state, order, Status.CANCELED)


def cancel_all(state: State, symbol: str) -> list[Order]:
    """Cancels the open orders of a symbol and returns them."""
    state.market(symbol)
    return [end(state, order, Status.CANCELED) for order in list(state.open_orders[symbol].values())]


def amend(
    state: State,
    symbol: str,
    order_id: int | None,
    client_order_id: str | None,
    *,
    side: Side,
    quantity: Decimal,
    price: Decimal,
) -> Order:
    """Changes quantity and price of a resting limit order and returns it; one that is filled so far ends."""
    market = state.market(symbol)
    order = state.find_order(symbol, order_id, client_order_id)
    if order is None or not order.status.is_open:
        raise Rejected(reason.NO_SUCH_ORDER)
    if side is not order.side:
        raise Rejected(reason.BAD_SIDE)
    if (quantity, price) == (order.quantity, order.price):
        raise Rejected(reason.AMEND_WITHOUT_CHANGE)
    checks.check_quantity(market.spec, order.order_type, quantity)
    checks.check_price(market.spec, price)
    checks.check_percent_price(market.spec, order.side, price, market.mark)
    if quantity <= order.executed:
        return end(state, order, Status.CANCELED)
    _check_amended_margin(state, order, quantity, price)
    order = state.keep_order(replace(order, quantity=quantity, price=price, updated=state.now))
    state.emit(OrderEvent(at=state.now, order=order, execution=Execution.AMENDMENT))
    match(state, order.order_id)
    return order


def _check_amended_margin(state: State, order: Order, quantity: Decimal, price: Decimal) -> None:
    if order.reduce_only:
        return
    more = (quantity - order.executed) * price - order.remaining * order.price
    if more > 0:
        check_margin(state, order.symbol, order.side, more / price, price)


def expire_overdue(state: State, now: datetime) -> None:
    """Ends orders whose good-till date has come."""
    for orders in state.open_orders.values():
        overdue = [order for order in orders.values() if order.good_till is not None and order.good_till <= now]
        for order in overdue:
            end(state, order, Status.EXPIRED)

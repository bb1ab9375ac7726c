"""A venue made by hand: fills at the price it is told, and fails where the test wants it to."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from executor_time import ManualTime

from msc_client.facts import Side
from msc_trading.venue.port import (
    Balance,
    Fill,
    OrderRefused,
    OrderRequest,
    OrderState,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Position,
    PositionUpdate,
    Price,
    StopRequest,
    StopState,
    StreamLost,
    SymbolRules,
    UserEvent,
    VenueError,
)

ZERO = Decimal(0)
FEE = Decimal("0.0004")


class Killed(BaseException):
    """The process dies here: nothing of it runs any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one call: before it is done, or after, when only the answer is lost."""

    error: BaseException
    after: bool = False


def rules_of(symbol: str) -> SymbolRules:
    return SymbolRules(
        symbol=symbol,
        trading=True,
        tick_size=Decimal("0.10"),
        min_price=Decimal("0.10"),
        max_price=Decimal(1_000_000),
        step_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(1000),
        market_step_size=Decimal("0.001"),
        market_min_quantity=Decimal("0.001"),
        market_max_quantity=Decimal(500),
        min_notional=Decimal(5),
        multiplier_up=Decimal("1.1"),
        multiplier_down=Decimal("0.9"),
    )


class ScriptedVenue:
    """One account. Orders match at once at the price; `faults` holds, by method, what goes wrong next.

    `instant` False: MARKET orders are accepted, and fill only when `match` is called. `tells` decides for each event
    whether the user stream carries it.
    """

    def __init__(self, time: ManualTime, *, wallet: Decimal = Decimal(10_000)) -> None:
        self._time = time
        self._trade_ids, self._order_ids = itertools.count(1), itertools.count(1)
        self.wallet = wallet
        self.mark: dict[str, Decimal] = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(3000)}
        self.held: dict[str, tuple[Decimal, Decimal]] = {}
        self.orders: list[OrderState] = []
        self.asked: list[OrderRequest] = []
        self.requests: dict[str, OrderRequest] = {}
        self.stops: dict[str, StopState] = {}
        self.trades: list[Fill] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.calls: list[tuple[str, str]] = []
        self.armed: list[tuple[str, float]] = []
        self.instant = True
        self.tells: Callable[[UserEvent], bool] = lambda event: True
        self.names_stop_orders = True
        self.offset_s: float | None = 0.0
        self._listeners: list[asyncio.Queue[UserEvent | None]] = []
        self._watchers: list[asyncio.Queue[Price]] = []

    def fail(self, method: str, error: BaseException, *, after: bool = False, times: int = 1) -> None:
        self.faults[method].extend(Fault(error=error, after=after) for _ in range(times))

    def _begin(self, method: str, what: str = "") -> Fault | None:
        self.calls.append((method, what))
        fault = self.faults[method].popleft() if self.faults[method] else None
        if fault is not None and not fault.after:
            raise fault.error
        return fault

    async def _answer(self, fault: Fault | None) -> None:
        await asyncio.sleep(0)
        if fault is not None:
            raise fault.error

    def tell(self, event: UserEvent) -> None:
        if self.tells(event):
            for queue in self._listeners:
                queue.put_nowait(event)

    def lose_stream(self, why: str = "lost") -> None:
        for queue in self._listeners:
            queue.put_nowait(StreamLost(why=why))

    def end_stream(self) -> None:
        for queue in self._listeners:
            queue.put_nowait(None)

    async def rules(self, symbol: str) -> SymbolRules:
        await self._answer(self._begin("rules", symbol))
        return rules_of(symbol)

    async def place(self, order: OrderRequest) -> OrderState:
        fault = self._begin("place", order.client_order_id)
        if any(known.client_order_id == order.client_order_id and not known.status.is_final for known in self.orders):
            raise OrderRefused("duplicate id among open orders", code=-4116)
        if order.reduce_only and not self._reducible(order):
            raise OrderRefused("ReduceOnly Order is rejected.", code=-2022)
        self.asked.append(order)
        self.requests[order.client_order_id] = order
        state = OrderState(
            client_order_id=order.client_order_id,
            order_id=str(next(self._order_ids)),
            symbol=order.symbol,
            side=order.side,
            status=OrderStatus.NEW,
            quantity=order.quantity,
            filled_quantity=ZERO,
            average_price=None,
            reduce_only=order.reduce_only,
            updated_at=self._time.now(),
        )
        self.orders.append(state)
        self.tell(OrderUpdate(order=state, fill=None))
        if order.order_type is OrderType.MARKET and self.instant:
            state = self.match(order.client_order_id)
        await self._answer(fault)
        return state

    def _reducible(self, order: OrderRequest) -> bool:
        quantity, _ = self.held.get(order.symbol, (ZERO, ZERO))
        return quantity > 0 if order.side is Side.SELL else quantity < 0

    def match(self, client_order_id: str, quantity: Decimal | None = None) -> OrderState:
        """Fills an order, or so much of it, at the price."""
        index = next(i for i, order in enumerate(self.orders) if order.client_order_id == client_order_id)
        state = self.orders[index]
        left = state.quantity - state.filled_quantity
        part = left if quantity is None else quantity
        if state.reduce_only:
            part = min(part, abs(self.held.get(state.symbol, (ZERO, ZERO))[0]))
        price = self.mark[state.symbol]
        filled = state.filled_quantity + part
        done = filled == state.quantity or (state.reduce_only and part < left and quantity is None)
        state = replace(
            state,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            filled_quantity=filled,
            average_price=price,
            updated_at=self._time.now(),
        )
        self.orders[index] = state
        self._book(state, part, price)
        return state

    def _book(self, state: OrderState, quantity: Decimal, price: Decimal) -> None:
        signed = quantity if state.side is Side.BUY else -quantity
        held, entry = self.held.get(state.symbol, (ZERO, ZERO))
        realized, fee = ZERO, quantity * price * FEE
        after = held + signed
        if held * signed >= 0:
            entry = (abs(held) * entry + quantity * price) / (abs(held) + quantity)
        else:
            closed = min(abs(held), quantity)
            realized = (price - entry) * (closed if held > 0 else -closed)
            entry = entry if held * after > 0 else price
        self.wallet += realized - fee
        if after == 0:
            self.held.pop(state.symbol, None)
        else:
            self.held[state.symbol] = (after, entry)
        fill = Fill(
            trade_id=str(next(self._trade_ids)),
            order_id=state.order_id,
            client_order_id=state.client_order_id,
            symbol=state.symbol,
            side=state.side,
            quantity=quantity,
            price=price,
            fee=fee,
            realized_pnl=realized,
            reduce_only=state.reduce_only,
            at=self._time.now(),
        )
        self.trades.append(fill)
        self.tell(OrderUpdate(order=state, fill=fill))
        self.tell(
            PositionUpdate(
                symbol=state.symbol,
                quantity=after,
                entry_price=entry if after else ZERO,
                wallet_balance=self.wallet,
                at=self._time.now(),
            )
        )

    def trade_by_hand(self, symbol: str, side: Side, quantity: Decimal, *, name: str = "web_1") -> None:
        """A person trades on the account."""
        state = OrderState(
            client_order_id=name,
            order_id=str(next(self._order_ids)),
            symbol=symbol,
            side=side,
            status=OrderStatus.FILLED,
            quantity=quantity,
            filled_quantity=quantity,
            average_price=self.mark[symbol],
            reduce_only=False,
            updated_at=self._time.now(),
        )
        self.orders.append(state)
        self._book(state, quantity, self.mark[symbol])

    def set_price(self, symbol: str, price: Decimal | int | str) -> None:
        self.mark[symbol] = Decimal(price)
        told = Price(symbol=symbol, price=self.mark[symbol], at=self._time.now())
        for queue in self._watchers:
            queue.put_nowait(told)
        for stop in list(self.stops.values()):
            beyond = self.mark[symbol] <= stop.trigger_price
            reached = beyond if stop.side is Side.SELL else self.mark[symbol] >= stop.trigger_price
            if stop.symbol == symbol and reached:
                self._trigger(stop)

    def _trigger(self, stop: StopState) -> None:
        del self.stops[stop.client_algo_id]
        held, _ = self.held.get(stop.symbol, (ZERO, ZERO))
        if held == 0 or (held > 0) is not (stop.side is Side.SELL):
            return
        state = OrderState(
            client_order_id=stop.client_algo_id if self.names_stop_orders else "",
            order_id=str(next(self._order_ids)),
            symbol=stop.symbol,
            side=stop.side,
            status=OrderStatus.FILLED,
            quantity=abs(held),
            filled_quantity=abs(held),
            average_price=self.mark[stop.symbol],
            reduce_only=True,
            updated_at=self._time.now(),
        )
        self.orders.append(state)
        self._book(state, abs(held), self.mark[stop.symbol])

    async def place_stop(self, stop: StopRequest) -> StopState:
        fault = self._begin("place_stop", stop.client_algo_id)
        if any(known.symbol == stop.symbol and known.side is stop.side for known in self.stops.values()):
            raise OrderRefused("a closing stop exists", code=-4130)
        price = self.mark[stop.symbol]
        if price <= stop.trigger_price if stop.side is Side.SELL else price >= stop.trigger_price:
            raise OrderRefused("Order would immediately trigger.", code=-2021)
        state = StopState(
            client_algo_id=stop.client_algo_id,
            symbol=stop.symbol,
            side=stop.side,
            trigger_price=stop.trigger_price,
            active=True,
        )
        self.stops[stop.client_algo_id] = state
        await self._answer(fault)
        return state

    async def cancel(self, symbol: str, client_order_id: str) -> OrderState:
        fault = self._begin("cancel", client_order_id)
        for index, order in enumerate(self.orders):
            if order.client_order_id == client_order_id:
                if not order.status.is_final:
                    self.orders[index] = replace(order, status=OrderStatus.CANCELED, updated_at=self._time.now())
                    self.tell(OrderUpdate(order=self.orders[index], fill=None))
                await self._answer(fault)
                return self.orders[index]
        raise VenueError("no such order", code=-2013)

    async def cancel_stop(self, symbol: str, client_algo_id: str) -> None:
        fault = self._begin("cancel_stop", client_algo_id)
        self.stops.pop(client_algo_id, None)
        await self._answer(fault)

    async def order(self, symbol: str, client_order_id: str) -> OrderState | None:
        await self._answer(self._begin("order", client_order_id))
        return next((order for order in self.orders if order.client_order_id == client_order_id), None)

    async def open_orders(self) -> list[OrderState]:
        await self._answer(self._begin("open_orders"))
        return [order for order in self.orders if not order.status.is_final]

    async def open_stops(self) -> list[StopState]:
        await self._answer(self._begin("open_stops"))
        return list(self.stops.values())

    async def positions(self) -> list[Position]:
        await self._answer(self._begin("positions"))
        return [
            Position(
                symbol=symbol,
                quantity=quantity,
                entry_price=entry,
                mark_price=self.mark[symbol],
                unrealized_pnl=(self.mark[symbol] - entry) * quantity,
            )
            for symbol, (quantity, entry) in self.held.items()
        ]

    async def balance(self) -> Balance:
        await self._answer(self._begin("balance"))
        unrealized = sum(((self.mark[s] - entry) * quantity for s, (quantity, entry) in self.held.items()), ZERO)
        return Balance(
            wallet_balance=self.wallet, unrealized_pnl=unrealized, available=self.wallet, at=self._time.now()
        )

    async def fills(self, symbol: str, since: datetime) -> list[Fill]:
        await self._answer(self._begin("fills", symbol))
        return [fill for fill in self.trades if fill.symbol == symbol and fill.at >= since]

    async def price(self, symbol: str) -> Price:
        await self._answer(self._begin("price", symbol))
        return Price(symbol=symbol, price=self.mark[symbol], at=self._time.now())

    async def prices(self, symbols: tuple[str, ...]) -> AsyncIterator[Price]:
        queue: asyncio.Queue[Price] = asyncio.Queue()
        self._watchers.append(queue)
        try:
            while True:
                price = await queue.get()
                if price.symbol in symbols:
                    yield price
        finally:
            self._watchers.remove(queue)

    async def user_events(self) -> AsyncIterator[UserEvent]:
        self._begin("user_events")
        queue: asyncio.Queue[UserEvent | None] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            yield StreamLost(why="the stream starts")
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._listeners.remove(queue)

    async def arm_dead_man(self, symbol: str, countdown_s: float) -> None:
        await self._answer(self._begin("arm_dead_man", symbol))
        self.armed.append((symbol, countdown_s))

    def clock_offset_s(self) -> float | None:
        return self.offset_s

    async def now(self) -> datetime:
        await self._answer(self._begin("now"))
        return self._time.now()

    def entries_of(self, *, reduce_only: bool = False) -> list[OrderRequest]:
        """The orders that reached the venue, of this kind."""
        return [order for order in self.asked if order.reduce_only is reduce_only]

"""Compares everything with the venue: at the start, and whenever something may have been missed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, time
from decimal import Decimal

from msc_trading.executor.ids import Purpose, is_ours
from msc_trading.executor.orders import past_executions
from msc_trading.executor.parts import Parts
from msc_trading.executor.records import DayStart, OrderRecord, Stage
from msc_trading.venue.port import Balance, Fill, OrderState, OrderStatus, StopState

_LOG = logging.getLogger("msc_trading.executor")
_ZERO = Decimal(0)


class Reconciler:
    """Brings books, orders, stops and counters to what the venue says."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._counted = False

    async def compare(self) -> None:
        """Reads stops, orders, positions, balance and fills, and takes all of it in.

        Positions are read before fills: what the books hold is then never older than what the venue confirmed.

        Raises:
            VenueError: something could not be read; compare again.
            ValueError: a position makes no sense.
        """
        parts = self._parts
        now = await parts.venue.now()
        for symbol in parts.config.symbols:
            parts.books.open(symbol, now)
        # What is armed from here on is not in the answer, and not missing either.
        believed = {record.client_order_id for record in parts.orders.open() if record.stage is Stage.PLACED}
        stops = await parts.venue.open_stops()
        resting = await parts.venue.open_orders()
        await parts.read_positions()
        balance = await parts.venue.balance()
        parts.account.take_balance(balance)
        today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
        fills = [fill for symbol in parts.config.symbols for fill in await self._fills(symbol, today)]
        await self._take_orders(resting)
        await self._take_stops(stops, believed)
        self._count_day(now, [fill for fill in fills if fill.at >= today], balance)
        for symbol in parts.config.symbols:
            parts.settle_filled(symbol)

    @property
    def is_settled(self) -> bool:
        """Whether no order of an earlier life is undecided any more."""
        return not any(record.stage.is_undecided for record in self._parts.orders.open())

    async def _fills(self, symbol: str, today: datetime) -> list[Fill]:
        """Reads the fills that the books need, and at the first time all of today's, for the day's count."""
        parts = self._parts
        since = parts.books.since(symbol) or today
        fills = await parts.venue.fills(symbol, since if self._counted else min(since, today))
        parts.books.take(symbol, fills, complete=True)
        return fills

    async def _take_orders(self, resting: Iterable[OrderState]) -> None:
        parts, open_now = self._parts, {order.client_order_id: order for order in resting}
        for record in parts.orders.open():
            if record.purpose is Purpose.STOP:
                continue
            state = open_now.get(record.client_order_id)
            state = state or await parts.venue.order(record.symbol, record.client_order_id)
            if state is None:
                # Not proof yet: `settle` decides when it is.
                parts.orders.note_missing(record.client_order_id)
                continue
            known = parts.orders.take(state)
            if known is not None and known.stage is Stage.PLACED:
                await self._adopt(known, state)
        for order in open_now.values():
            ours = is_ours(parts.config.executor_id, order.client_order_id)
            if ours and parts.orders.get(order.client_order_id) is None:
                _LOG.error("%s rests at the venue and is not remembered; it is cancelled", order.client_order_id)
                await parts.venue.cancel(order.symbol, order.client_order_id)

    async def _adopt(self, record: OrderRecord, state: OrderState) -> None:
        parts = self._parts
        price = record.price or parts.account.price_of(record.symbol) or state.average_price
        if price is None:
            price = (await parts.venue.price(record.symbol)).price
        # Nobody knows what it would lose: then all of it counts.
        risk = state.quantity * price if record.risk is None else record.risk
        parts.guard.adopt(state, strategy_id=record.strategy_id, price=price, risk=risk)

    async def _take_stops(self, stops: Iterable[StopState], believed: set[str]) -> None:
        parts, armed = self._parts, {stop.client_algo_id: stop for stop in stops if stop.active}
        for record in parts.orders.open():
            if record.purpose is not Purpose.STOP:
                continue
            if record.client_order_id in armed:
                parts.orders.accept_stop(record.client_order_id)
            elif record.client_order_id in believed:
                triggered = parts.books.filled(record.client_order_id) > 0 or parts.books.trip(record.symbol) is None
                parts.orders.end_stop(record, OrderStatus.FILLED if triggered else OrderStatus.CANCELED)
        for stop in armed.values():
            if not is_ours(parts.config.executor_id, stop.client_algo_id):
                continue
            # One that protects something is left alone, whoever has forgotten about it.
            if parts.orders.get(stop.client_algo_id) is None and parts.account.quantity(stop.symbol) == 0:
                _LOG.error("stop %s is armed and not remembered; it is taken away", stop.client_algo_id)
                await parts.venue.cancel_stop(stop.symbol, stop.client_algo_id)

    def _count_day(self, now: datetime, fills: list[Fill], balance: Balance) -> None:
        parts, today = self._parts, now.astimezone(UTC).date()
        records = list(parts.state.orders.values())
        parts.guard.rebuild_day(now, fills=fills, executions=past_executions(records, parts.config))
        if parts.state.day is None or parts.state.day.day < today:
            # Before today's fills the wallet held what it holds now, less what they made.
            made = sum((fill.realized_pnl - fill.fee for fill in fills), _ZERO)
            parts.start_day(DayStart(day=today, equity=balance.wallet_balance - made))
        self._counted = True

"""The reducing lane: closes a position, whatever it takes. No policy, limit or missing fact stands in its way."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from typing import Final

from msc_trading.executor.book import Trip
from msc_trading.executor.ids import Purpose, order_id
from msc_trading.executor.judgement import entry_side, opposite
from msc_trading.executor.parts import Parts
from msc_trading.executor.records import OrderRecord, Stage
from msc_trading.guard.decision import Decision
from msc_trading.guard.intent import OrderIntent
from msc_trading.venue.port import OrderType, SymbolRules, VenueError

_LOG = logging.getLogger("msc_trading.executor")
_LONGEST_PAUSES: Final = 20


class Reducer:
    """Brings positions of one executor to flat, by orders that the venue itself holds to reducing."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def flatten(self, trip: Trip, *, purpose: Purpose, signal_id: str, policy_version: int) -> None:
        """Returns once the position is flat. Tries until it is: each order only after the one before is over."""
        parts, symbol, tries, refused = self._parts, trip.symbol, 0, ""
        while True:
            await self._finish_open_orders(symbol)
            held = parts.books.trip(symbol)
            if held is None or held.trip_id != trip.trip_id:
                return
            record = await self._next_order(held, purpose, signal_id, policy_version)
            decision = await self._authorize(record)
            if decision.allowed:
                refused = await self._send(record, decision)
            else:
                refused = self._say_denied(record, decision, refused)
            if refused:
                tries += 1
                await self._pause(tries)
                await self._look_again(symbol)

    async def _next_order(self, trip: Trip, purpose: Purpose, signal_id: str, policy_version: int) -> OrderRecord:
        parts = self._parts
        attempt = 0
        while parts.orders.get(order_id(parts.config.executor_id, signal_id, purpose, attempt)) is not None:
            attempt += 1
        return OrderRecord(
            client_order_id=order_id(parts.config.executor_id, signal_id, purpose, attempt),
            purpose=purpose,
            strategy_id=trip.strategy_id,
            signal_id=signal_id,
            symbol=trip.symbol,
            side=opposite(entry_side(trip.direction)),
            order_type=OrderType.MARKET,
            quantity=trip.open_quantity,
            prepared_at=await self.venue_now(),
            policy_version=policy_version,
            trip_id=trip.trip_id,
        )

    async def _authorize(self, record: OrderRecord) -> Decision:
        parts = self._parts
        intent = OrderIntent(
            account_id=parts.config.account_id,
            executor_id=parts.config.executor_id,
            executor_epoch=parts.state.epoch,
            strategy_id=record.strategy_id,
            symbol=record.symbol,
            side=record.side,
            order_type=record.order_type,
            quantity=record.quantity,
            client_order_id=record.client_order_id,
            signal_at=record.prepared_at,
            reduce_only=True,
            trace_id=record.signal_id,
        )
        rules = await self._rules(record.symbol)
        facts = parts.guard_facts(record.symbol, rules, now=record.prepared_at, journal_writable=None)
        return parts.guard.authorize(intent, parts.read_policy(), facts)

    async def _rules(self, symbol: str) -> SymbolRules | None:
        try:
            return await self._parts.venue.rules(symbol)
        except VenueError as error:
            _LOG.warning("the rules of %s are not known, which does not stop a reduction: %s", symbol, error)
            return None

    async def _send(self, record: OrderRecord, decision: Decision) -> str:
        """Sends a reduction, waits for its end, and returns why it did not come to anything; empty when it did."""
        parts = self._parts
        prepared = replace(record, decision_json=decision.as_json())
        parts.orders.prepare(prepared)
        await parts.orders.send(prepared)
        over = await parts.orders.wait_over(record.client_order_id)
        await self.book_fills(over)
        if over.stage is Stage.REFUSED:
            _LOG.error("%s could not be reduced, and is tried again: %s", record.symbol, over.reason)
            return over.reason or "refused"
        return "" if over.filled > 0 else f"{over.status} without a fill"

    def _say_denied(self, record: OrderRecord, decision: Decision, before: str) -> str:
        why = f"{decision.reason_code}: {decision.text}"
        if why != before:
            _LOG.error("the guard does not let %s be reduced yet: %s", record.symbol, why)
        return why

    async def _pause(self, tries: int) -> None:
        parts, pause_s = self._parts, self._parts.config.reduce_pause_s * min(tries, _LONGEST_PAUSES)
        hold = parts.orders.hold
        if hold is not None:
            pause_s = max(pause_s, hold.until - parts.clock.monotonic())
        await parts.clock.sleep(pause_s)

    async def _look_again(self, symbol: str) -> None:
        """Reads what the venue says of the symbol: it may be flat already."""
        parts = self._parts
        try:
            await parts.read_positions()
            await self.read_fills(symbol)
        except (VenueError, ValueError) as error:
            _LOG.warning("%s cannot be compared with the venue: %s", symbol, error)

    async def _finish_open_orders(self, symbol: str) -> None:
        """Waits for reductions under way, and takes back entries that rest: they would open what is being closed."""
        parts = self._parts
        for record in parts.orders.of_symbol(symbol):
            if record.purpose is Purpose.STOP:
                continue
            await self.finish(record)

    async def finish(self, record: OrderRecord) -> None:
        """Returns once an order is over, taking it back if it rests, and the books have its fills."""
        if record.order_type is OrderType.LIMIT:
            await self.cancel(record)
        await self.book_fills(await self._parts.orders.wait_over(record.client_order_id))

    async def cancel(self, record: OrderRecord) -> None:
        """Takes back a resting order. Cancels need no permission; one that fails is tried again until it is over."""
        parts = self._parts
        while not (known := parts.orders.get(record.client_order_id) or record).stage.is_over:
            if not known.stage.is_undecided:
                try:
                    parts.orders.take(await parts.venue.cancel(record.symbol, record.client_order_id))
                    continue
                except VenueError as error:
                    _LOG.warning("%s cannot be cancelled, and is tried again: %s", record.client_order_id, error)
            await parts.clock.sleep(parts.config.reduce_pause_s)

    async def book_fills(self, record: OrderRecord) -> None:
        """Returns once the books hold everything that the venue says has filled of an order."""
        parts, tries = self._parts, 0
        while parts.books.filled(record.client_order_id) < record.filled:
            try:
                await self.read_fills(record.symbol)
            except VenueError as error:
                _LOG.warning("the fills of %s cannot be read, and are tried again: %s", record.symbol, error)
            if parts.books.filled(record.client_order_id) < record.filled:
                tries += 1
                await self._pause(tries)

    async def read_fills(self, symbol: str) -> None:
        """Reads all fills since the symbol was last flat.

        Raises:
            VenueError: they could not be read.
        """
        since = self._parts.books.since(symbol)
        if since is not None:
            self._parts.books.take(symbol, await self._parts.venue.fills(symbol, since), complete=True)

    async def venue_now(self) -> datetime:
        """Returns the venue's present instant, or ours when the venue's is not known: a record needs one."""
        try:
            return await self._parts.venue.now()
        except VenueError:
            return self._parts.clock.now()

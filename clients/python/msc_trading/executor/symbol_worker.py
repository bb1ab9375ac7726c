"""One symbol's work, one thing at a time: tend the position, then exits, then entries."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from msc_trading.executor.blocks import Block, BlockReason
from msc_trading.executor.book import Trip
from msc_trading.executor.entries import EntryDesk, Refusal
from msc_trading.executor.ids import Purpose, order_id
from msc_trading.executor.parts import Parts
from msc_trading.executor.ports import FundingSource
from msc_trading.executor.protection import Protector
from msc_trading.executor.records import OrderRecord, Stage
from msc_trading.executor.reducing import Reducer
from msc_trading.executor.shadow import ShadowBook
from msc_trading.signals import Signal, SignalKind
from msc_trading.venue.port import VenueError

_LOG = logging.getLogger("msc_trading.executor")
_ZERO: Final = Decimal(0)
_REDUCING: Final = (Purpose.EXIT, Purpose.CLOSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What the comparison with the venue allows by now."""

    compared: Callable[[], bool]
    """The books have been compared once: it is known what there is to exit."""
    ready: Callable[[], bool]
    """Nothing is in doubt: entries may go on."""


class SymbolWorker:
    """Works off what happens in one symbol. Signals wait here, and are judged when their turn comes, not before."""

    def __init__(
        self,
        symbol: str,
        parts: Parts,
        *,
        shadow: ShadowBook,
        funding: FundingSource | None,
        readiness: Readiness,
    ) -> None:
        self.symbol = symbol
        self._parts = parts
        self._shadow = shadow
        self._funding = funding
        self._readiness = readiness
        self._reducer = Reducer(parts)
        self._protector = Protector(parts, self._reducer)
        self._desk = EntryDesk(parts, shadow)
        self._entries: deque[Signal] = deque()
        self._exits: deque[Signal] = deque()
        self._unbooked: dict[str, OrderRecord] = {}
        self._dirty = False
        self._wake = asyncio.Event()
        self.idle = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many signals wait for their turn."""
        return len(self._entries) + len(self._exits)

    def offer(self, signal: Signal) -> None:
        """Takes in a signal. An exit overtakes the entries of its strategy, which are then no longer wanted."""
        if signal.kind is SignalKind.ENTRY:
            self._entries.append(signal)
        else:
            self._exits.append(signal)
        self._stir()

    def poke(self) -> None:
        """Has the position looked after: something happened to it."""
        self._dirty = True
        self._stir()

    def wake(self) -> None:
        """Has what waits looked at again: what it waited for may be there."""
        self._stir()

    def expect_fills(self, record: OrderRecord) -> None:
        """Remembers an order that has filled until its fills are in the books."""
        self._unbooked[record.client_order_id] = record

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return self.idle.is_set() and not self._dirty and not self._unbooked

    def needs_care(self) -> bool:
        """Tells whether the position lacks what it should have: a stop, or none, or the end of a round trip told."""
        if not self._readiness.compared() or not self.idle.is_set():
            return False
        trip, stops = self._parts.books.trip(self.symbol), self._protector.stops(self.symbol)
        if trip is None:
            return bool(stops) or bool(self._parts.books.closed(self.symbol)) or bool(self._unbooked)
        return trip.entry is not None and not stops

    async def work_off(self) -> None:
        """Returns once nothing waits any more."""
        while self.waiting or self._dirty or not self.idle.is_set():
            await self.idle.wait()
            # What is idle with work left waits to be ready.
            if self.waiting or self._dirty:
                self.idle.clear()

    def _stir(self) -> None:
        self.idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            self._wake.clear()
            if not await self._step():
                self.idle.set()
                await self._wake.wait()

    async def _step(self) -> bool:
        """Does the most urgent thing, and returns whether there was one."""
        compared = self._readiness.compared()
        if compared and self._dirty:
            self._dirty = False
            await self.tend()
        elif compared and self._exits:
            await self._exit(self._exits.popleft())
        elif self._entries and self._readiness.ready():
            await self._enter(self._entries.popleft())
        else:
            return False
        return True

    async def tend(self) -> None:
        """Books what has filled, keeps the stop, goes on with an exit that was begun, and tells what has ended."""
        await self._book_fills()
        trip = self._parts.books.trip(self.symbol)
        begun = None if trip is None else self._begun_exit(trip)
        if trip is not None and begun is not None:
            await self._reducer.flatten(
                trip, purpose=begun.purpose, signal_id=begun.signal_id, policy_version=begun.policy_version
            )
        await self._protector.protect(self.symbol)
        await self._tell_closed()
        self._parts.settle_filled(self.symbol)

    async def _book_fills(self) -> None:
        for record in list(self._unbooked.values()):
            await self._reducer.book_fills(record)
            if self._unbooked.get(record.client_order_id) == record:
                del self._unbooked[record.client_order_id]

    def _begun_exit(self, trip: Trip) -> OrderRecord | None:
        """Returns the reduction that a position still owes, from before a restart."""
        records = self._parts.orders.of_trip(trip.trip_id)
        return next((record for record in reversed(records) if record.purpose in _REDUCING), None)

    async def _tell_closed(self) -> None:
        for trip in self._parts.books.closed(self.symbol):
            try:
                funding = await self._funding_of(trip)
            except VenueError as error:
                _LOG.warning("the funding of %s cannot be read, and is tried again: %s", trip.trip_id, error)
                return
            self._parts.books.tell_closed(trip, funding)

    async def _funding_of(self, trip: Trip) -> Decimal:
        if self._funding is None:
            return _ZERO
        return await self._funding.funding(trip.symbol, trip.opened_at, trip.last_at)

    async def _enter(self, signal: Signal) -> None:
        record = await self._desk.enter(signal)
        if record is not None and record.stage is not Stage.REFUSED:
            await self.tend()

    async def _exit(self, signal: Signal) -> None:
        self._drop_entries(signal, await self._reducer.venue_now())
        await self._take_back_entries(signal.strategy_id)
        view = self._parts.read_policy()
        trip = self._parts.books.trip(self.symbol)
        on_paper = self._shadow.on_exit(signal.strategy_id, self.symbol, await self._reducer.venue_now())
        block = self._exit_block(signal, trip)
        if block is None and trip is not None:
            version = 0 if view.ref is None else view.ref.version
            await self._reducer.flatten(trip, purpose=Purpose.EXIT, signal_id=signal.signal_id, policy_version=version)
            await self.tend()
        elif block is not None and not on_paper:
            self._desk.note(signal, Refusal(block=block, view=view), at=await self._reducer.venue_now())

    def _exit_block(self, signal: Signal, trip: Trip | None) -> Block | None:
        if self._was_exited(signal):
            return Block(reason=BlockReason.DUPLICATE_SIGNAL, text=f"signal {signal.signal_id} has been acted upon")
        if trip is not None and trip.strategy_id == signal.strategy_id:
            return None
        owner = "nobody" if trip is None else trip.strategy_id or "nobody of ours"
        text = f"strategy {signal.strategy_id or '(none)'} holds nothing to exit; {self.symbol} is held by {owner}"
        return Block(reason=BlockReason.NOTHING_TO_EXIT, text=text)

    def _was_exited(self, signal: Signal) -> bool:
        first = order_id(self._parts.config.executor_id, signal.signal_id, Purpose.EXIT)
        return self._parts.orders.get(first) is not None

    def _drop_entries(self, signal: Signal, now: datetime) -> None:
        dropped = [waiting for waiting in self._entries if waiting.strategy_id == signal.strategy_id]
        for waiting in dropped:
            if waiting.at <= signal.at:
                self._entries.remove(waiting)
                block = Block(
                    reason=BlockReason.SUPERSEDED_BY_EXIT, text=f"exit {signal.signal_id} came before its turn"
                )
                self._desk.note(waiting, Refusal(block=block), at=now)

    async def _take_back_entries(self, strategy_id: str) -> None:
        """Waits until the strategy's entries under way are decided, so that it is known what there is to exit."""
        for record in self._parts.orders.of_symbol(self.symbol):
            if record.purpose is Purpose.ENTRY and record.strategy_id == strategy_id:
                await self._reducer.finish(record)

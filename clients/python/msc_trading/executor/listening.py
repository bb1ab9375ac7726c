"""What the venue tells by itself: the user stream, without loss, and prices."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from msc_trading.executor.comparing import Comparer
from msc_trading.executor.parts import Parts
from msc_trading.executor.shadow import ShadowBook
from msc_trading.venue.port import OrderUpdate, PositionUpdate, StreamLost, UserEvent, VenueError

_LOG = logging.getLogger("msc_trading.executor")


class Listener:
    """Takes in what the venue's streams say. `poke` has a symbol's position looked after."""

    def __init__(self, parts: Parts, *, comparer: Comparer, shadow: ShadowBook, poke: Callable[[str], None]) -> None:
        self._parts = parts
        self._comparer = comparer
        self._shadow = shadow
        self._poke = poke
        self._inbox: deque[UserEvent] = deque()
        self._arrived = asyncio.Event()

    async def listen(self) -> None:
        """Drains the user stream into memory, whatever else is going on, and starts it again when it ends."""
        while True:
            why = "the user stream ended"
            try:
                async for event in self._parts.venue.user_events():
                    self._put(event)
            except VenueError as error:
                why = f"the user stream failed: {error}"
            _LOG.warning("%s, and is started again", why)
            self._put(StreamLost(why=why))
            await self._parts.clock.sleep(self._parts.config.retry_pause_s)

    def _put(self, event: UserEvent) -> None:
        self._inbox.append(event)
        self._arrived.set()

    async def work_off(self) -> None:
        """Takes in what was drained, in order."""
        while True:
            self._arrived.clear()
            while self._inbox:
                self._take(self._inbox.popleft())
            await self._arrived.wait()

    def _take(self, event: UserEvent) -> None:
        match event:
            case OrderUpdate():
                self._parts.orders.take(event.order)
                if event.fill is not None:
                    self._parts.books.take(event.fill.symbol, [event.fill])
            case PositionUpdate():
                self._take_position(event)
            case StreamLost():
                self._comparer.doubt(event.why)

    def _take_position(self, event: PositionUpdate) -> None:
        try:
            self._parts.account.take_update(event)
        except ValueError as error:
            self._comparer.doubt(f"a position makes no sense: {error}")
        if event.symbol is not None:
            self._parts.settle_filled(event.symbol)
            self._poke(event.symbol)

    async def follow_prices(self) -> None:
        """Follows the prices of our symbols, and starts again when they end."""
        while True:
            why = "the prices ended"
            try:
                async for price in self._parts.venue.prices(self._parts.config.symbols):
                    self._parts.account.take_price(price)
                    self._shadow.on_price(price)
            except VenueError as error:
                why = f"the prices failed: {error}"
            _LOG.warning("%s, and are followed again", why)
            await self._parts.clock.sleep(self._parts.config.retry_pause_s)

"""The newest prices, however slowly they are read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import suppress

from msc_trading.venue.market_feed import MarketFeed
from msc_trading.venue.port import Price
from msc_trading.venue.sockets import Sockets, StreamEnded
from msc_trading.venue.stream_mapping import trade_price
from msc_trading.venue.wire import Json, Malformed

LOGGER = logging.getLogger("msc_trading.venue")


class PriceStream:
    """Follows the trades of symbols. A symbol without trades has an old price, and that is the truth."""

    def __init__(self, sockets: Sockets, symbols: tuple[str, ...]) -> None:
        """Takes how to connect, and what to follow."""
        self._feed = MarketFeed(sockets, [f"{symbol.lower()}@aggTrade" for symbol in symbols])
        self._latest: dict[str, Price] = {}
        self._news = asyncio.Event()

    async def prices(self) -> AsyncGenerator[Price]:
        """Yields prices. Of a symbol that moved several times since it was last read, the newest alone."""
        reader = asyncio.create_task(self._read(), name="prices")
        reader.add_done_callback(lambda _: self._news.set())
        try:
            while not reader.done():
                await self._news.wait()
                self._news.clear()
                while self._latest:
                    yield self._latest.pop(next(iter(self._latest)))
            reader.result()  # An error that nobody expected is not the end of the prices.
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            await self._feed.close()

    async def _read(self) -> None:
        with suppress(StreamEnded):
            while True:
                message = await self._feed.receive()
                if message is not None:
                    self._keep(message)

    def _keep(self, message: Json) -> None:
        try:
            price = trade_price(message)
        except Malformed as error:
            LOGGER.warning("a price cannot be read: %s", error)
            return
        self._latest[price.symbol] = price
        self._news.set()

"""Closed one-minute candles, each once, in order, and without gaps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime, timedelta

from msc_trading.market.candle import Candle
from msc_trading.venue.calls import CANDLES
from msc_trading.venue.gateway import Gateway
from msc_trading.venue.mapping import CANDLE_LENGTH, candles
from msc_trading.venue.market_feed import MarketFeed
from msc_trading.venue.port import RateLimited, VenueError
from msc_trading.venue.sockets import Sockets, StreamEnded
from msc_trading.venue.stream_mapping import closed_candle
from msc_trading.venue.wire import Json, Malformed, milliseconds

LOGGER = logging.getLogger("msc_trading.venue")
PAGE = 499
# More than our idea of the venue's time runs ahead.
CLOCK_TOLERANCE = timedelta(seconds=2)


class CandleStream:
    """Follows the candles of symbols; what a connection missed is asked for."""

    def __init__(
        self,
        gateway: Gateway,
        sockets: Sockets,
        symbols: tuple[str, ...],
        *,
        now: Callable[[], Awaitable[datetime]],
    ) -> None:
        """Takes where to ask, how to connect, what to follow, and the venue's time."""
        self._gateway = gateway
        self._sockets = sockets
        self._symbols = symbols
        self._now = now
        self._last: dict[str, datetime] = {}

    async def candles(self) -> AsyncGenerator[Candle]:
        """Yields candles from the first one that closes after the call."""
        feed = MarketFeed(self._sockets, [f"{symbol.lower()}@kline_1m" for symbol in self._symbols])
        try:
            while not self._sockets.closed:
                for bar in await self._next(feed):
                    self._last[bar.symbol] = bar.open_time
                    yield bar
        finally:
            await feed.close()

    async def _next(self, feed: MarketFeed) -> list[Candle]:
        try:
            message = await feed.receive()
        except StreamEnded:
            return []
        return await (self._missed() if message is None else self._told(message))

    async def _missed(self) -> list[Candle]:
        bars = [bar for symbol in self._last for bar in await self._after(symbol)]
        return sorted(bars, key=lambda bar: bar.open_time)

    async def _told(self, message: Json) -> list[Candle]:
        try:
            bar = closed_candle(message)
        except Malformed as error:
            # A gap that the next candle shows, and that is then filled.
            LOGGER.warning("a candle cannot be read: %s", error)
            return []
        if bar is None:
            return []
        last = self._last.get(bar.symbol, bar.open_time - CANDLE_LENGTH)
        if bar.open_time <= last:
            return []
        gap = await self._after(bar.symbol) if bar.open_time > last + CANDLE_LENGTH else []
        return [*(old for old in gap if old.open_time < bar.open_time), bar]

    async def _after(self, symbol: str) -> list[Candle]:
        """Returns the closed candles after the last one; tries until the venue answers, as a gap would mislead."""
        backoff, bars, start = self._sockets.backoff(), list[Candle](), self._last[symbol] + CANDLE_LENGTH
        while not self._sockets.closed:
            await asyncio.sleep(backoff.next_s())
            try:
                page = await self._page(symbol, start)
            except VenueError as error:
                LOGGER.warning("candles of %s could not be read: %s", symbol, error)
                await asyncio.sleep(error.retry_after_s if isinstance(error, RateLimited) else 0)
                continue
            bars.extend(page)
            if len(page) < PAGE:
                return bars
            start = page[-1].open_time + CANDLE_LENGTH
        return []

    async def _page(self, symbol: str, start: datetime) -> list[Candle]:
        """Returns up to a page of closed candles from there on."""
        # Read before asking: a minute that ended on the way is not closed in the answer.
        closed_before = await self._now() - CLOCK_TOLERANCE - CANDLE_LENGTH
        bars = await self._gateway.ask(
            CANDLES,
            lambda answer: candles(symbol, answer),
            symbol=symbol,
            interval="1m",
            startTime=milliseconds(start),
            limit=PAGE,
        )
        newest = max((bar.open_time for bar in bars), default=start)
        # One that has a successor is closed, whatever the clocks say.
        return [bar for bar in bars if bar.open_time >= start and (bar.open_time < newest or newest <= closed_before)]

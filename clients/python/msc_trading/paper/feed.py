"""Prices of the market: candles, walked through minute by minute."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from msc_trading.market.candle import Candle

MINUTE = timedelta(minutes=1)
POINTS = 4
WAYPOINTS = (timedelta(0), timedelta(seconds=20), timedelta(seconds=40), timedelta(seconds=59, milliseconds=999))
SMALLEST_QUANTITY = Decimal("0.001")


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePoint:
    """Where the price of a symbol goes next. `jumps`: it does not pass the prices between."""

    at: datetime
    symbol: str
    price: Decimal
    quantity: Decimal
    jumps: bool
    closes_bar: bool


def walk(candle: Candle) -> Iterator[PricePoint]:
    """Yields the way of a minute: open, the extreme against its direction, the one with it, close."""
    rising = candle.close >= candle.open
    extremes = (candle.low, candle.high) if rising else (candle.high, candle.low)
    quantity = (candle.volume / POINTS).quantize(SMALLEST_QUANTITY, rounding=ROUND_DOWN)
    for index, price in enumerate((candle.open, *extremes, candle.close)):
        yield PricePoint(
            at=candle.open_time + WAYPOINTS[index],
            symbol=candle.symbol,
            price=price,
            quantity=quantity,
            jumps=index == 0,
            closes_bar=index == POINTS - 1,
        )


class _Source:
    """Candles of one symbol, with a look at the next one."""

    def __init__(self, symbol: str, candles: Iterable[Candle]) -> None:
        self._symbol = symbol
        self._candles = iter(candles)
        self.next = self._read(None)

    def take(self) -> Candle:
        candle = self.next
        if candle is None:
            raise LookupError(self._symbol)
        self.next = self._read(candle)
        return candle

    def _read(self, before: Candle | None) -> Candle | None:
        candle = next(self._candles, None)
        if candle is None:
            return None
        if candle.symbol != self._symbol:
            raise ValueError(f"symbol: the feed of {self._symbol} holds a candle of {candle.symbol}")
        if before is not None and candle.open_time < before.open_time + MINUTE:
            raise ValueError(
                f"open_time: {self._symbol} goes back at {candle.open_time:%Y-%m-%d %H:%M}Z; sort the feed"
            )
        if not min(candle.open, candle.close) >= candle.low > 0 or max(candle.open, candle.close) > candle.high:
            raise ValueError(f"high, low: {self._symbol} makes no bar at {candle.open_time:%Y-%m-%d %H:%M}Z")
        return candle

    def points(self) -> Iterator[PricePoint]:
        while self.next is not None:
            yield from walk(self.take())


class Feed:
    """The price points of all symbols in the order of time; candles that ended before the origin are history.

    Raises:
        ValueError: without candles and without an origin, or a candle makes no sense.
    """

    def __init__(
        self, feeds: Mapping[str, Iterable[Candle]], *, origin: datetime | None, warm_up_bars: int = 0
    ) -> None:
        self._sources = [_Source(symbol, candles) for symbol, candles in feeds.items()]
        firsts = [source.next.open_time for source in self._sources if source.next is not None]
        if origin is None and not firsts:
            raise ValueError("origin: needed when there are no candles to start from")
        self.origin = origin if origin is not None else min(firsts) + warm_up_bars * MINUTE
        self._points: Iterator[PricePoint] | None = None
        self._next: PricePoint | None = None

    @property
    def ended(self) -> bool:
        """Whether there is no price left."""
        self._start()
        return self._next is None

    def history(self) -> Iterator[Candle]:
        """Yields the candles that ended before the origin; to be read before the first point."""
        for source in self._sources:
            while source.next is not None and source.next.open_time + MINUTE <= self.origin:
                yield source.take()

    def until(self, now: datetime) -> Iterator[PricePoint]:
        """Yields the points up to and including now, each once."""
        self._start()
        while self._next is not None and self._next.at <= now:
            point = self._next
            self._next = next(self._points or iter(()), None)
            yield point

    def _start(self) -> None:
        if self._points is None:
            self._points = heapq.merge(*(source.points() for source in self._sources), key=lambda point: point.at)
            self._next = next(self._points, None)

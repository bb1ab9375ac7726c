"""Bars of every interval, kept up with each move of the price."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from msc_trading.paper.engine.values import ZERO

MINUTE_MS = 60_000
INTERVALS = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "8h": 480,
    "12h": 720,
    "1d": 1440,
}
KEPT = {"1m": 20_000}
KEPT_OTHERS = 2_000


def milliseconds(at: datetime) -> int:
    """Returns whole milliseconds since 1970."""
    return round(at.timestamp() * 1000)


@dataclass(slots=True)
class Bar:
    """One bar, growing until `closed`. Times in milliseconds since 1970."""

    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote: Decimal = ZERO
    trades: int = 0
    first_trade: int = 0
    closed: bool = False

    def add(self, price: Decimal, quantity: Decimal, trade_id: int) -> None:
        """Takes a trade."""
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += quantity
        self.quote += price * quantity
        self.trades += 1
        self.first_trade = self.first_trade or trade_id


class Bars:
    """Bars of one symbol in every interval; the oldest are forgotten."""

    def __init__(self) -> None:
        self._by_interval: dict[str, deque[Bar]] = {
            name: deque(maxlen=KEPT.get(name, KEPT_OTHERS)) for name in INTERVALS
        }

    def of(self, interval: str) -> deque[Bar]:
        """Returns the bars of an interval, oldest first; the last one may still grow."""
        return self._by_interval[interval]

    def trade(self, at_ms: int, price: Decimal, quantity: Decimal, trade_id: int) -> None:
        """Takes a trade at the market."""
        for interval in INTERVALS:
            self._growing(interval, at_ms, price).add(price, quantity, trade_id)

    def remember(self, at_ms: int, prices: Sequence[Decimal], volume: Decimal) -> None:
        """Takes a minute of the past, as the prices it went through."""
        share = volume / len(prices)
        for price in prices:
            self.trade(at_ms, price, share, 0)
        self.close_minute(at_ms + MINUTE_MS)

    def close_minute(self, end_ms: int) -> None:
        """Closes the bars that end with this minute."""
        for bars in self._by_interval.values():
            if bars and bars[-1].close_ms < end_ms:
                bars[-1].closed = True

    def _growing(self, interval: str, at_ms: int, price: Decimal) -> Bar:
        bars = self._by_interval[interval]
        if bars and at_ms <= bars[-1].close_ms:
            return bars[-1]
        if bars:
            bars[-1].closed = True
        width = INTERVALS[interval] * MINUTE_MS
        start = at_ms - at_ms % width
        bar = Bar(open_ms=start, close_ms=start + width - 1, open=price, high=price, low=price, close=price)
        bars.append(bar)
        return bar

"""Running measures of a price, each kept up in constant time.

Prices are counted in whole units of 1e-8, so that sums are exact: what left a window has left nothing behind, and a
strategy that saw only the last bars measures exactly what one measures that has run for a year.
"""

from __future__ import annotations

import math
from collections import deque
from decimal import Decimal
from typing import Final

from msc_trading.market.candle import Candle

_PLACES: Final = 8


def units(price: Decimal) -> int:
    """Returns a price in units of 1e-8."""
    return int(price.scaleb(_PLACES))


def price_of(count: int) -> Decimal:
    """Returns the price of so many units."""
    return Decimal(count).scaleb(-_PLACES)


class Window:
    """The last `size` values, with their mean and deviation."""

    __slots__ = ("_size", "_squares", "_total", "_values")

    def __init__(self, size: int) -> None:
        """Takes how many values it holds."""
        self._size = size
        self._values: deque[int] = deque()
        self._total = 0
        self._squares = 0

    def add(self, value: int) -> None:
        """Takes a value; the oldest goes when there are too many."""
        self._values.append(value)
        self._total += value
        self._squares += value * value
        if len(self._values) > self._size:
            oldest = self._values.popleft()
            self._total -= oldest
            self._squares -= oldest * oldest

    @property
    def is_full(self) -> bool:
        """Whether it holds as many values as it can."""
        return len(self._values) == self._size

    @property
    def oldest(self) -> int:
        """The value that leaves next."""
        return self._values[0]

    @property
    def total(self) -> int:
        """The sum of the values."""
        return self._total

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return self._total / len(self._values)

    @property
    def deviation(self) -> float:
        """The standard deviation of the values, as of a whole population."""
        count = len(self._values)
        return math.sqrt(count * self._squares - self._total * self._total) / count


class TrueRange:
    """The mean true range of the last `size` bars (Wilder, New Concepts in Technical Trading Systems, 1978).

    His smoothing never forgets; a plain mean does, which is what a restart needs.
    """

    __slots__ = ("_close", "_ranges")

    def __init__(self, size: int) -> None:
        """Takes over how many bars the mean goes."""
        self._ranges = Window(size)
        self._close: int | None = None

    def add(self, bar: Candle) -> None:
        """Takes a bar."""
        high, low = units(bar.high), units(bar.low)
        if self._close is not None:
            self._ranges.add(max(high, self._close) - min(low, self._close))
        self._close = units(bar.close)

    @property
    def mean(self) -> float | None:
        """The mean range in units; None while there are too few bars, or nothing moved."""
        return self._ranges.mean if self._ranges.is_full and self._ranges.total else None


class Path:
    """The way of the last `size` steps from close to close: how far it led, and how straight it was."""

    __slots__ = ("_closes", "_newest", "_steps")

    def __init__(self, size: int) -> None:
        """Takes over how many steps it looks."""
        self._closes = Window(size + 1)
        self._steps = Window(size)
        self._newest: int | None = None

    def add(self, close: int) -> None:
        """Takes a close, in units."""
        if self._newest is not None:
            self._steps.add(abs(close - self._newest))
        self._closes.add(close)
        self._newest = close

    @property
    def is_full(self) -> bool:
        """Whether there were enough steps."""
        return self._steps.is_full

    @property
    def distance(self) -> int:
        """How far the newest close is above the oldest one, in units."""
        return (self._newest or 0) - self._closes.oldest

    @property
    def efficiency(self) -> float:
        """Distance by length of the way (Kaufman's efficiency ratio): 1 is straight, 0 is nowhere."""
        return abs(self.distance) / self._steps.total if self._steps.total else 0.0


class Extremes:
    """The highest high and the lowest low of the last `size` bars."""

    __slots__ = ("_count", "_highs", "_lows", "_size")

    def __init__(self, size: int) -> None:
        """Takes over how many bars it looks."""
        self._size = size
        self._count = 0
        self._highs: deque[tuple[int, int]] = deque()
        self._lows: deque[tuple[int, int]] = deque()

    def add(self, bar: Candle) -> None:
        """Takes a bar."""
        high, low, number = units(bar.high), units(bar.low), self._count
        # A bar that is outdone by a later one can never be the extreme again.
        while self._highs and self._highs[-1][1] <= high:
            self._highs.pop()
        while self._lows and self._lows[-1][1] >= low:
            self._lows.pop()
        self._highs.append((number, high))
        self._lows.append((number, low))
        for extremes in (self._highs, self._lows):
            if extremes[0][0] <= number - self._size:
                extremes.popleft()
        self._count += 1

    @property
    def is_full(self) -> bool:
        """Whether it has seen as many bars as it looks over."""
        return self._count >= self._size

    @property
    def high(self) -> int:
        """The highest high, in units."""
        return self._highs[0][1]

    @property
    def low(self) -> int:
        """The lowest low, in units."""
        return self._lows[0][1]

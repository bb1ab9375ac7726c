"""Longer bars from one-minute candles, each returned once it is closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msc_trading.market.candle import MINUTE, Candle

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MINUTES: Final = 1440


class Resampler:
    """Makes bars of several minutes of one symbol, aligned to 00:00 UTC.

    A bar closes with its last minute or, where that is missing, with the first minute of a later bar. Missing minutes
    leave a bar that was made of fewer.

    Raises:
        ValueError: a day cannot be cut into bars of `minutes`.
    """

    __slots__ = ("_before", "_end", "_growing", "_high", "_last_minute", "_low", "_open", "_start", "_volume", "_width")

    def __init__(self, minutes: int) -> None:
        """Takes the bars' length."""
        if minutes < 1 or _DAY_MINUTES % minutes:
            raise ValueError(f"minutes: a day cannot be cut into bars of {minutes}")
        self._width = timedelta(minutes=minutes)
        self._before: Candle | None = None
        self._growing = False
        self._start = self._end = self._last_minute = _EPOCH
        self._open = self._high = self._low = self._volume = Decimal(0)

    def update(self, candle: Candle) -> tuple[Candle, ...]:
        """Returns the bars that this candle closes, oldest first: none or one; two when it closes an interrupted one.

        Raises:
            ValueError: the candle is not later than the one before, or not of its symbol.
        """
        at, before = candle.open_time, self._before
        if before is not None:
            _check_follows(candle, before)
        if self._growing and at < self._end:
            # Called for every minute of every strategy: comparing is cheaper than max and min.
            if candle.high > self._high:  # noqa: PLR1730
                self._high = candle.high
            if candle.low < self._low:  # noqa: PLR1730
                self._low = candle.low
            self._volume += candle.volume
            self._before = candle
            return (self._close(candle),) if at == self._last_minute else ()
        interrupted = (self._close(before),) if self._growing and before is not None else ()
        self._begin(candle)
        return (*interrupted, self._close(candle)) if at == self._last_minute else interrupted

    def _begin(self, candle: Candle) -> None:
        self._start = candle.open_time - (candle.open_time - _EPOCH) % self._width
        self._end = self._start + self._width
        self._last_minute = self._end - MINUTE
        self._open, self._high, self._low = candle.open, candle.high, candle.low
        self._volume = candle.volume
        self._before, self._growing = candle, True

    def _close(self, last: Candle) -> Candle:
        self._growing = False
        return Candle(
            symbol=last.symbol,
            open_time=self._start,
            open=self._open,
            high=self._high,
            low=self._low,
            close=last.close,
            volume=self._volume,
        )


def _check_follows(candle: Candle, before: Candle) -> None:
    if candle.open_time <= before.open_time:
        raise ValueError(f"open_time: {candle.open_time} does not come after {before.open_time}")
    if candle.symbol != before.symbol:
        raise ValueError(f"symbol: is {candle.symbol}, after {before.symbol}; use one Resampler for each")


def resampled(candles: Iterable[Candle], minutes: int) -> Iterator[Candle]:
    """Yields the closed bars of one symbol's candles. What has not closed at the end is not yielded."""
    resampler = Resampler(minutes)
    for candle in candles:
        yield from resampler.update(candle)

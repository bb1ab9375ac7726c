"""Follows a breakout: a close beyond the extremes of the bars before it."""

from __future__ import annotations

from msc_client.facts import Direction
from msc_trading.market.candle import Candle
from msc_trading.strategies.indicators import Extremes, TrueRange, Window, units
from msc_trading.strategies.rule import FLAT, Wish, confidence, stop_distance


class Breakout:
    """Long above the highest high, short below the lowest low; flat when a shorter channel breaks the other way."""

    def __init__(self, *, entry_bars: int, exit_bars: int, stop_ranges: float) -> None:
        """Takes the two channels in bars, and where the stop belongs in mean true ranges."""
        self._entry = Extremes(entry_bars)
        self._exit = Extremes(exit_bars)
        self._range = TrueRange(entry_bars)
        self._volume = Window(entry_bars)
        self._stop_ranges = stop_ranges
        self.warmup_bars = entry_bars + 1

    def on_bar(self, bar: Candle, held: Direction | None) -> Wish | None:
        """Returns the position wanted after this bar, which is compared with the channels of the bars before it."""
        wish = self._judge(bar, held) if self._entry.is_full else None
        self._entry.add(bar)
        self._exit.add(bar)
        self._range.add(bar)
        self._volume.add(units(bar.volume))
        return wish

    def _judge(self, bar: Candle, held: Direction | None) -> Wish | None:
        mean_range, close = self._range.mean, units(bar.close)
        if mean_range is None:
            return None
        beyond = max(close - self._entry.high, self._entry.low - close)
        if beyond > 0:
            usual = self._volume.mean
            return Wish(
                Direction.LONG if close > self._entry.high else Direction.SHORT,
                confidence(3 * beyond / mean_range, units(bar.volume) / usual / 2 if usual else 0.0),
                stop_distance(close, mean_range, self._stop_ranges),
            )
        if close < self._exit.low:
            return FLAT if held is not Direction.SHORT else None
        if close > self._exit.high:
            return FLAT if held is not Direction.LONG else None
        return None

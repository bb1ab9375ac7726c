"""Follows the trend: a short mean of closes against a long one."""

from __future__ import annotations

from msc_client.facts import Direction
from msc_trading.market.candle import Candle
from msc_trading.strategies.indicators import Path, TrueRange, Window, units
from msc_trading.strategies.rule import FLAT, Wish, confidence, stop_distance


class Trend:
    """Long while the fast mean is far enough above the slow one, short while below; flat once they cross."""

    def __init__(self, *, fast: int, slow: int, enter_ranges: float, stop_ranges: float) -> None:
        """Takes the windows in bars; how far apart counts, and where the stop belongs, in mean true ranges."""
        self._fast = Window(fast)
        self._slow = Window(slow)
        self._path = Path(fast)
        self._range = TrueRange(slow)
        self._enter_ranges = enter_ranges
        self._stop_ranges = stop_ranges
        self.warmup_bars = slow + 1

    def on_bar(self, bar: Candle, held: Direction | None) -> Wish | None:
        """Returns the position wanted after this bar."""
        close = units(bar.close)
        self._fast.add(close)
        self._slow.add(close)
        self._path.add(close)
        self._range.add(bar)
        mean_range = self._range.mean
        if mean_range is None:
            return None
        apart = (self._fast.mean - self._slow.mean) / mean_range
        rises, distance = apart > 0, self._path.distance
        if abs(apart) >= self._enter_ranges:
            return Wish(
                Direction.LONG if rises else Direction.SHORT,
                confidence(3 * self._path.efficiency, (distance if rises else -distance) / (2 * mean_range)),
                stop_distance(close, mean_range, self._stop_ranges),
            )
        crossed = apart <= 0 if held is Direction.LONG else apart >= 0
        return FLAT if crossed else None

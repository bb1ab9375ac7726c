"""Follows momentum: how far the price has gone over a window, measured in how far it would go by chance."""

from __future__ import annotations

import math

from msc_client.facts import Direction
from msc_trading.market.candle import Candle
from msc_trading.strategies.indicators import Path, TrueRange, units
from msc_trading.strategies.rule import FLAT, Wish, confidence, stop_distance


class Momentum:
    """Long after an unusual rise, short after an unusual fall; flat once the price is back where it was."""

    def __init__(self, *, lookback: int, enter_score: float, stop_ranges: float) -> None:
        """Takes the window in bars, the score to enter at, and where the stop belongs in mean true ranges."""
        self._path = Path(lookback)
        self._recent = Path(lookback // 4)
        self._range = TrueRange(lookback)
        self._lookback = lookback
        self._enter_score = enter_score
        self._stop_ranges = stop_ranges
        self.warmup_bars = lookback + 1

    def on_bar(self, bar: Candle, held: Direction | None) -> Wish | None:
        """Returns the position wanted after this bar."""
        close = units(bar.close)
        self._path.add(close)
        self._recent.add(close)
        self._range.add(bar)
        mean_range = self._range.mean
        if mean_range is None:
            return None
        # A walk of n steps ends about the square root of n steps away.
        score = self._path.distance / (mean_range * math.sqrt(self._lookback))
        rises = score > 0
        if abs(score) >= self._enter_score:
            recent = self._recent.distance if rises else -self._recent.distance
            return Wish(
                Direction.LONG if rises else Direction.SHORT,
                confidence(3 * self._path.efficiency, recent / (2 * mean_range)),
                stop_distance(close, mean_range, self._stop_ranges),
            )
        turned = score <= 0 if held is Direction.LONG else score >= 0
        return FLAT if turned else None

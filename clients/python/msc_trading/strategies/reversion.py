"""Expects prices to come back: fades a close that is far from its mean while the market goes nowhere."""

from __future__ import annotations

from msc_client.facts import Direction
from msc_trading.market.candle import Candle
from msc_trading.strategies.indicators import Path, TrueRange, Window, units
from msc_trading.strategies.rule import FLAT, Wish, confidence, stop_distance


class Reversion:
    """Long far below the mean, short far above it, flat once the price is back; silent while the market trends."""

    def __init__(self, *, window: int, enter_deviations: float, most_efficiency: float, stop_ranges: float) -> None:
        """Takes the window in bars, how far is far, how straight is too straight, and the stop in mean true ranges."""
        self._closes = Window(window)
        self._path = Path(window)
        self._range = TrueRange(window)
        self._enter_deviations = enter_deviations
        self._most_efficiency = most_efficiency
        self._stop_ranges = stop_ranges
        self.warmup_bars = window + 1

    def on_bar(self, bar: Candle, held: Direction | None) -> Wish | None:
        """Returns the position wanted after this bar."""
        close = units(bar.close)
        self._closes.add(close)
        self._path.add(close)
        self._range.add(bar)
        mean_range, deviation = self._range.mean, self._closes.deviation
        if mean_range is None or not deviation:
            return None
        away = (close - self._closes.mean) / deviation
        calm = 1 - self._path.efficiency / self._most_efficiency
        if abs(away) >= self._enter_deviations and calm > 0:
            return Wish(
                Direction.SHORT if away > 0 else Direction.LONG,
                confidence(3 * (abs(away) - self._enter_deviations), 2 * calm),
                stop_distance(close, mean_range, self._stop_ranges),
            )
        returned = away >= 0 if held is Direction.LONG else away <= 0
        return FLAT if returned else None

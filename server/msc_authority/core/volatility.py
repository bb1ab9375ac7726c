"""Volatility of the NAV: an exponentially weighted average that understands uneven spacing."""

from __future__ import annotations

import math
from datetime import datetime

from msc_authority.core import codec


class VolatilityTracker:
    """Exponentially weighted variance rate of log returns, corrected for its own beginning.

    A bar of length Δt with log return r has the variance rate r²/Δt. Weights halve every half-life of time, so gaps
    between bars need no filling. The form is that of RiskMetrics (J.P. Morgan, 1996), chapter 5, in continuous time.
    """

    __slots__ = ("_at", "_half_life_s", "_nav", "_weight", "_weighted", "points")

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._nav = 0.0
        self._at: datetime | None = None
        self._weighted = 0.0
        self._weight = 0.0
        self.points = 0

    def close_bar(self, nav: float, at: datetime) -> None:
        """Takes the NAV at the end of a bar. A NAV that is not positive starts anew from the next one that is."""
        before, since = self._nav, self._at
        self._nav, self._at = nav, at
        if since is None or before <= 0.0 or nav <= 0.0 or at <= since:
            return
        elapsed_s = (at - since).total_seconds()
        kept = 2.0 ** (-elapsed_s / self._half_life_s)
        rate = math.log(nav / before) ** 2 / elapsed_s
        self._weighted = self._weighted * kept + rate * (1.0 - kept)
        self._weight = self._weight * kept + (1.0 - kept)
        self.points += 1

    def per_root_day(self) -> float | None:
        """Returns the volatility of log NAV per square root of a day, or None before the first return."""
        if self._weight <= 0.0:
            return None
        return math.sqrt(self._weighted / self._weight * 86_400.0)

    def copy(self) -> VolatilityTracker:
        """Returns an independent copy."""
        other = VolatilityTracker(self._half_life_s)
        other._nav, other._at = self._nav, self._at
        other._weighted, other._weight, other.points = self._weighted, self._weight, self.points
        return other

    def encode(self) -> list[object]:
        """Returns the state as a JSON-able row."""
        return [self._nav, codec.instant_text(self._at), self._weighted, self._weight, self.points]

    @classmethod
    def decode(cls, value: object, half_life_s: float) -> VolatilityTracker:
        """Returns the tracker that `encode` wrote."""
        nav, at, weighted, weight, points = codec.row(value, 5)
        tracker = cls(half_life_s)
        tracker._nav = codec.number(nav)
        tracker._at = None if at is None else codec.instant(at)
        tracker._weighted, tracker._weight = codec.number(weighted), codec.number(weight)
        tracker.points = codec.integer(points)
        return tracker

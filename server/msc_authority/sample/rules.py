"""The sample fleet: five simple rules, each with its own idea of when to enter. Two are good, some are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Protocol

LONG, SHORT = 1, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A wish to enter. Distances are fractions of the price; `hold_bars` is the longest time in the market."""

    direction: int
    stop_fraction: float
    target_fraction: float
    hold_bars: int


class Rule(Protocol):
    """Decides on entries from closes alone."""

    def entry(self, closes: Sequence[float]) -> Entry | None:
        """Returns an entry at the last of `closes`, or None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRule:
    """Fades a close that is far from its mean, toward the mean."""

    window: int
    deviations: float
    stop_per_target: float

    def entry(self, closes: Sequence[float]) -> Entry | None:
        """Returns an entry against the last move, or None while the price is near its mean."""
        recent = closes[-self.window :]
        mean, spread = fmean(recent), pstdev(recent)
        away = closes[-1] - mean
        if len(recent) < self.window or abs(away) < self.deviations * spread:
            return None
        target = abs(away) / closes[-1]
        direction = SHORT if away > 0 else LONG
        return Entry(
            direction=direction, stop_fraction=target * self.stop_per_target, target_fraction=target, hold_bars=72
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DipRule:
    """Buys a dip in an advance: short mean below the long one's band while the long one rises."""

    window: int
    dip_fraction: float
    stop_fraction: float
    target_fraction: float

    def entry(self, closes: Sequence[float]) -> Entry | None:
        """Returns a long entry after a dip, or None."""
        if len(closes) < 2 * self.window:
            return None
        now, before = fmean(closes[-self.window :]), fmean(closes[-2 * self.window : -self.window])
        if now <= before or closes[-1] > now * (1 - self.dip_fraction):
            return None
        return Entry(
            direction=LONG, stop_fraction=self.stop_fraction, target_fraction=self.target_fraction, hold_bars=144
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakoutRule:
    """Follows a close beyond the extremes of its window."""

    window: int
    stop_fraction: float
    target_fraction: float

    def entry(self, closes: Sequence[float]) -> Entry | None:
        """Returns an entry in the direction of a breakout, or None."""
        recent = closes[-self.window - 1 : -1]
        if len(recent) < self.window or min(recent) <= closes[-1] <= max(recent):
            return None
        direction = LONG if closes[-1] > max(recent) else SHORT
        return Entry(
            direction=direction,
            stop_fraction=self.stop_fraction,
            target_fraction=self.target_fraction,
            hold_bars=2 * self.window,
        )


FLEET: dict[str, Rule] = {
    "TREND_001": DipRule(window=144, dip_fraction=0.006, stop_fraction=0.016, target_fraction=0.011),
    "MOMENTUM_002": BreakoutRule(window=288, stop_fraction=0.010, target_fraction=0.012),
    "RANGE_003": RangeRule(window=48, deviations=2.1, stop_per_target=1.5),
    "BREAKOUT_004": BreakoutRule(window=96, stop_fraction=0.008, target_fraction=0.010),
    "RANGE_005": RangeRule(window=36, deviations=1.9, stop_per_target=1.2),
}

"""A made-up BTC market: five-minute closes from a seeded model that switches between regimes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded: the same market every time

BARS_PER_DAY = 288


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """How the market moves for a while. Drift and volatility are fractions a day."""

    name: str
    days: float
    drift_per_day: float
    trend_volatility_per_day: float
    noise_fraction: float
    jump_fraction: float = 0.0
    """One jump at the start of the regime, as a fraction of the price."""


STORY = (
    Regime(name="quiet advance", days=8.0, drift_per_day=0.008, trend_volatility_per_day=0.010, noise_fraction=0.0030),
    Regime(
        name="sell-off",
        days=1.5,
        drift_per_day=-0.050,
        trend_volatility_per_day=0.030,
        noise_fraction=0.0035,
        jump_fraction=-0.050,
    ),
    Regime(name="aftershocks", days=3.0, drift_per_day=0.0, trend_volatility_per_day=0.025, noise_fraction=0.0035),
    Regime(name="recovery", days=8.5, drift_per_day=0.008, trend_volatility_per_day=0.010, noise_fraction=0.0032),
)
"""A good week, a fall that gaps through stops, unrest, and a recovery."""

_NOISE_HALF_LIFE_BARS = 9.0
_FIRST_CLOSE = 91_500.0


def closes(seed: int, story: tuple[Regime, ...] = STORY) -> list[float]:
    """Closes in USDT, one every five minutes, rounded to the venue's tick of 0.1.

    The logarithm of the price is a random walk with drift plus noise that reverts within the hour.
    """
    rng = Random(seed)  # noqa: S311 - a sample, not a secret
    keep = 0.5 ** (1 / _NOISE_HALF_LIFE_BARS)
    trend, noise, prices = math.log(_FIRST_CLOSE), 0.0, []
    for regime in story:
        trend += math.log1p(regime.jump_fraction)
        step = regime.trend_volatility_per_day / math.sqrt(BARS_PER_DAY)
        shock = regime.noise_fraction * math.sqrt(1 - keep * keep)
        for _ in range(round(regime.days * BARS_PER_DAY)):
            trend += regime.drift_per_day / BARS_PER_DAY + rng.gauss(0.0, step)
            noise = keep * noise + rng.gauss(0.0, shock)
            prices.append(round(math.exp(trend + noise), 1))
    return prices

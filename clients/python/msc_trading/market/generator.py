"""Made-up candles that never end: a seeded market that goes through trend, crash, chop and recovery.

All symbols of one seed share the regimes and most of each move, as coins do; the rest is each symbol's own. The model:
the logarithm of the price is a drifting random walk whose volatility clusters, plus noise that reverts within the
hour, and a weak pull toward the first price, so that levels stay believable however long it runs.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msc_trading.clock import seeded
from msc_trading.market.candle import MINUTE, Candle

_DAY: Final = 1440
_PULL_PER_MINUTE: Final = 1 - 0.5 ** (1 / (45 * _DAY))
_NOISE_KEEP: Final = 0.5 ** (1 / 20)
_CALM_KEEP: Final = 0.5 ** (1 / 180)
_CALM_SHOCK: Final = 0.35 * math.sqrt(1 - _CALM_KEEP**2)
_REACH: Final = 0.47
_VOLUME_STEP: Final = Decimal("0.001")


class Regime(StrEnum):
    """How the market moves for a while."""

    TREND_UP = "TREND_UP"
    CRASH = "CRASH"
    CHOP = "CHOP"
    RECOVERY = "RECOVERY"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Character:
    """A regime's numbers: fractions a day for drift and volatility, fractions of the price for noise and jump."""

    shortest_h: float
    longest_h: float
    drift: float
    volatility: float
    noise: float
    jump: float = 0.0


_CHARACTERS: Final = {
    Regime.TREND_UP: _Character(shortest_h=20, longest_h=44, drift=0.018, volatility=0.024, noise=0.0008),
    Regime.CRASH: _Character(shortest_h=4, longest_h=9, drift=-0.20, volatility=0.050, noise=0.0012, jump=-0.025),
    Regime.CHOP: _Character(shortest_h=14, longest_h=34, drift=0.0, volatility=0.026, noise=0.0014),
    Regime.RECOVERY: _Character(shortest_h=16, longest_h=36, drift=0.025, volatility=0.032, noise=0.0010),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolModel:
    """What one symbol is like. `share` is how much of the market's move it makes, `own_volatility` a fraction a day.

    Raises:
        ValueError: a number is out of sense; the field is named.
    """

    first_price: Decimal
    tick_size: Decimal
    share: float = 1.0
    own_volatility: float = 0.008
    volume_per_minute: float = 50.0

    def __post_init__(self) -> None:
        """Refuses numbers out of sense."""
        for name in ("first_price", "tick_size", "volume_per_minute"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: {value} must be above 0")
        for name in ("share", "own_volatility"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}: {value} must be 0 or above")


MODELS: Final = {
    "BTCUSDT": SymbolModel(first_price=Decimal(91500), tick_size=Decimal("0.1"), own_volatility=0.004),
    "ETHUSDT": SymbolModel(
        first_price=Decimal(3050), tick_size=Decimal("0.01"), share=1.2, own_volatility=0.012, volume_per_minute=900.0
    ),
}
"""Models of the symbols that are made without being described."""


def regimes(seed: int) -> Iterator[tuple[Regime, int]]:
    """Yields the regimes of a seed in their order, each with the minutes that it lasts, without end."""
    chance = seeded(seed)
    while True:
        for regime, character in _CHARACTERS.items():
            yield regime, round(60 * chance.uniform(character.shortest_h, character.longest_h))


def generated_candles(symbol: str, *, seed: int, start: datetime, model: SymbolModel | None = None) -> Iterator[Candle]:
    """Yields one-minute candles from `start` on, without end and without gaps. The same seed gives the same candles.

    Raises:
        ValueError: `start` is not a whole minute of a known zone, or the symbol is unknown and no model is given.
    """
    if start.tzinfo is None or start.second or start.microsecond:
        raise ValueError(f"start: {start} must be aware, and a whole minute")
    model = model or MODELS.get(symbol)
    if model is None:
        raise ValueError(f"symbol: no model of {symbol} is built in; give one")
    return _candles(symbol, seed, start.astimezone(UTC), model)


@dataclass(frozen=True, slots=True)
class _Minute:
    """What all symbols share in a minute. `step` is one standard deviation of its move."""

    move: float
    noise: float
    step: float


def _minutes(seed: int) -> Iterator[_Minute]:
    chance, calm = seeded(seed ^ 0x5EED), 0.0
    for regime, minutes in regimes(seed):
        character = _CHARACTERS[regime]
        jump = character.jump
        for _ in range(minutes):
            # Calm and storm come in stretches of hours; the average stays the regime's own.
            calm = _CALM_KEEP * calm + chance.gauss(0.0, _CALM_SHOCK)
            step = character.volatility / math.sqrt(_DAY) * math.exp(calm)
            yield _Minute(jump + character.drift / _DAY + chance.gauss(0.0, step), character.noise, step)
            jump = 0.0


def _candles(symbol: str, seed: int, start: datetime, model: SymbolModel) -> Iterator[Candle]:
    chance = seeded(seed << 32 | zlib.crc32(symbol.encode()))
    level = anchor = math.log(model.first_price)
    own_step, noise = model.own_volatility / math.sqrt(_DAY), 0.0
    open_, at = _on_tick(float(model.first_price), model), start
    for minute in _minutes(seed):
        move = model.share * minute.move + chance.gauss(0.0, own_step)
        level += move + _PULL_PER_MINUTE * (anchor - level)
        noise = _NOISE_KEEP * noise + chance.gauss(0.0, minute.noise * math.sqrt(1 - _NOISE_KEEP**2))
        close = _on_tick(math.exp(level + noise), model)
        reach = _REACH * math.hypot(model.share * minute.step, own_step)
        high = max(_on_tick(float(max(open_, close)) * (1 + reach * abs(chance.gauss(0.0, 1.0))), model), open_, close)
        low = min(_on_tick(float(min(open_, close)) * (1 - reach * abs(chance.gauss(0.0, 1.0))), model), open_, close)
        activity = chance.lognormvariate(0.0, 0.5) * (1 + abs(move) / max(minute.step, own_step))
        volume = Decimal(round(model.volume_per_minute * activity * 1000)) * _VOLUME_STEP
        yield Candle(symbol=symbol, open_time=at, open=open_, high=high, low=low, close=close, volume=volume)
        open_, at = close, at + MINUTE


def _on_tick(price: float, model: SymbolModel) -> Decimal:
    return max(round(price / float(model.tick_size)), 1) * model.tick_size

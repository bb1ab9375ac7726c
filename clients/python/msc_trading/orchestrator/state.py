"""What the orchestrator looks at beside the policy. None, and whatever is not a number, is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Regime(StrEnum):
    """What kind of market it is."""

    TREND_UP = "TREND_UP"
    TREND_DOWN = "TREND_DOWN"
    RANGE = "RANGE"
    CRASH = "CRASH"
    UNKNOWN = "UNKNOWN"


class Volatility(StrEnum):
    """How wild it is."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    EXTREME = "EXTREME"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolState:
    """How a symbol has done lately, and what it costs.

    `mean_return_fraction` is what its last `trades_n` round trips made on average, after costs, as a fraction of
    notional. `cost_fraction` is a round trip's spread and fees now, as a fraction of notional.
    """

    trades_n: int = 0
    mean_return_fraction: float | None = None
    cost_fraction: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """The market: its regime, its volatility, and the symbols that may be traded at all."""

    regime: Regime = Regime.UNKNOWN
    volatility: Volatility = Volatility.UNKNOWN
    symbols: Mapping[str, SymbolState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskState:
    """The account. Fractions of equity, except `drawdown_pct`: a positive number of percent."""

    day_pnl_fraction: float | None = None
    drawdown_pct: float | None = None
    losing_streak: int | None = None
    open_positions: int | None = None
    exposure_fraction: float | None = None

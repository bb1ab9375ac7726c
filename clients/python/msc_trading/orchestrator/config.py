"""The orchestrator's own rules. Each can only tighten."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorConfig:
    """When to tighten, and by how much.

    Raises:
        ValueError: a number is out of sense, or would loosen; the field is named.
    """

    high_volatility_risk_factor: float = 0.5
    """Multiplies the risk when the volatility is HIGH, or unknown."""
    streak_from: int = 5
    """Losses in a row from which a streak counts."""
    streak_risk_factor: float = 0.3
    """Multiplies the risk in a losing streak."""
    streak_confidence_add: float = 0.05
    """Is added to the confidence asked for in a losing streak."""
    unknown_risk_factor: float = 0.5
    """Multiplies the risk when the day's PnL, the drawdown or the exposure is unknown."""
    max_day_loss_fraction: float = 0.05
    """Loss of a day, as a fraction of equity, that ends new trades."""
    max_drawdown_pct: float = 12.0
    """Drawdown that ends new trades, in percent."""
    max_exposure_fraction: float = 10.0
    """Exposure that ends new trades, as a multiple of equity."""
    max_cost_fraction: float = 0.004
    """Cost of a round trip, as a fraction of notional, from which a symbol is left alone."""
    min_symbol_trades: int = 20
    """Round trips from which a symbol's result says something."""
    min_symbol_return_fraction: float = -0.002
    """Mean result below which a symbol is left alone, as a fraction of notional."""

    def __post_init__(self) -> None:
        """Refuses numbers that are none, and those that would loosen."""
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{item.name}: {value!r} is not a number")
            if value < 0 and item.name != "min_symbol_return_fraction":
                raise ValueError(f"{item.name}: {value} is negative")
            if item.name.endswith("_factor") and value > 1:
                raise ValueError(f"{item.name}: {value} would loosen; give a factor from 0 to 1")

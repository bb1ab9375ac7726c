"""What a backtest assumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from msc_trading.guard.config import GuardConfig
from msc_trading.venue.port import SymbolRules

_NOBODY_CLEARS = GuardConfig(
    max_order_notional=Decimal(10) ** 12,
    # Both would stop entries until a person clears them, and nobody watches a backtest.
    max_day_loss_fraction=Decimal(1),
    max_losing_streak=1_000_000,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestConfig:
    """Both sides' account and limits. Money in account currency, minutes of simulated time.

    Raises:
        ValueError: a number is out of sense; the field is named.
    """

    account_id: str = "backtest"
    """Account that the facts for the controller name."""
    starting_equity: Decimal = Decimal(100_000)
    """What each side begins with."""
    max_leverage: Decimal = Decimal(2)
    """Largest notional of one entry, as a multiple of equity; a size above is cut down to it."""
    evaluate_every_min: int = 30
    """How often the controller is asked, at multiples of it since 00:00 UTC. A day must be a multiple of it."""
    equity_every_min: int = 1
    """How often the controller is told the equity. It must divide the time between evaluations."""
    share_symbols: bool = False
    """Whether several strategies may be in a symbol at once. The guard allows it; an executor does not."""
    guard: GuardConfig = _NOBODY_CLEARS
    """The guard's own limits, for both sides. Its fee rate is the one that is paid."""
    rules: Mapping[str, SymbolRules] = field(default_factory=dict)
    """The venue's filters by symbol. A symbol that is not here trades in steps of 0.001, from 5 in notional on."""

    def __post_init__(self) -> None:
        """Refuses numbers out of sense."""
        if not self.account_id.strip():
            raise ValueError("account_id: must be a name")
        for name in ("starting_equity", "max_leverage"):
            value = getattr(self, name)
            if not (value.is_finite() and value > 0):
                raise ValueError(f"{name}: {value} must be above 0")
        for name, whole in (("evaluate_every_min", 1440), ("equity_every_min", self.evaluate_every_min)):
            value = getattr(self, name)
            if value < 1 or whole % value:
                raise ValueError(f"{name}: {value} does not divide {whole} minutes")

    def rules_of(self, symbol: str) -> SymbolRules:
        """Returns the filters of a symbol."""
        return self.rules.get(symbol) or _default_rules(symbol)


def _default_rules(symbol: str) -> SymbolRules:
    step, most = Decimal("0.001"), Decimal(10) ** 9
    return SymbolRules(
        symbol=symbol,
        trading=True,
        # Fills are at the prices of the candles, whatever their tick.
        tick_size=Decimal(0),
        min_price=Decimal(0),
        max_price=Decimal(0),
        step_size=step,
        min_quantity=step,
        max_quantity=most,
        market_step_size=step,
        market_min_quantity=step,
        market_max_quantity=most,
        min_notional=Decimal(5),
        multiplier_up=Decimal("1.05"),
        multiplier_down=Decimal("0.95"),
    )

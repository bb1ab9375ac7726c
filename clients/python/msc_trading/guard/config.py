"""The guard's own limits. They stand beside the policy, and can only tighten what it allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Final

_FRACTIONS: Final = frozenset(
    {"collar_fraction", "fee_rate", "max_day_loss_fraction", "max_open_risk_fraction", "assumed_stop_fraction"}
)
_MAY_BE_NONE: Final = frozenset({"max_open_risk_fraction", "assumed_stop_fraction"})
_MAY_BE_ZERO: Final = frozenset({"fee_rate", "absent_margin_s"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardConfig:
    """Limits that no policy carries. Money in account currency, quantities in base currency, fractions of 1.

    `max_order_notional` has no default: what is too much for one order only its owner knows.

    Raises:
        ValueError: a limit is out of sense; the field is named.
    """

    max_order_notional: Decimal
    """Largest notional of one entry."""
    max_order_quantity: Mapping[str, Decimal] = field(default_factory=dict)
    """Largest quantity of one entry, by symbol. A symbol that is not here has no limit of its own."""
    max_symbol_leverage: Decimal = Decimal(3)
    """Largest exposure in one symbol, as a multiple of equity."""
    max_gross_leverage: Decimal = Decimal(10)
    """Largest exposure in all symbols together, as a multiple of equity."""
    max_open_risk_fraction: Decimal | None = None
    """Largest loss of all positions together at their stops, as a fraction of equity. None: no such limit."""
    symbol_risk_multiplier: Mapping[str, Decimal] = field(default_factory=dict)
    """Share of the policy's risk per trade that a symbol may use, from 0 to 1."""
    strategy_min_confidence: Mapping[str, float] = field(default_factory=dict)
    """Confidence that a strategy needs, where it needs more than the policy asks."""
    symbol_min_confidence: Mapping[str, float] = field(default_factory=dict)
    """Confidence that a symbol needs, where it needs more than the policy asks."""
    assumed_stop_fraction: Decimal | None = None
    """Distance to the stop, as a fraction of the price, for entries without one. None: they are refused."""
    fee_rate: Decimal = Decimal("0.0004")
    """Fee of one side, as a fraction of notional; entry and stop both pay it, and both count as risk."""
    max_day_loss_fraction: Decimal = Decimal("0.05")
    """Loss since 00:00 UTC, as a fraction of the day's first equity, that stops entries until a person clears it."""
    max_losing_streak: int = 10
    """Losses in a row that stop entries until a person clears it."""
    price_age_max_s: float = 5.0
    """Oldest reference price for an entry."""
    collar_fraction: Decimal = Decimal("0.05")
    """Farthest that the sender's price may be from the reference price."""
    equity_age_max_s: float = 60.0
    """Oldest equity for an entry."""
    positions_age_max_s: float = 60.0
    """Oldest confirmation of the positions that is still believed."""
    clock_offset_max_s: float = 1.0
    """Largest difference between the venue's clock and ours for an entry."""
    repeat_max: int = 10
    """Entries of one strategy in one symbol and side within the window; one more latches the strategy."""
    repeat_window_s: float = 60.0
    """The window, in the venue's time."""
    entry_orders_per_10s: int = 200
    """Entries in any 10 s. With the reductions' lane it must stay below what the venue takes."""
    reduce_orders_per_10s: int = 100
    """Reductions in any 10 s: a lane of their own, that entries cannot fill."""
    reservation_ttl_s: float = 30.0
    """Age at which an undecided reservation is asked about. It never frees anything by itself."""
    recv_window_s: float = 5.0
    """The venue refuses a request that reaches it later than this."""
    absent_margin_s: float = 2.0
    """How long after that an answer "no such order" starts to mean something."""
    absent_gap_s: float = 1.0
    """How far apart two such answers must be to be conclusive."""
    remembered_decisions: int = 10_000
    """Decisions kept to answer a repeated request with."""

    def __post_init__(self) -> None:
        """Refuses limits out of sense."""
        for item in fields(self):
            _check(item.name, getattr(self, item.name))


def _check(name: str, value: object) -> None:
    if value is None and name in _MAY_BE_NONE:
        return
    if isinstance(value, Mapping):
        _check_mapping(name, value)
        return
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"{name}: {value!r} is not a number")
    if not math.isfinite(value):
        raise ValueError(f"{name}: {value} is not finite")
    if value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
        raise ValueError(f"{name}: {value} must be above 0")
    if name in _FRACTIONS and value > 1:
        raise ValueError(f"{name}: {value} is above 1; give a fraction, not a percentage")


def _check_mapping(name: str, limits: Mapping[str, float | Decimal]) -> None:
    for key, value in limits.items():
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{name}[{key}]: {value} is not a limit")
        if name != "max_order_quantity" and value > 1:
            raise ValueError(f"{name}[{key}]: {value} is above 1; give a fraction, not a percentage")

"""What the guard is told about the world for one decision. None is a value: unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Self

from msc_client.policy import TradingState
from msc_trading.filters import EXACT
from msc_trading.venue.port import Position, SymbolRules

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedPositions:
    """The account's positions as the venue confirmed them. Made once for each report of the account."""

    quantities: Mapping[str, Decimal]
    exposures: Mapping[str, Decimal]
    gross_exposure: Decimal

    @classmethod
    def of(cls, positions: Iterable[Position] = ()) -> Self:
        """Returns the signed quantities and the exposures at mark price, in quote currency, of what is not flat.

        Raises:
            ValueError: a number is not finite, or a mark is not positive; the symbol is named.
        """
        held = tuple(position for position in positions if not _is_flat(position))
        exposures = {position.symbol: abs(EXACT.multiply(position.quantity, position.mark_price)) for position in held}
        return cls(
            quantities=MappingProxyType({position.symbol: position.quantity for position in held}),
            exposures=MappingProxyType(exposures),
            gross_exposure=sum(exposures.values(), _ZERO),
        )

    def quantity(self, symbol: str) -> Decimal:
        """Returns the signed quantity held, 0 when flat."""
        return self.quantities.get(symbol, _ZERO)

    def exposure(self, symbol: str) -> Decimal:
        """Returns the exposure in quote currency, 0 when flat."""
        return self.exposures.get(symbol, _ZERO)


def _is_flat(position: Position) -> bool:
    if not position.quantity.is_finite():
        raise ValueError(f"quantity: the position in {position.symbol} is {position.quantity}, not a finite number")
    if position.quantity == 0:
        return True
    if not (position.mark_price.is_finite() and position.mark_price > 0):
        raise ValueError(f"mark_price: of {position.symbol} is {position.mark_price}, not a positive number")
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class KillState:
    """What a person has stopped here, beside the policy. The tightest of account, strategy and symbol holds."""

    account: TradingState = TradingState.ACTIVE
    strategies: Mapping[str, TradingState] = field(default_factory=dict)
    symbols: Mapping[str, TradingState] = field(default_factory=dict)

    def state_of(self, strategy_id: str, symbol: str) -> TradingState:
        """Returns the state in which this strategy may trade this symbol."""
        active = TradingState.ACTIVE
        return max(self.account, self.strategies.get(strategy_id, active), self.symbols.get(symbol, active))


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFacts:
    """One consistent view of the account and of the intent's symbol. None means unknown, and unknown means tighter.

    `now` is the venue's time, aware UTC. Ages are seconds since receipt, by a clock that cannot jump. `equity` and
    `day_pnl` (realised and unrealised since 00:00 UTC, after fees) are in account currency. `locks` are the symbols
    that may not be entered, each until an instant (None: until somebody lifts it). `strategy_symbols` says which
    symbols each strategy has a share in. `open_risk` is what the open positions would lose at their stops.
    """

    now: datetime
    positions: ConfirmedPositions | None = None
    positions_age_s: float | None = None
    equity: Decimal | None = None
    equity_age_s: float | None = None
    day_pnl: Decimal | None = None
    losing_streak: int | None = None
    open_risk: Decimal | None = None
    reference_price: Decimal | None = None
    reference_price_age_s: float | None = None
    rules: SymbolRules | None = None
    clock_offset_s: float | None = None
    journal_writable: bool | None = None
    kill: KillState | None = None
    locks: Mapping[str, datetime | None] | None = None
    strategy_symbols: Mapping[str, frozenset[str]] | None = None


def is_fresh(age_s: float | None, limit_s: float) -> bool:
    """Tells whether an age is known and within its limit. Not a number, and an age below 0, are not."""
    return age_s is not None and 0.0 <= age_s <= limit_s


def known(number: Decimal | None) -> Decimal | None:
    """Returns the number when it is one, None otherwise: what is not finite is unknown."""
    return number if number is not None and number.is_finite() else None

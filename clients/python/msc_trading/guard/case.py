"""One intent being judged: what is known, and what was found so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from msc_trading.guard.config import GuardConfig
from msc_trading.guard.facts import ConfirmedPositions, GuardFacts
from msc_trading.guard.intent import OrderIntent
from msc_trading.guard.limits import InForce, StrategyLimits
from msc_trading.guard.reasons import CheckRow, ReasonCode
from msc_trading.venue.port import SymbolRules


@dataclass(frozen=True, slots=True)
class Latch:
    """A stop that holds until a person clears it. Without a strategy it stops the account."""

    code: ReasonCode
    strategy_id: str = ""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why not: code, a sentence with the numbers, and the latch that it throws. `said` is the operators' short form."""

    code: ReasonCode
    text: str
    latch: Latch | None = None
    said: str = ""


class Case:
    """The inputs of one judgement, with the numbers that checks leave for those after them, and the rows they write."""

    __slots__ = (
        "config",
        "entry_price",
        "equity",
        "facts",
        "in_force",
        "intent",
        "latches",
        "notional",
        "now_ns",
        "reference",
        "risk_amount",
        "rows",
        "strategy",
    )

    # Left by the check that finds them. Reading one before that is an AttributeError: no number stands in for it.
    entry_price: Decimal
    equity: Decimal
    notional: Decimal
    reference: Decimal
    risk_amount: Decimal
    strategy: StrategyLimits

    def __init__(
        self,
        intent: OrderIntent,
        facts: GuardFacts,
        in_force: InForce,
        config: GuardConfig,
        latches: frozenset[Latch],
        now_ns: int,
    ) -> None:
        self.intent = intent
        self.facts = facts
        self.in_force = in_force
        self.config = config
        self.latches = latches
        self.now_ns = now_ns
        self.rows: list[CheckRow] = []

    @property
    def positions(self) -> ConfirmedPositions:
        """The confirmed positions, which `check_positions_known` makes sure of."""
        if self.facts.positions is None:
            raise AttributeError("positions: unknown")
        return self.facts.positions

    @property
    def rules(self) -> SymbolRules:
        """The rules of the symbol, which the shape of an entry makes sure of."""
        if self.facts.rules is None:
            raise AttributeError("rules: unknown")
        return self.facts.rules


EntryCheck = Callable[[Case], Denial | None]
"""One check: writes its row, and returns why not, or None."""

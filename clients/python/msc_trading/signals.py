"""What a strategy asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msc_client.facts import Direction


class SignalKind(StrEnum):
    """What the signal wants done with the strategy's position in the symbol."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A strategy's wish. `signal_id` makes it unique: the same id leads to at most one order.

    `confidence` is a fraction, None when the strategy has none (an entry is then refused). `stop_price` protects an
    entry and sizes it. `reference_price` is what the strategy saw, at `at`. `strategy_id` "" is a signal without an
    owner, which is never allowed to enter.
    """

    signal_id: str
    strategy_id: str
    symbol: str
    direction: Direction
    kind: SignalKind
    confidence: float | None
    reference_price: Decimal
    stop_price: Decimal | None
    at: datetime

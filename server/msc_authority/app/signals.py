"""What executors did with signals, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedSignal:
    """A signal that was not traded, as its executor journalled it. `text` is the executor's sentence."""

    at: datetime
    strategy_id: str
    symbol: str
    side: str
    reason: str
    text: str
    executor: str
    policy_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalTally:
    """Entry signals of a span: all of them by strategy, and those that were blocked by (strategy, reason)."""

    seen: Mapping[str, int] = field(default_factory=dict)
    blocked: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def seen_total(self) -> int:
        """How many there were."""
        return sum(self.seen.values())

    @property
    def blocked_total(self) -> int:
        """How many of them were blocked."""
        return sum(self.blocked.values())

    @property
    def blocked_fraction(self) -> float | None:
        """Share of the blocked ones; None: there were no signals."""
        return self.blocked_total / self.seen_total if self.seen_total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalActivity:
    """What executors did with signals. `recent` is newest first and bounded."""

    since_start: SignalTally = SignalTally()
    last_hour: SignalTally = SignalTally()
    recent: tuple[BlockedSignal, ...] = ()

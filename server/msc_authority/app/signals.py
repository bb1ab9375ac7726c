"""What executors did with signals, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

NOT_BY_POLICY = frozenset(
    {
        # The signal itself: broken, late, told twice, or its order is none that the venue takes.
        *("INVALID_SIGNAL", "INVALID_INPUT", "DUPLICATE_SIGNAL", "ID_CONFLICT", "SIGNAL_EXPIRED", "SYMBOL_NOT_SERVED"),
        *("NO_STOP", "STOP_NOT_PROTECTING", "SIZE_TOO_SMALL", "PRICE_COLLAR", "FILTER_PRICE_RANGE", "FILTER_TICK_SIZE"),
        *("FILTER_LOT_SIZE", "FILTER_STEP_SIZE", "FILTER_MARKET_LOT_SIZE", "FILTER_MIN_NOTIONAL"),
        "FILTER_PERCENT_PRICE",
        # What its executor holds or is doing already.
        *("SYMBOL_HELD", "SYMBOL_LOCKED", "ENTRY_PENDING", "STOP_PENDING", "SUPERSEDED_BY_EXIT", "POSITION_MISMATCH"),
        *("FLIP_NOT_ALLOWED", "NOTHING_TO_EXIT", "NOTHING_TO_REDUCE"),
        # What does not work: the venue, the journal, a clock, or a fact that nobody knows.
        *("VENUE_UNAVAILABLE", "STATE_UNWRITABLE", "JOURNAL_UNAVAILABLE", "CLOCK_OFFSET", "PRICE_STALE"),
        *("EQUITY_UNKNOWN", "POSITIONS_UNKNOWN", "SIZE_UNKNOWN"),
        # How often an executor or a strategy may send orders.
        *("RATE_LIMIT", "RATE_LIMITED", "REPEAT_THROTTLE"),
    }
)
"""Reasons for a block that no policy and no limit of risk is behind. Any other counts as their doing, a reason that
nobody has heard of included: what is missing here is rather told of than kept quiet."""


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

    @property
    def by_policy_total(self) -> int:
        """How many were blocked by the policy or a limit of risk."""
        return sum(count for (_, reason), count in self.blocked.items() if reason not in NOT_BY_POLICY)

    @property
    def judged_total(self) -> int:
        """How many the policy decided on: those that came through, and those that it blocked."""
        return self.seen_total - self.blocked_total + self.by_policy_total

    @property
    def by_policy_fraction(self) -> float | None:
        """Share of what the policy blocked in what it decided on; None: that was nothing."""
        return self.by_policy_total / self.judged_total if self.judged_total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalActivity:
    """What executors did with signals. `recent` is newest first and bounded."""

    since_start: SignalTally = SignalTally()
    last_hour: SignalTally = SignalTally()
    recent: tuple[BlockedSignal, ...] = ()

"""What of the journal may go, and what the upkeep of a store asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msc_authority.ports.journal import LedgerCheckpoint


class Kept(StrEnum):
    """What is kept for a time, and then pruned. Policies and the audit log are kept for ever."""

    EXECUTIONS = "executions"
    TRADES = "trades"
    EQUITY = "equity"
    EVALUATIONS = "evaluations"
    """Those that published nothing and changed no strategy, but for the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOrder:
    """That rows no later than `upto` may go. `rows` is how many there were when that was decided."""

    kind: Kept
    upto: datetime
    rows: int


class Retention(Protocol):
    """Lets go of what is old. First it is written down that it may be gone, then it goes, in small batches."""

    def earliest_base(self) -> datetime | None:
        """Returns the earliest watermark that an evaluation may fold on from: that of the newest, or of a rewind
        point. None: nothing was evaluated yet.
        """
        ...

    def pruned_up_to(self, kind: Kept) -> datetime | None:
        """Returns the instant up to which rows may be gone already; None: all are there."""
        ...

    def count(self, kind: Kept, upto: datetime) -> int:
        """Returns how many rows no later than `upto` could go."""
        ...

    def raise_floor(self, floor: LedgerCheckpoint, now: datetime, actor: str) -> None:
        """Makes `floor` the floor of the journal, so that evidence no later than its watermark may go.

        Raises:
            StaleState: something of that time arrived in between, or an evaluation may have to fold on from before it.
        """
        ...

    def allow(self, order: PruneOrder, now: datetime, actor: str) -> None:
        """Writes down that these rows may be gone from now on, with an audit line.

        Raises:
            StaleState: they are evidence later than the floor.
        """
        ...

    def prune(self, kind: Kept, limit: int) -> int:
        """Removes up to `limit` of the rows that may go, and returns how many went."""
        ...

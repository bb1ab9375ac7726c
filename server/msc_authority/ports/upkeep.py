"""What the upkeep of a store needs of it: its audit log, and what of the journal may go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msc_authority.core.audit_chain import Anchor, AuditRow
from msc_authority.ports.journal import LedgerCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One act. `detail` is JSON."""

    actor: str
    action: str
    target: str
    detail: Mapping[str, object]


class AuditLog(Protocol):
    """Who did what to the store, as a chain of rows that only grows. Commits write to it by themselves."""

    def append(self, at: datetime, line: AuditLine) -> AuditRow:
        """Adds a line that nothing else is written with, and returns it as the next row of the chain."""
        ...

    def page(self, before: int | None, limit: int) -> list[AuditRow]:
        """Returns up to `limit` rows with sequence < `before` (None: from the newest), newest first."""
        ...

    def rows_after(self, sequence: int | None) -> Iterator[AuditRow]:
        """Yields the rows behind `sequence` (None: all) in their order, to those written meanwhile."""
        ...

    def last_before(self, at: datetime) -> Anchor | None:
        """Returns the row before the first one written at `at` or later; None: that is the very first."""
        ...

    def newest_of(self, action: str) -> AuditRow | None:
        """Returns the newest row of an action, or None."""
        ...


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

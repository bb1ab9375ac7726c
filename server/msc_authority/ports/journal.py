"""Where facts are kept, how far they were read, and the ledger that is folded from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msc_authority.core.evidence import EquityEvidence, Evidence, TradeColumns
from msc_authority.core.facts import Execution, Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFact:
    """A fact that was not stored. `index` is its place in the batch; `field` names what was wrong."""

    index: int
    id: str
    field: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOutcome:
    """What became of a batch: stored now, stored before, refused."""

    accepted: int
    duplicates: int
    refused: tuple[RefusedFact, ...] = ()


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class JournalCursor:
    """How far the journal has been read, in order of arrival, table by table. Zero: nothing."""

    trades: int = 0
    equity: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCheckpoint:
    """The ledger with exactly the evidence in it that has at <= `watermark` and had arrived by `cursor`."""

    watermark: datetime
    cursor: JournalCursor
    payload: bytes


class Journal(Protocol):
    """Holds the facts."""

    def record(self, facts: Sequence[Fact]) -> RecordOutcome:
        """Stores a batch durably in one transaction. A fact stored before with equal content is a duplicate; the
        same id with other content is refused with code ID_CONFLICT. The rest of the batch is stored all the same.
        """
        ...

    def end(self) -> JournalCursor:
        """Returns the cursor behind all evidence that has arrived so far, in one consistent read."""
        ...

    def earliest_between(self, after: JournalCursor, upto: JournalCursor) -> datetime | None:
        """Returns the smallest `at` of the evidence that arrived later than `after` and no later than `upto`."""
        ...

    def evidence_after(self, after: datetime | None, upto: JournalCursor) -> Iterator[Evidence]:
        """Yields evidence with at > `after` (None: all) that arrived no later than `upto`, ordered by (at, id),
        equity readings after trades of the same instant.
        """
        ...

    def evidence_in_bulk(
        self, after: datetime | None, upto: JournalCursor, until: datetime
    ) -> Iterator[EquityEvidence | TradeColumns]:
        """Yields the same evidence, of it that with at <= `until`, for whoever takes very much of it: first equity
        readings ordered by (at, account), then trades ordered by (at, id), some hundreds at a time.
        """
        ...

    def newest_fact_at(self) -> datetime | None:
        """Returns the instant of the newest fact of any table, or None."""
        ...

    def floor(self) -> LedgerCheckpoint | None:
        """Returns the ledger with all evidence in it that may be gone from the journal; None: all of it is there.

        Evidence no later than its watermark is refused with code TOO_OLD, unless it is a duplicate of what is there.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalledExecution:
    """An execution report and its place in the order of arrival, which starts at 1 and only grows."""

    sequence: int
    execution: Execution


class ExecutionLog(Protocol):
    """Reads execution reports in the order of arrival."""

    def end(self) -> int:
        """Returns the sequence of the report that arrived last; 0: there is none."""
        ...

    def executions_after(self, sequence: int, limit: int) -> list[JournalledExecution]:
        """Returns up to `limit` reports that arrived later than `sequence`, the earliest arrival first."""
        ...

    def last_sequence_before(self, at: datetime) -> int:
        """Returns a sequence so that every report with at >= `at` arrived later than it, as great as is cheap to find;
        0: from the first on.
        """
        ...

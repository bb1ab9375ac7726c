"""What the use cases need from the outside, in the words of the domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msc_authority.core.evaluation import StrategyRanking, Verdict
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeColumns
from msc_authority.core.facts import Execution, Fact
from msc_authority.core.overrides import Override
from msc_authority.core.policy import FieldChange, Policy, PolicyContent, PolicyRef
from msc_authority.ports_operator import OverrideCommit, StoredController


class Clock(Protocol):
    """Reads time."""

    def now(self) -> datetime:
        """Returns the present instant, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Returns seconds that never run backwards; only differences mean anything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest policy. `policy` is None at version 0; `evaluated_at` is the last evaluation that confirmed it."""

    ref: PolicyRef
    policy: Policy | None
    evaluated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A policy in history and how it differed from the one before."""

    policy: Policy
    changes: tuple[FieldChange, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCheckpoint:
    """The ledger with exactly the evidence in it that has at <= `watermark` and had arrived by `cursor`."""

    watermark: datetime
    cursor: JournalCursor
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationEntry:
    """One evaluation as the log keeps it. `sequence` grows by one each; 0 before it is stored."""

    evaluation_id: str
    trigger: str
    started_at: datetime
    duration_s: float
    verdict: Verdict | None
    failure: str = ""
    request_id: str = ""
    requested_by: str = ""
    reason: str = ""
    committed: PolicyRef | None = None
    changes: tuple[FieldChange, ...] = ()
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredState:
    """What an evaluation starts from, read in one transaction. `generation` names it for the conditional commit."""

    generation: int
    head: Head
    controller: bytes | None
    checkpoint: LedgerCheckpoint | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationCommit:
    """Everything one evaluation writes, in one transaction or not at all. `publish` None: the policy stays.

    `term` is that of the lease it was made under; None: of no lease, so none is asked for.
    """

    entry: EvaluationEntry
    publish: PolicyContent | None
    valid_for_s: float
    controller: bytes
    checkpoint: LedgerCheckpoint
    keep_as_rewind_point: bool
    expired: tuple[Override, ...] = ()
    term: int | None = None


class EvaluationStore(Protocol):
    """Where evaluations start from and end."""

    def load(self) -> StoredState:
        """Returns the state of the last evaluation, and the head it belongs to."""
        ...

    def controller(self) -> StoredController:
        """Returns the controller's part of that state alone: it is small."""
        ...

    def commit_override(
        self, commit: OverrideCommit, expected: StoredState, last_look: Callable[[], None] = ...
    ) -> Head:
        """Writes what a person did if `expected` still is the state, and returns the head afterwards.

        The last evaluation stays the one that confirmed the head. `last_look` is called behind everything else, right
        before it counts, and again at each attempt; where it raises, nothing was written.

        Raises:
            StaleState: something was committed in between. Nothing was written.
        """
        ...

    def rewind_point(self, before: datetime) -> LedgerCheckpoint | None:
        """Returns the newest kept checkpoint whose watermark is earlier than `before`, or None."""
        ...

    def commit(self, commit: EvaluationCommit, expected: StoredState) -> Head:
        """Writes it if `expected` still is the state, and returns the head afterwards.

        Allocates version = head + 1 inside the transaction when there is something to publish. Keeps the checkpoint
        as a rewind point when asked to (a bounded number, the newest).

        Raises:
            StaleState: another evaluation was committed in between. Nothing was written.
            Fenced: the commit's term is over. Nothing was written.
        """
        ...

    def before_commit(self, tell: Callable[[Head], object]) -> None:
        """Has `tell` called with the head that a commit with a policy leads to, right before it is durable, on the
        thread that commits.

        For what would hold up its publication. It may still not come about, and be told again; where `tell` raises,
        nothing is written.
        """
        ...

    def record_failure(self, entry: EvaluationEntry, term: int | None = None) -> None:
        """Keeps a failed evaluation made under `term`. Changes neither policy nor state.

        Raises:
            Fenced: that term is over: another replica evaluates, and this failure means nothing.
        """
        ...


class PolicyStore(Protocol):
    """Reads policies."""

    def head(self) -> Head:
        """Returns the newest policy, from the database itself."""
        ...

    def revision(self, version: int) -> Policy | None:
        """Returns one revision of the current epoch, or None."""
        ...

    def revisions(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        """Returns up to `limit` revisions older than `before` (None: from the newest), newest first."""
        ...


class EvaluationLog(Protocol):
    """Reads evaluations."""

    def latest(self) -> EvaluationEntry | None:
        """Returns the newest evaluation that succeeded, or None."""
        ...

    def latest_failure(self) -> EvaluationEntry | None:
        """Returns the newest evaluation if it failed, or None."""
        ...

    def by_request(self, request_id: str, since: datetime) -> EvaluationEntry | None:
        """Returns the evaluation that `request_id` led to, if it started at `since` or later."""
        ...

    def page(self, before: int | None, limit: int) -> list[EvaluationEntry]:
        """Returns up to `limit` evaluations with sequence < `before` (None: from the newest), newest first."""
        ...

    def strategies(self) -> tuple[list[StrategyRanking], datetime | None]:
        """Returns the ranking of the newest successful evaluation and its as_of."""
        ...


class Announcements(Protocol):
    """Tells the other processes on the same store of a new head, and hears of theirs.

    It only makes things faster: an announcement that is lost is made up for by reading the store each second.
    """

    def announce(self, ref: PolicyRef) -> None:
        """Tells the others that `ref` was committed. Returns at once and never raises; the newest ref is enough."""
        ...

    def listen(self, callback: Callable[[PolicyRef | None], None]) -> None:
        """Calls `callback` on a thread of its own with each ref announced from now on, by whomever; with None when
        some may have been missed. Connects again by itself, for ever.
        """
        ...

    @property
    def connected(self) -> bool | None:
        """Whether others are heard of at once; None: this store tells nobody."""
        ...

    def close(self) -> None:
        """Ends telling and hearing; twice is fine."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTally:
    """What went wrong with a store since it was opened: connections that broke, transactions that could not be made
    for now, and those that were done again because they were taken back for another's sake.
    """

    lost: int = 0
    unavailable: int = 0
    repeated: int = 0


class StoreError(Exception):
    """The store did not do what was asked. `__cause__` is the driver's error."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or is locked; trying again may help."""


class StaleState(StoreError):
    """Another writer was first. Nothing was written."""


class Fenced(StoreError):
    """The term that the writer leads under is over. Nothing was written."""

    def __init__(self, message: str, term: int | None = None) -> None:
        """Takes the term that is over."""
        super().__init__(message)
        self.term = term

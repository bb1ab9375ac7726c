"""The store in memory: for replays and tests. It means what the one on SQL means, and forgets when it goes."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from msc_authority.adapters.commits import (
    REWIND_POINTS_KEPT,
    act_to_keep,
    changes_made,
    decided_at,
    entry_to_keep,
    policy_of_act,
    policy_to_publish,
)
from msc_authority.adapters.evidence_order import merged
from msc_authority.adapters.fact_keys import equity_evidence, id_conflict, id_of, trade_evidence
from msc_authority.adapters.instants import aware_utc
from msc_authority.adapters.memory_replicas import MemoryEvaluationRequests, MemoryLease, MemoryReplicas
from msc_authority.adapters.memory_tokens import MemoryTokenStore
from msc_authority.core.evaluation import StrategyRanking
from msc_authority.core.evidence import EquityEvidence, Evidence, TradeEvidence
from msc_authority.core.facts import EquityPoint, Execution, Fact, Trade, happened_at
from msc_authority.core.policy import Policy, PolicyRef
from msc_authority.ports import (
    Clock,
    EvaluationCommit,
    EvaluationEntry,
    Head,
    JournalCursor,
    JournalledExecution,
    LedgerCheckpoint,
    RecordOutcome,
    RefusedFact,
    Revision,
    StaleState,
    StoredState,
    StoreTally,
)
from msc_authority.ports_operator import ActEntry, OverrideCommit, StoredController


class MemoryStore:
    """The ports over one state in memory. Threads may share it."""

    def __init__(self, clock: Clock) -> None:
        self.lease = MemoryLease(clock)
        self.replicas = MemoryReplicas(clock)
        self.requests = MemoryEvaluationRequests(clock)
        self._kept = _Kept(epoch=int(clock.now().timestamp()), lease=self.lease)
        self.journal = MemoryJournal()
        self.executions = MemoryExecutionLog(self.journal)
        self.evaluations = MemoryEvaluationStore(self._kept)
        self.policies = MemoryPolicyStore(self._kept)
        self.log = MemoryEvaluationLog(self._kept)
        self.acts = MemoryActLog(self._kept)
        self.tokens = MemoryTokenStore(clock)

    def tally(self) -> StoreTally:
        """Returns zeros: nothing goes wrong with it."""
        return StoreTally()

    def close(self) -> None:
        """Does nothing: there is nothing to close."""


@dataclass(slots=True, kw_only=True)
class _Kept:
    """What the evaluations left. Whoever holds the lock may look and write."""

    epoch: int
    lease: MemoryLease
    lock: threading.RLock = field(default_factory=threading.RLock)
    generation: int = 0
    evaluated_at: datetime | None = None
    controller: bytes | None = None
    checkpoint: LedgerCheckpoint | None = None
    rewind_points: dict[datetime, LedgerCheckpoint] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)
    entries: list[EvaluationEntry] = field(default_factory=list)
    acts: list[ActEntry] = field(default_factory=list)

    def head(self) -> Head:
        policy = self.revisions[-1].policy if self.revisions else None
        ref = policy.ref if policy else PolicyRef(self.epoch, 0)
        return Head(ref=ref, policy=policy, evaluated_at=self.evaluated_at)

    def check(self, expected: StoredState) -> None:
        if self.generation != expected.generation:
            raise StaleState(f"generation {expected.generation} is over: start again from the state as it is now")

    def add_entry(self, entry: EvaluationEntry) -> None:
        self.entries.append(replace(entry, sequence=len(self.entries) + 1))


class MemoryJournal:
    """Holds the facts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._facts: dict[tuple[type[Fact], Hashable], Fact] = {}
        self._trades: list[TradeEvidence] = []
        self._equity: list[EquityEvidence] = []
        self._executions: list[JournalledExecution] = []
        self._newest: datetime | None = None

    def record(self, facts: Sequence[Fact]) -> RecordOutcome:
        """Stores a batch in one step. A fact stored before with equal content is a duplicate; the same id with other
        content is refused with code ID_CONFLICT. The rest of the batch is stored all the same.
        """
        instants = [aware_utc(happened_at(fact)) for fact in facts]
        refused: list[RefusedFact] = []
        accepted = 0
        with self._lock:
            for index, (fact, at) in enumerate(zip(facts, instants, strict=True)):
                key = (type(fact), id_of(fact))
                if key not in self._facts:
                    self._facts[key] = fact
                    self._take(fact, at)
                    accepted += 1
                elif self._facts[key] != fact:
                    refused.append(id_conflict(index, fact))
        return RecordOutcome(accepted=accepted, duplicates=len(facts) - accepted - len(refused), refused=tuple(refused))

    def _take(self, fact: Fact, at: datetime) -> None:
        self._newest = at if self._newest is None else max(self._newest, at)
        match fact:
            case Trade():
                self._trades.append(trade_evidence(fact))
            case EquityPoint():
                self._equity.append(equity_evidence(fact))
            case Execution():
                sequence = len(self._executions) + 1
                self._executions.append(JournalledExecution(sequence=sequence, execution=fact))

    def end(self) -> JournalCursor:
        """Returns the cursor behind all evidence that has arrived so far."""
        with self._lock:
            return JournalCursor(trades=len(self._trades), equity=len(self._equity))

    def earliest_between(self, after: JournalCursor, upto: JournalCursor) -> datetime | None:
        """Returns the smallest `at` of the evidence that arrived later than `after` and no later than `upto`."""
        with self._lock:
            trades = [row.at for row in self._trades[after.trades : upto.trades]]
            equity = [row.at for row in self._equity[after.equity : upto.equity]]
        return min(trades + equity, default=None)

    def evidence_after(self, after: datetime | None, upto: JournalCursor) -> Iterator[Evidence]:
        """Yields evidence with at > `after` (None: all) that arrived no later than `upto`, ordered by (at, id),
        equity readings after trades of the same instant.
        """
        with self._lock:
            trades = [row for row in self._trades[: upto.trades] if after is None or row.at > after]
            equity = [row for row in self._equity[: upto.equity] if after is None or row.at > after]
        yield from merged(iter(sorted(trades)), iter(sorted(equity)))

    def newest_fact_at(self) -> datetime | None:
        """Returns the instant of the newest fact of any kind, or None."""
        with self._lock:
            return self._newest

    def floor(self) -> LedgerCheckpoint | None:
        """Returns None: nothing is ever pruned here."""
        return None

    def executions_count(self) -> int:
        """Returns how many execution reports have arrived."""
        with self._lock:
            return len(self._executions)

    def executions_from(self, start: int, limit: int | None = None) -> list[JournalledExecution]:
        """Returns up to `limit` (None: all) of the execution reports behind the first `start` to arrive."""
        with self._lock:
            return self._executions[start : None if limit is None else start + limit]


class MemoryExecutionLog:
    """Reads execution reports."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal

    def end(self) -> int:
        """Returns the sequence of the report that arrived last; 0: there is none."""
        return self._journal.executions_count()

    def executions_after(self, sequence: int, limit: int) -> list[JournalledExecution]:
        """Returns up to `limit` reports that arrived later than `sequence`, the earliest arrival first."""
        return self._journal.executions_from(sequence, limit)

    def last_sequence_before(self, at: datetime) -> int:
        """Returns the sequence just before the first report to arrive with an instant of `at` or later."""
        reports = self._journal.executions_from(0)
        since = (report.sequence - 1 for report in reports if report.execution.at >= at)
        return next(since, len(reports))


class MemoryEvaluationStore:
    """Where evaluations start from and end."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    def load(self) -> StoredState:
        """Returns the state of the last evaluation, and the head it belongs to."""
        with self._kept.lock:
            return StoredState(
                generation=self._kept.generation,
                head=self._kept.head(),
                controller=self._kept.controller,
                checkpoint=self._kept.checkpoint,
            )

    def rewind_point(self, before: datetime) -> LedgerCheckpoint | None:
        """Returns the newest kept checkpoint whose watermark is earlier than `before`, or None."""
        with self._kept.lock:
            points = self._kept.rewind_points
            newest = max((watermark for watermark in points if watermark < before), default=None)
            return None if newest is None else points[newest]

    def commit(self, commit: EvaluationCommit, expected: StoredState) -> Head:
        """Writes it if `expected` still is the state, and returns the head afterwards.

        Raises:
            StaleState: another evaluation was committed in between. Nothing was written.
            Fenced: the commit's term is over. Nothing was written.
            ValueError: the commit is not one of an evaluation that succeeded, or holds a number that is not finite.
        """
        kept = self._kept
        as_of = decided_at(commit)
        with kept.lock:
            kept.lease.check(commit.term)
            kept.check(expected)
            before = kept.head()
            policy = policy_to_publish(before, commit)
            if policy is not None:
                kept.revisions.append(Revision(policy=policy, changes=changes_made(before, policy)))
            kept.add_entry(entry_to_keep(commit, before, policy))
            kept.generation += 1
            kept.evaluated_at = as_of
            kept.controller = commit.controller
            kept.checkpoint = commit.checkpoint
            if commit.keep_as_rewind_point:
                self._keep_rewind_point(commit.checkpoint)
            return kept.head()

    def controller(self) -> StoredController:
        """Returns the controller's part of the state alone."""
        with self._kept.lock:
            return StoredController(generation=self._kept.generation, payload=self._kept.controller)

    def commit_override(self, commit: OverrideCommit, expected: StoredState) -> Head:
        """Writes what a person did if `expected` still is the state, and returns the head afterwards.

        Raises:
            StaleState: something was committed in between. Nothing was written.
            Fenced: the commit's term is over. Nothing was written.
            ValueError: it publishes a number that is not finite.
        """
        kept = self._kept
        with kept.lock:
            kept.lease.check(commit.term)
            kept.check(expected)
            before = kept.head()
            policy = policy_of_act(before, commit)
            if policy is not None:
                kept.revisions.append(Revision(policy=policy, changes=changes_made(before, policy)))
            kept.acts.append(replace(act_to_keep(commit, before, policy), sequence=len(kept.acts) + 1))
            kept.generation += 1
            kept.controller = commit.controller
            return kept.head()

    def _keep_rewind_point(self, checkpoint: LedgerCheckpoint) -> None:
        points = self._kept.rewind_points
        points[checkpoint.watermark] = checkpoint
        for watermark in sorted(points)[:-REWIND_POINTS_KEPT]:
            del points[watermark]

    def record_failure(self, entry: EvaluationEntry, term: int | None = None) -> None:
        """Keeps a failed evaluation made under `term`. Changes neither policy nor state. Raises Fenced."""
        with self._kept.lock:
            self._kept.lease.check(term)
            self._kept.add_entry(entry)


class MemoryPolicyStore:
    """Reads policies."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    def head(self) -> Head:
        """Returns the newest policy."""
        with self._kept.lock:
            return self._kept.head()

    def revision(self, version: int) -> Policy | None:
        """Returns one revision of the current epoch, or None."""
        with self._kept.lock:
            found = self._kept.revisions[version - 1 : version] if version > 0 else []
        return found[0].policy if found else None

    def revisions(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        """Returns up to `limit` revisions older than `before` (None: from the newest), newest first."""
        with self._kept.lock:
            newest_first = reversed(self._kept.revisions)
            older = [each for each in newest_first if before is None or each.policy.ref < before]
        return older[:limit]


class MemoryActLog:
    """Reads acts."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    def by_request(self, request_id: str, since: datetime) -> ActEntry | None:
        """Returns the act that `request_id` led to, if it was done at `since` or later."""
        asked = (act for act in self._newest_first() if request_id and act.request_id == request_id)
        return next((act for act in asked if act.at >= since), None)

    def page(self, before: int | None, limit: int) -> list[ActEntry]:
        """Returns up to `limit` acts with sequence < `before` (None: from the newest), newest first."""
        return [act for act in self._newest_first() if before is None or act.sequence < before][:limit]

    def _newest_first(self) -> list[ActEntry]:
        with self._kept.lock:
            return self._kept.acts[::-1]


class MemoryEvaluationLog:
    """Reads evaluations."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept

    def latest(self) -> EvaluationEntry | None:
        """Returns the newest evaluation that succeeded, or None."""
        return next((entry for entry in self._newest_first() if not entry.failure), None)

    def latest_failure(self) -> EvaluationEntry | None:
        """Returns the newest evaluation if it failed, or None."""
        newest = next(iter(self._newest_first()), None)
        return newest if newest is not None and newest.failure else None

    def by_request(self, request_id: str, since: datetime) -> EvaluationEntry | None:
        """Returns the evaluation that `request_id` led to, if it started at `since` or later."""
        if not request_id:
            return None
        asked = (entry for entry in self._newest_first() if entry.request_id == request_id)
        return next((entry for entry in asked if entry.started_at >= since), None)

    def page(self, before: int | None, limit: int) -> list[EvaluationEntry]:
        """Returns up to `limit` evaluations with sequence < `before` (None: from the newest), newest first."""
        return [entry for entry in self._newest_first() if before is None or entry.sequence < before][:limit]

    def strategies(self) -> tuple[list[StrategyRanking], datetime | None]:
        """Returns the ranking of the newest successful evaluation and its as_of."""
        newest = self.latest()
        if newest is None or newest.verdict is None:
            return [], None
        ranked = sorted(newest.verdict.strategies, key=lambda ranking: (ranking.rank, ranking.strategy_id))
        return ranked, newest.verdict.as_of

    def _newest_first(self) -> list[EvaluationEntry]:
        with self._kept.lock:
            return self._kept.entries[::-1]

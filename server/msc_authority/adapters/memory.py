"""The store in memory: for replays and tests. It means what the one on SQL means, and forgets when it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from msc_authority.adapters.audit_lines import act_line, epoch_line, evaluation_line, expiry_lines
from msc_authority.adapters.commits import (
    REWIND_POINTS_KEPT,
    act_to_keep,
    changes_made,
    decided_at,
    entry_to_keep,
    policy_of_act,
    policy_to_publish,
)
from msc_authority.adapters.memory_audit import MemoryAuditLog
from msc_authority.adapters.memory_evaluations import KeptEvaluations
from msc_authority.adapters.memory_journal import MemoryExecutionLog, MemoryJournal
from msc_authority.adapters.memory_replicas import MemoryEvaluationRequests, MemoryLease, MemoryReplicas
from msc_authority.adapters.memory_retention import MemoryRetention
from msc_authority.adapters.memory_tokens import MemoryTokenStore
from msc_authority.core.evaluation import StrategyRanking
from msc_authority.core.policy import Policy, PolicyRef
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationCommit, EvaluationEntry, StoredState
from msc_authority.ports.journal import LedgerCheckpoint
from msc_authority.ports.operator import ActEntry, OverrideCommit, StoredController
from msc_authority.ports.policies import Head, Revision
from msc_authority.ports.store import StoreTally

__all__ = ["MemoryJournal", "MemoryStore"]


class MemoryStore:
    """The ports over one state in memory. Threads may share it."""

    def __init__(self, clock: Clock) -> None:
        self.lease = MemoryLease(clock)
        self.replicas = MemoryReplicas(clock)
        self.requests = MemoryEvaluationRequests(clock)
        self.audit = MemoryAuditLog()
        epoch = int(clock.now().timestamp())
        self.audit.append(clock.now(), epoch_line(epoch, actor="authority", reason="database created"))
        self._kept = KeptEvaluations(epoch=epoch, lease=self.lease, audit=self.audit, now=clock.now)
        self.journal = MemoryJournal()
        self.executions = MemoryExecutionLog(self.journal)
        self.evaluations = MemoryEvaluationStore(self._kept)
        self.policies = MemoryPolicyStore(self._kept)
        self.log = MemoryEvaluationLog(self._kept)
        self.acts = MemoryActLog(self._kept)
        self.retention = MemoryRetention(self.journal, self._kept)
        self.tokens = MemoryTokenStore(clock, self.audit)

    def tally(self) -> StoreTally:
        """Returns zeros: nothing goes wrong with it."""
        return StoreTally()

    def close(self) -> None:
        """Does nothing: there is nothing to close."""


class MemoryEvaluationStore:
    """Where evaluations start from and end."""

    def __init__(self, kept: KeptEvaluations) -> None:
        self._kept = kept
        self._tell: Callable[[Head], object] = lambda head: None

    def before_commit(self, tell: Callable[[Head], object]) -> None:
        """Has `tell` called with the head that a commit with a policy leads to, right before it is kept."""
        self._tell = tell

    def _announce(self, policy: Policy | None, evaluated_at: datetime | None) -> None:
        if policy is not None:
            self._tell(Head(ref=policy.ref, policy=policy, evaluated_at=evaluated_at))

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
            entry = entry_to_keep(commit, before, policy)
            self._announce(policy, as_of)
            # First, for it alone may still refuse what it is given.
            kept.audit.append_all(kept.now(), *expiry_lines(commit.expired), evaluation_line(entry, policy))
            if policy is not None:
                kept.revisions.append(Revision(policy=policy, changes=changes_made(before, policy)))
            kept.add_entry(entry)
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

    def commit_override(
        self, commit: OverrideCommit, expected: StoredState, last_look: Callable[[], None] = lambda: None
    ) -> Head:
        """Writes what a person did if `expected` still is the state, and returns the head afterwards.

        `last_look` comes last: what it raises takes everything back.

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
            entry = act_to_keep(commit, before, policy)
            self._announce(policy, before.evaluated_at)
            last_look()
            lines = (*expiry_lines(commit.expired), act_line(entry, policy, commit.credential))
            kept.audit.append_all(kept.now(), *lines)
            if policy is not None:
                kept.revisions.append(Revision(policy=policy, changes=changes_made(before, policy)))
            kept.acts.append(replace(entry, sequence=len(kept.acts) + 1))
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
            self._kept.audit.append(self._kept.now(), evaluation_line(entry, None))
            self._kept.add_entry(entry)


class MemoryPolicyStore:
    """Reads policies."""

    def __init__(self, kept: KeptEvaluations) -> None:
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

    def __init__(self, kept: KeptEvaluations) -> None:
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

    def __init__(self, kept: KeptEvaluations) -> None:
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

"""Evaluates: reads what is new, decides, and commits evaluation, state and policy in one step."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from msc_authority.app.ledger import LedgerMemory, LedgerReading, read_ledger
from msc_authority.core.config import DecisionConfig
from msc_authority.core.controller import ControllerState, Decision, decide, what_if
from msc_authority.core.evaluation import SuppliedMetrics, Verdict
from msc_authority.core.overriding import of_lineage
from msc_authority.core.policy import FieldChange, PolicyContent, changes_between, effective_part
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import (
    EvaluationCommit,
    EvaluationEntry,
    EvaluationLog,
    EvaluationStore,
    StoredState,
)
from msc_authority.ports.journal import Journal
from msc_authority.ports.policies import Head
from msc_authority.ports.store import Fenced, StaleState, StoreError

_log = logging.getLogger(__name__)

REQUEST_MEMORY = timedelta(hours=24)
_ATTEMPTS = 5


class EvaluationFailed(Exception):
    """The evaluation could not be made. It is in the log, and the policy was kept. `__cause__` says why."""


class InvalidMetric(ValueError):
    """A supplied metric makes no sense."""

    def __init__(self, message: str) -> None:
        """Takes 'field: problem', as the core says it."""
        field, _, problem = message.partition(":")
        super().__init__(message)
        self.field, self.problem = field.strip(), problem.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOutcome:
    """What an evaluation led to. `candidate` is what was committed, or what it would be."""

    entry: EvaluationEntry
    candidate: PolicyContent
    changes: tuple[FieldChange, ...]
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    stored: StoredState
    state: ControllerState
    reading: LedgerReading
    decision: Decision


class Evaluator:
    """Makes evaluations, one at a time. Blocking: call it from a worker thread."""

    def __init__(
        self,
        *,
        store: EvaluationStore,
        journal: Journal,
        log: EvaluationLog,
        clock: Clock,
        config: DecisionConfig,
        valid_for_s: float,
        new_id: Callable[[], str],
        term: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Takes what it works on; `valid_for_s` is how long a decision stays valid without a new evaluation.

        `term` returns what this process leads under, and raises where it does not lead; None: it need not.
        """
        self._store, self._journal, self._log, self._clock = store, journal, log, clock
        self._config, self._valid_for_s, self._new_id, self._term = config, valid_for_s, new_id, term
        self._turn = threading.Lock()
        self._memory = LedgerMemory()
        # What the last commit stored, and what it was made of.
        self._controller: tuple[bytes, ControllerState] | None = None

    def evaluate(
        self, *, trigger: str, request_id: str = "", requested_by: str = "", reason: str = ""
    ) -> EvaluationOutcome:
        """Evaluates the journal as of now and commits the outcome. A known `request_id` returns its own outcome again.

        Raises:
            EvaluationFailed: it could not be made; the policy was kept and the failure is in the log.
            Fenced: another replica began to lead meanwhile. Nothing was written.
            StoreUnavailable: the store cannot be reached, so not even the failure could be kept.
        """
        with self._turn:
            if request_id and (known := self._known(request_id)):
                return known
            # Before anything is read: what another leader commits from here on fences this evaluation.
            term = self._term()
            draft = EvaluationEntry(
                evaluation_id=self._new_id(),
                trigger=trigger,
                started_at=self._clock.now(),
                duration_s=0.0,
                verdict=None,
                request_id=request_id,
                requested_by=requested_by,
                reason=reason,
            )
            return self._guarded(draft, term)

    def preview(self, *, requested_by: str = "", reason: str = "") -> EvaluationOutcome:
        """Says what an evaluation would decide now. Writes nothing."""
        began = self._clock.monotonic()
        as_of = self._clock.now()
        basis = self._decide(as_of)
        return self._unwritten(
            basis.stored, basis.decision.verdict, began, "preview", requested_by=requested_by, reason=reason
        )

    def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        """Says what the policy would be under the supplied metrics. Writes nothing.

        Raises:
            InvalidMetric: a metric is not finite or out of its range.
        """
        began = self._clock.monotonic()
        as_of = self._clock.now()
        stored = self._store.load()
        state = self._controller_of(stored, as_of)
        reading = self._read(stored, as_of)
        try:
            verdict = what_if(supplied, reading.ledger, state, self._config, as_of)
        except ValueError as error:
            raise InvalidMetric(str(error)) from error
        return self._unwritten(stored, verdict, began, "what_if")

    def _guarded(self, draft: EvaluationEntry, term: int | None) -> EvaluationOutcome:
        began = self._clock.monotonic()
        try:
            return self._commit(draft, term, began)
        except Fenced:
            # The evaluation that counts is another's; that this one was refused means nothing.
            raise
        except Exception as error:
            failed = replace(draft, duration_s=self._clock.monotonic() - began, failure=_describe(error))
            self._keep_failure(failed, term)
            if isinstance(error, StoreError) and not isinstance(error, StaleState):
                raise
            raise EvaluationFailed(f"evaluation {draft.evaluation_id} failed: {failed.failure}") from error

    def _keep_failure(self, failed: EvaluationEntry, term: int | None) -> None:
        try:
            self._store.record_failure(failed, term)
        except StoreError as error:
            _log.error("The failed evaluation %s could not be kept: %s", failed.evaluation_id, error)

    def _commit(self, draft: EvaluationEntry, term: int | None, began: float) -> EvaluationOutcome:
        for attempt in range(1, _ATTEMPTS + 1):
            commit, basis = self._prepare(draft, term, began)
            try:
                head = self._store.commit(commit, basis.stored)
            except StaleState:
                if attempt == _ATTEMPTS:
                    raise
                # It may have been the same request, made of another replica.
                if draft.request_id and (known := self._known(draft.request_id)):
                    return known
                _log.info("Another evaluation was committed meanwhile; evaluating again (attempt %d)", attempt + 1)
                continue
            self._memory.keep(commit.checkpoint.payload, basis.reading.ledger)
            self._controller = commit.controller, basis.decision.state
            entry = replace(commit.entry, committed=head.ref if commit.publish else None)
            verdict = _verdict_of(entry)
            return EvaluationOutcome(entry=entry, candidate=verdict.candidate, changes=entry.changes, head=head)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _prepare(self, draft: EvaluationEntry, term: int | None, began: float) -> tuple[EvaluationCommit, _Basis]:
        as_of = self._clock.now()
        basis = self._decide(as_of, self._memory)
        verdict = basis.decision.verdict
        before = _content_of(basis.stored.head)
        publish = self._is_new(basis.stored.head, verdict.candidate)
        entry = replace(
            draft,
            duration_s=self._clock.monotonic() - began,
            verdict=verdict,
            changes=changes_between(before, verdict.candidate),
        )
        checkpoint = basis.reading.checkpoint(as_of)
        previous = basis.stored.checkpoint
        commit = EvaluationCommit(
            entry=entry,
            publish=verdict.candidate if publish else None,
            valid_for_s=self._valid_for_s,
            controller=basis.decision.state.encode(),
            checkpoint=checkpoint,
            keep_as_rewind_point=previous is None or _hour(previous.watermark) != _hour(as_of),
            expired=basis.decision.expired,
            term=term,
        )
        return commit, basis

    def _is_new(self, head: Head, candidate: PolicyContent) -> bool:
        policy = head.policy
        if policy is None or policy.valid_for_s != self._valid_for_s:
            return True
        return effective_part(policy.content) != effective_part(candidate)

    def _decide(self, as_of: datetime, memory: LedgerMemory | None = None) -> _Basis:
        stored = self._store.load()
        state = self._controller_of(stored, as_of)
        reading = self._read(stored, as_of, memory)
        newest = self._journal.newest_fact_at()
        decision = decide(reading.ledger, state, self._config, as_of, newest_fact_at=newest)
        candidate = of_lineage(decision.verdict.candidate, state.overrides, stored.head.ref.epoch)
        decision = replace(decision, verdict=replace(decision.verdict, candidate=candidate))
        return _Basis(stored=stored, state=state, reading=reading, decision=decision)

    def _controller_of(self, stored: StoredState, as_of: datetime) -> ControllerState:
        if stored.controller is None:
            return ControllerState.initial(as_of)
        known = self._controller
        if known is not None and known[0] == stored.controller:
            return known[1]
        return ControllerState.decode(stored.controller)

    def _read(self, stored: StoredState, as_of: datetime, memory: LedgerMemory | None = None) -> LedgerReading:
        return read_ledger(
            checkpoint=stored.checkpoint,
            store=self._store,
            journal=self._journal,
            config=self._config,
            as_of=as_of,
            memory=memory,
        )

    def _unwritten(
        self,
        stored: StoredState,
        verdict: Verdict,
        began: float,
        trigger: str,
        *,
        requested_by: str = "",
        reason: str = "",
    ) -> EvaluationOutcome:
        changes = changes_between(_content_of(stored.head), verdict.candidate)
        entry = EvaluationEntry(
            evaluation_id=self._new_id(),
            trigger=trigger,
            started_at=verdict.as_of,
            duration_s=self._clock.monotonic() - began,
            verdict=verdict,
            requested_by=requested_by,
            reason=reason,
            changes=changes,
        )
        return EvaluationOutcome(entry=entry, candidate=verdict.candidate, changes=changes, head=stored.head)

    def _known(self, request_id: str) -> EvaluationOutcome | None:
        entry = self._log.by_request(request_id, self._clock.now() - REQUEST_MEMORY)
        if entry is None or entry.verdict is None:
            return None
        head = self._store.load().head
        return EvaluationOutcome(entry=entry, candidate=entry.verdict.candidate, changes=entry.changes, head=head)


def _content_of(head: Head) -> PolicyContent | None:
    return head.policy.content if head.policy else None


def _verdict_of(entry: EvaluationEntry) -> Verdict:
    if entry.verdict is None:
        raise EvaluationFailed(f"evaluation {entry.evaluation_id} has no verdict")
    return entry.verdict


def _hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

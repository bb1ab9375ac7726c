"""What an evaluation starts from, the one commit that ends it, and its history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msc_authority.core.evaluation import StrategyRanking, Verdict
from msc_authority.core.overrides import Override
from msc_authority.core.policy import FieldChange, PolicyContent, PolicyRef
from msc_authority.ports.journal import LedgerCheckpoint
from msc_authority.ports.operator import OverrideCommit, StoredController
from msc_authority.ports.policies import Head


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

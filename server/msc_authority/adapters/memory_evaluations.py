"""What evaluations and persons left, in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from msc_authority.adapters.memory_audit import MemoryAuditLog
from msc_authority.adapters.memory_replicas import MemoryLease
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.evaluations import EvaluationEntry, StoredState
from msc_authority.ports.journal import LedgerCheckpoint
from msc_authority.ports.operator import ActEntry
from msc_authority.ports.policies import Head, Revision
from msc_authority.ports.store import StaleState


@dataclass(slots=True, kw_only=True)
class KeptEvaluations:
    """It. Whoever holds the lock may look and write."""

    epoch: int
    lease: MemoryLease
    audit: MemoryAuditLog
    now: Callable[[], datetime]
    lock: threading.RLock = field(default_factory=threading.RLock)
    generation: int = 0
    evaluated_at: datetime | None = None
    controller: bytes | None = None
    checkpoint: LedgerCheckpoint | None = None
    rewind_points: dict[datetime, LedgerCheckpoint] = field(default_factory=dict)
    revisions: list[Revision] = field(default_factory=list)
    entries: list[EvaluationEntry] = field(default_factory=list)
    acts: list[ActEntry] = field(default_factory=list)
    pruned_up_to: datetime | None = None

    def head(self) -> Head:
        """The newest policy."""
        policy = self.revisions[-1].policy if self.revisions else None
        ref = policy.ref if policy else PolicyRef(self.epoch, 0)
        return Head(ref=ref, policy=policy, evaluated_at=self.evaluated_at)

    def check(self, expected: StoredState) -> None:
        """Passes what starts from the state as it is. Raises StaleState."""
        if self.generation != expected.generation:
            raise StaleState(f"generation {expected.generation} is over: start again from the state as it is now")

    def add_entry(self, entry: EvaluationEntry) -> None:
        """Keeps an evaluation as the newest."""
        # The newest is never pruned.
        self.entries.append(replace(entry, sequence=self.entries[-1].sequence + 1 if self.entries else 1))

    def earliest_base(self) -> datetime | None:
        """The earliest watermark that an evaluation may fold on from; None: nothing was evaluated yet."""
        newest = [self.checkpoint.watermark] if self.checkpoint is not None else []
        return min([*newest, *self.rewind_points], default=None)

    def may_go(self, upto: datetime) -> list[EvaluationEntry]:
        """Evaluations no later than `upto` that published nothing and moved no strategy, but for the newest good one
        and those behind it; the oldest first.
        """
        newest_good = max((entry.sequence for entry in self.entries if not entry.failure), default=0)
        old = (entry for entry in self.entries if entry.started_at <= upto and entry.sequence < newest_good)
        gone = (entry for entry in old if entry.committed is None and not (entry.verdict and entry.verdict.transitions))
        return sorted(gone, key=lambda entry: entry.started_at)

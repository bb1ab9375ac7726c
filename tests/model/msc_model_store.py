"""The database that all replicas share, with everything that a model wants to see; backups of it; and a Redis."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime

from msc_model_reference import Reference

from msc_authority.adapters.leases import LeaseRow
from msc_authority.adapters.memory import MemoryStore
from msc_authority.adapters.memory_cache import MemoryPolicyCache
from msc_authority.core.policy import PolicyRef
from msc_authority.core.restoring import what_a_restore_keeps
from msc_authority.core.state import ControllerState
from msc_authority.ports.cache import CachedHead, CacheError, CacheFault, PolicyCache, Put
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationCommit, EvaluationEntry, EvaluationStore, StoredState
from msc_authority.ports.journal import LedgerCheckpoint
from msc_authority.ports.operator import OverrideCommit, StoredController
from msc_authority.ports.policies import Head
from msc_authority.ports.replicas import Lease, LeaseState
from msc_authority.ports.store import StoreUnavailable

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class StoppedBeforeCommit(BaseException):
    """A process stood still with its commit on its lips. `go_on` makes it."""

    def __init__(self, go_on: Callable[[], Head]) -> None:
        super().__init__()
        self.go_on = go_on


class SeenEvaluations:
    """The evaluations of a store as one replica writes them; the model hears of each commit that the store took."""

    def __init__(self, inner: EvaluationStore, reference: Reference, stop: Callable[[], bool]) -> None:
        """`stop` says, once, whether the process stands still before the commit at hand."""
        self._inner, self._reference, self._stop = inner, reference, stop

    def load(self) -> StoredState:
        return self._inner.load()

    def controller(self) -> StoredController:
        return self._inner.controller()

    def rewind_point(self, before: datetime) -> LedgerCheckpoint | None:
        return self._inner.rewind_point(before)

    def commit_override(
        self, commit: OverrideCommit, expected: StoredState, last_look: Callable[[], None] = lambda: None
    ) -> Head:
        def go_on() -> Head:
            head = self._inner.commit_override(commit, expected, last_look)
            self._reference.said(commit.entry)
            return head

        return self._seen(go_on, term=commit.term, evaluated=False)

    def commit(self, commit: EvaluationCommit, expected: StoredState) -> Head:
        def go_on() -> Head:
            return self._seen(lambda: self._inner.commit(commit, expected), term=commit.term, evaluated=True)

        if self._stop():
            raise StoppedBeforeCommit(go_on)
        return go_on()

    def before_commit(self, tell: Callable[[Head], object]) -> None:
        self._inner.before_commit(tell)

    def record_failure(self, entry: EvaluationEntry, term: int | None = None) -> None:
        self._inner.record_failure(entry, term)
        self._reference.wrote_under(term)

    def _seen(self, commit: Callable[[], Head], *, term: int | None, evaluated: bool) -> Head:
        head = commit()
        self._reference.wrote_under(term)
        self._reference.committed(head, evaluated=evaluated)
        return head


class SeenLease:
    """The lease of a store; the model hears of each grant."""

    def __init__(self, inner: Lease, reference: Reference) -> None:
        self._inner, self._reference = inner, reference

    def acquire_or_renew(self, holder: str, address: str, ttl_s: float) -> LeaseState:
        state = self._inner.acquire_or_renew(holder, address, ttl_s)
        if state.held:
            self._reference.granted(state.term)
        return state

    def release(self, term: int) -> None:
        self._inner.release(term)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a store had: its state, and the facts of its journal."""

    kept: dict[str, object]
    journal: dict[str, object]


class Database:
    """One store in memory, which goes away, comes back, and is restored."""

    def __init__(self, clock: Clock, reference: Reference) -> None:
        self._clock, self._reference = clock, reference
        self.store = MemoryStore(clock)
        self.down = False
        self.answer_takes_s = 0.0
        reference.began(self.store.policies.head().ref.epoch)

    def check(self) -> None:
        """Raises StoreUnavailable while it is away."""
        if self.down:
            raise StoreUnavailable("the database is away")

    def backup(self) -> Backup:
        kept = self.store._kept
        return Backup(
            kept={name: copy(getattr(kept, name)) for name in _STATE},
            journal={name: copy(value) for name, value in vars(self.store.journal).items() if "lock" not in name},
        )

    def restore(self, backup: Backup, *, new_epoch: bool = True, keep_words: bool = True) -> None:
        """Has what the backup has, as `msc restore --replace` leaves it: a new lineage, nobody's lease under a new
        term, and what persons have said since.
        """
        kept, now = self.store._kept, self._clock.now()
        epoch = max(kept.epoch + 1, int(now.timestamp())) if new_epoch else kept.epoch
        generation, replaced = max(kept.generation + 1, epoch), kept.controller
        for name, value in backup.kept.items():
            setattr(kept, name, copy(value))
        for name, value in backup.journal.items():
            setattr(self.store.journal, name, copy(value))
        kept.generation = generation
        if keep_words:
            words = what_a_restore_keeps(_state_of(kept.controller, now), _state_of(replaced, now), now)
            kept.controller = words.state.encode()
        if new_epoch:
            kept.epoch, kept.revisions, kept.evaluated_at = epoch, [], None
        row = LeaseRow(term=epoch, holder="", address="", renewed_at=_LONG_AGO, expires_at=_LONG_AGO)
        kept.lease._row = row
        self._reference.restored(epoch)


def _state_of(controller: bytes | None, now: datetime) -> ControllerState:
    return ControllerState.initial(now) if controller is None else ControllerState.decode(controller)


# The epoch and the lease are not restored: they only grow.
_STATE = ("evaluated_at", "controller", "checkpoint", "rewind_points", "revisions", "entries", "acts")


class Redis:
    """One cache, which goes away, forgets, and comes back with what it had before."""

    def __init__(self, clock: Clock) -> None:
        self.inner = MemoryPolicyCache(clock)
        self._older: list[object] = []

    @property
    def down(self) -> bool:
        return self.inner.error is not None

    @down.setter
    def down(self, down: bool) -> None:
        self.inner.error = CacheError("the cache is away", CacheFault.LOST) if down else None

    def remember(self) -> None:
        """A replica of it copies what it has."""
        self._older.append(deepcopy(self.inner._kept))
        del self._older[:-4]

    def fail_over(self, number: int) -> None:
        """A copy that was left behind takes its place."""
        if self._older:
            self.inner._kept = self._older[number % len(self._older)]  # type: ignore[assignment]  # copied from there


class Reached:
    """The cache as one replica reaches it, or does not."""

    def __init__(self, inner: PolicyCache, cut: Callable[[], bool]) -> None:
        self._inner, self._cut = inner, cut
        self._closed = False

    def put(self, head: Head, *, confirmed_at: float, ttl_s: float) -> Put:
        self._check()
        return self._inner.put(head, confirmed_at=confirmed_at, ttl_s=ttl_s)

    def get(self) -> CachedHead | None:
        self._check()
        return self._inner.get()

    def listen(self, callback: Callable[[PolicyRef | None], None]) -> None:
        self._inner.listen(lambda ref: None if self._closed or self._cut() else callback(ref))

    def close(self) -> None:
        """Hears no more. The cache itself stays: it belongs to all."""
        self._closed = True

    def _check(self) -> None:
        if self._cut():
            raise CacheError("the cache cannot be reached", CacheFault.LOST)

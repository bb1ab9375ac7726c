"""In memory, what several authorities share on a database. For tests, and for one process that shares with nobody."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from msc_authority.adapters.leases import Claim, LeaseRow, check_term, given_back, granted, state_of
from msc_authority.ports.clock import Clock
from msc_authority.ports.replicas import EvaluationRequest, LeaseState, Replica

_ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)


class MemoryLease:
    """Says which replica leads. Its time is what durations are measured with, so a set clock moves nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._row: LeaseRow | None = None

    def acquire_or_renew(self, holder: str, address: str, ttl_s: float) -> LeaseState:
        """Gives `holder` the lease for `ttl_s` from now if it has it or nobody has, and says who has it."""
        with self._lock:
            now = _now(self._clock)
            self._row = granted(self._row, Claim(holder=holder, address=address, ttl_s=ttl_s), now) or self._row
            if self._row is None:
                raise AssertionError("unreachable: a lease that nobody ever had is granted")
            return state_of(self._row, holder, now)

    def release(self, term: int) -> None:
        """Gives the lease back if `term` is still its term, so that another may have it at once."""
        with self._lock:
            if self._row is not None and self._row.term == term:
                self._row = given_back(self._row, _now(self._clock))

    def check(self, term: int | None) -> None:
        """Passes what is written under the present term, or under none. Raises Fenced."""
        with self._lock:
            check_term(self._row.term if self._row else None, term)


class MemoryReplicas:
    """Knows which authorities share the store."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Replica, datetime]] = {}

    def beat(self, replica: Replica, forget_after_s: float) -> list[Replica]:
        """Keeps that `replica` is alive, forgets those silent for longer, and returns the others and it, by address."""
        with self._lock:
            now = _now(self._clock)
            since = now - timedelta(seconds=forget_after_s)
            self._seen = {key: kept for key, kept in self._seen.items() if kept[1] >= since}
            self._seen[replica.server_id] = (replica, now)
            seen = [replace(kept, seen_ago_s=(now - at).total_seconds()) for kept, at in self._seen.values()]
        return sorted(seen, key=lambda kept: (kept.address, kept.server_id))

    def leave(self, server_id: str) -> None:
        """Forgets a replica."""
        with self._lock:
            self._seen.pop(server_id, None)


class MemoryEvaluationRequests:
    """Carries requests for evaluations from any replica to the leader."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: dict[str, tuple[EvaluationRequest, datetime]] = {}

    def ask(self, request: EvaluationRequest) -> None:
        """Keeps the request. One with the same id that waits already stays as it is."""
        with self._lock:
            self._asked.setdefault(request.request_id, (request, _now(self._clock)))

    def waiting(self, forget_after_s: float) -> list[EvaluationRequest]:
        """Returns the requests that wait, the oldest first, and forgets those that have waited longer than that."""
        with self._lock:
            since = _now(self._clock) - timedelta(seconds=forget_after_s)
            self._asked = {key: kept for key, kept in self._asked.items() if kept[1] >= since}
            asked = sorted(self._asked.values(), key=lambda kept: (kept[1], kept[0].request_id))
        return [request for request, _ in asked]

    def forget(self, request_id: str) -> None:
        """Ends the waiting of a request."""
        with self._lock:
            self._asked.pop(request_id, None)


def _now(clock: Clock) -> datetime:
    return _ORIGIN + timedelta(seconds=clock.monotonic())

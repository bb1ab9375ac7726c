"""The cache in memory, for several authorities in one process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from msc_authority.core.policy import PolicyRef
from msc_authority.ports.cache import Before, CachedHead, CacheError, CacheFault, Put
from msc_authority.ports.clock import Clock
from msc_authority.ports.policies import Head

VOUCHED_FOR_S = 15.0
"""Time that a reading of the database vouches for the policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    head: Head
    confirmed_at: float
    expires_at: float


class MemoryPolicyCache:
    """Implements `PolicyCache`. `error` makes every call fail; `kept` None is a cache that lost what it had."""

    def __init__(self, clock: Clock) -> None:
        """Has nothing."""
        self._clock = clock
        self._turn = threading.Lock()
        self._callbacks: tuple[Callable[[PolicyRef | None], None], ...] = ()
        self._kept: _Kept | None = None
        self.error: CacheError | None = None

    def put(self, head: Head, *, confirmed_at: float, ttl_s: float) -> Put:
        """Keeps a head that the database said at `confirmed_at`, monotonic, is the newest. See `PolicyCache`."""
        if head.policy is None:
            raise ValueError("before the first policy there is nothing to keep")
        now = self._clock.monotonic()
        offer = _Kept(head=head, confirmed_at=confirmed_at, expires_at=now + ttl_s)
        with self._turn:
            found = self._present()
            if now - confirmed_at >= VOUCHED_FOR_S or ttl_s <= 0:
                raise CacheError("what was put took too long to arrive, and was not kept", CacheFault.SLOW)
            put = Put(before=_before(found, offer), ref=found.head.ref if found else None)
            if put.kept:
                self._kept = _merged(found, offer) if found and put.before is Before.SAME else offer
        if put.before in (Before.NOTHING, Before.OLDER):
            for callback in self._callbacks:
                callback(head.ref)
        return put

    def get(self) -> CachedHead | None:
        """Returns the head it has, or None."""
        with self._turn:
            found = self._present()
        return CachedHead(head=found.head, confirmed_at=found.confirmed_at) if found else None

    def listen(self, callback: Callable[[PolicyRef | None], None]) -> None:
        """Calls `callback` with each ref that is put from now on, on the thread of whoever puts."""
        self._callbacks = (*self._callbacks, callback)

    def lose(self) -> None:
        """Has nothing any more."""
        self._kept = None

    def close(self) -> None:
        """Ends listening; twice is fine."""
        self._callbacks = ()

    def _present(self) -> _Kept | None:
        if self.error is not None:
            raise self.error
        kept = self._kept
        return kept if kept is not None and kept.expires_at > self._clock.monotonic() else None


def _before(found: _Kept | None, offer: _Kept) -> Before:
    if found is None:
        return Before.NOTHING
    if found.head.ref != offer.head.ref:
        return Before.OLDER if found.head.ref < offer.head.ref else Before.NEWER
    return Before.SAME if _etag(found) == _etag(offer) else Before.OTHER


def _merged(found: _Kept, offer: _Kept) -> _Kept:
    # Of two readings of the database, the later is right.
    later = offer.confirmed_at > found.confirmed_at or _evaluated_at(offer) > _evaluated_at(found)
    return _Kept(
        head=offer.head if later else found.head,
        confirmed_at=max(found.confirmed_at, offer.confirmed_at),
        expires_at=max(found.expires_at, offer.expires_at),
    )


def _evaluated_at(kept: _Kept) -> datetime:
    return kept.head.evaluated_at or datetime.min.replace(tzinfo=UTC)


def _etag(kept: _Kept) -> str:
    return kept.head.policy.etag if kept.head.policy else ""

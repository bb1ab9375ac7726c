"""A cache beside the store: the current policy, for the other authorities, and for other programs to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from msc_authority.core.policy import PolicyRef
from msc_authority.ports.policies import Head


class CacheFault(StrEnum):
    """Why the cache cannot be used now."""

    LOST = "lost"
    """Nobody listens there, or the connection broke."""
    SLOW = "slow"
    """It did not answer in time."""
    DENIED = "denied"
    """It does not let us in, or not do what we need to."""
    READ_ONLY = "read-only"
    """It copies another one, and takes nothing from us."""
    LOADING = "loading"
    """It has just started, or waits for the one that it copies."""
    FULL = "full"
    """Its memory is used up."""
    UNREADABLE = "unreadable"
    """What is under our keys is nothing that this program can read."""
    REFUSED = "refused"
    """It refused for another reason."""


class CacheError(Exception):
    """The cache did not do what was asked; later it may. `__cause__` is the driver's error."""

    def __init__(self, message: str, fault: CacheFault) -> None:
        """The message says what to do where somebody has to."""
        super().__init__(message)
        self.fault = fault


class CacheUnusable(Exception):
    """A cache cannot be used on this machine as it is configured. The message says what to do."""


class Before(StrEnum):
    """What the cache had when a head was put there."""

    NOTHING = "nothing"
    SAME = "same"
    """The head, perhaps confirmed by an earlier evaluation."""
    OLDER = "older"
    """An older policy."""
    NEWER = "newer"
    """A newer policy. It was left."""
    OTHER = "other"
    """The same reference with other content. It was left: two writers are at work."""
    UNREADABLE = "unreadable"
    """What is no policy, or not the one that was written."""
    OUTDATED = "outdated"
    """The head as an older version of this program writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """What became of putting a head. `ref` is of what was there before, as far as it could be read.

    `mended` names those of our keys that held what no key of that name holds; they were written anew.
    """

    before: Before
    ref: PolicyRef | None = None
    mended: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether the cache has the head now."""
        return self.before not in (Before.NEWER, Before.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedHead:
    """A head from the cache. An authority read it in the database at `confirmed_at`, monotonic time here, or later."""

    head: Head
    confirmed_at: float


class PolicyCache(Protocol):
    """Keeps the newest policy, and when an authority last read in the database that it is. Blocking.

    Its own clock measures the latter, so that the clocks of authorities need not agree.
    """

    def put(self, head: Head, *, confirmed_at: float, ttl_s: float) -> Put:
        """Keeps a head that the database said at `confirmed_at`, monotonic, is the newest, for `ttl_s` at most.

        An older head never replaces a newer one, nor the same with other content. Whoever listens is told of one that
        is new there.

        Raises:
            CacheError: it was not kept, or nobody can tell.
        """
        ...

    def get(self) -> CachedHead | None:
        """Returns the head it has, or None.

        Raises:
            CacheError: it cannot be read.
        """
        ...

    def listen(self, callback: Callable[[PolicyRef | None], None]) -> None:
        """Calls `callback` on a thread of its own with each ref that is put from now on, by whomever; with None when
        some may have been missed. Connects again by itself, for ever.
        """
        ...

    def close(self) -> None:
        """Ends everything; twice is fine."""
        ...

"""What tells authorities on one store of a new head at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msc_authority.core.policy import PolicyRef


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

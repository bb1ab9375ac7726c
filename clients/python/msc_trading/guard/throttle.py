"""How often: repeated entries of a strategy, and orders in any ten seconds. Not safe for threads by themselves."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from msc_client.facts import Side

RepeatKey = tuple[str, str, Side]
"""Strategy, symbol and side."""

_WINDOW_NS: Final = 10_000_000_000


class RepeatThrottle:
    """Counts the granted entries of each strategy, symbol and side within a window of the venue's time."""

    def __init__(self, window_s: float) -> None:
        self._window = timedelta(seconds=window_s)
        self._granted: dict[RepeatKey, deque[datetime]] = {}

    def count(self, key: RepeatKey, now: datetime) -> int:
        """Returns how many entries the window holds."""
        granted = self._granted.get(key)
        if granted is None:
            return 0
        oldest = now - self._window
        while granted and granted[0] <= oldest:
            granted.popleft()
        return len(granted)

    def note(self, key: RepeatKey, now: datetime) -> None:
        """Counts one more."""
        granted = self._granted.get(key)
        if granted is None:
            granted = self._granted[key] = deque()
        granted.append(now)


class RateLane:
    """Orders in any ten seconds, of one kind."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken: deque[int] = deque()

    def used(self, now_ns: int) -> int:
        """Returns how many orders the last ten seconds hold."""
        taken = self._taken
        while taken and taken[0] <= now_ns - _WINDOW_NS:
            taken.popleft()
        return len(taken)

    def take(self, now_ns: int) -> None:
        """Counts one more."""
        self._taken.append(now_ns)

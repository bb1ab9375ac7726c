"""The greatest value within a sliding window, in memory bounded by the window's length."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from msc_authority.core import codec


class RollingMax:
    """A monotone deque: one value a step (an hour, a day), kept only while no later one is as great.

    After D. Lemire, "Streaming maximum-minimum filter using no more than three comparisons per element" (2006).
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: deque[tuple[int, float, datetime]] = deque()

    def push(self, step: int, value: float, at: datetime) -> None:
        """Takes the greatest value of `step`, reached at `at`. Steps come in rising order."""
        entries = self._entries
        while entries and entries[-1][1] <= value:
            entries.pop()
        entries.append((step, value, at))

    def expire(self, before_step: int) -> None:
        """Forgets steps earlier than `before_step`."""
        entries = self._entries
        while entries and entries[0][0] < before_step:
            entries.popleft()

    def highest(self, *, otherwise: float) -> float:
        """Returns the greatest value of the window, or `otherwise` while it is empty."""
        return self._entries[0][1] if self._entries else otherwise

    def highest_after(self, instant: datetime) -> float | None:
        """Returns the greatest of the values reached after `instant`, or None."""
        return next((value for _, value, at in self._entries if at > instant), None)

    def copy(self) -> RollingMax:
        """Returns an independent copy."""
        other = RollingMax()
        other._entries = self._entries.copy()
        return other

    def encode(self) -> list[object]:
        """Returns the window as JSON-able rows."""
        return [[step, value, codec.instant_text(at)] for step, value, at in self._entries]

    @classmethod
    def decode(cls, value: object) -> RollingMax:
        """Returns the window that `encode` wrote."""
        window = cls()
        for row in codec.rows(value, 3):
            window._entries.append((codec.integer(row[0]), codec.number(row[1]), codec.instant(row[2])))
        return window

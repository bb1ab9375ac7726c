"""Counts what happened within the last five minutes, in bounded memory."""

from __future__ import annotations

from collections import deque

RECENT_S = 300.0
_SLOT_S = 5.0


class RecentCount:
    """Counts in steps of five seconds. Threads that share it take turns by a lock of their own."""

    def __init__(self) -> None:
        """Starts at zero."""
        self._slots: deque[tuple[int, int]] = deque()

    def note(self, monotonic: float) -> None:
        """Counts one more."""
        slot = _slot(monotonic)
        count = self._slots.pop()[1] if self._slots and self._slots[-1][0] == slot else 0
        self._slots.append((slot, count + 1))
        self._forget(slot)

    def count(self, monotonic: float) -> int:
        """Returns how many there were within the five minutes before."""
        self._forget(_slot(monotonic))
        return sum(count for _, count in self._slots)

    def _forget(self, slot: int) -> None:
        oldest = slot - int(RECENT_S // _SLOT_S)
        while self._slots and self._slots[0][0] < oldest:
            self._slots.popleft()


def _slot(monotonic: float) -> int:
    return int(monotonic // _SLOT_S)

"""Counts what the journal took and turned away."""

from __future__ import annotations

import threading
from collections import Counter, deque

from msc_authority.app.observation import JournalTally
from msc_authority.app.tidy import tidy
from msc_authority.ports import Clock

RECENT_S = 300.0
MAX_CODES = 64
OTHER_CODES = "other"
_SLOT_S = 5.0
_MAX_TEXT_CHARS = 300


class RowCounter:
    """Counts rows since the start of the process, in bounded memory. Threads may share it.

    The last five minutes are real ones, and counted in steps of five seconds.
    """

    def __init__(self, clock: Clock) -> None:
        """Starts at zero."""
        self._clock = clock
        self._lock = threading.Lock()
        self._accepted = self._duplicates = 0
        self._refused: Counter[str] = Counter()
        self._recent: deque[tuple[int, int]] = deque()
        self._last_refusal = ""

    def stored(self, *, accepted: int, duplicates: int) -> None:
        """Counts rows that are in the journal now: those that went in, and those that were there before."""
        with self._lock:
            self._accepted += accepted
            self._duplicates += duplicates

    def refused(self, *, code: str, text: str) -> None:
        """Counts a row that was turned away; `text` says which one, and why."""
        slot = _slot(self._clock.monotonic())
        with self._lock:
            known = code in self._refused or len(self._refused) < MAX_CODES
            self._refused[code if known else OTHER_CODES] += 1
            self._last_refusal = tidy(text, _MAX_TEXT_CHARS)
            count = self._recent.pop()[1] if self._recent and self._recent[-1][0] == slot else 0
            self._recent.append((slot, count + 1))
            self._forget(slot)

    def snapshot(self, monotonic: float) -> JournalTally:
        """Returns the counts as of the monotonic time."""
        slot = _slot(monotonic)
        with self._lock:
            self._forget(slot)
            return JournalTally(
                accepted=self._accepted,
                duplicates=self._duplicates,
                refused=dict(self._refused),
                refused_recently=sum(count for _, count in self._recent),
                last_refusal=self._last_refusal,
            )

    def _forget(self, slot: int) -> None:
        oldest = slot - int(RECENT_S // _SLOT_S)
        while self._recent and self._recent[0][0] < oldest:
            self._recent.popleft()


def _slot(monotonic: float) -> int:
    return int(monotonic // _SLOT_S)

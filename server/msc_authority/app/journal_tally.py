"""Counts what the journal took and turned away."""

from __future__ import annotations

import threading
from collections import Counter

from msc_authority.app.observation import JournalTally
from msc_authority.app.recent import RecentCount
from msc_authority.app.tidy import tidy
from msc_authority.ports.clock import Clock

MAX_CODES = 64
OTHER_CODES = "other"
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
        self._recent = RecentCount()
        self._last_refusal = ""

    def stored(self, *, accepted: int, duplicates: int) -> None:
        """Counts rows that are in the journal now: those that went in, and those that were there before."""
        with self._lock:
            self._accepted += accepted
            self._duplicates += duplicates

    def refused(self, *, code: str, text: str) -> None:
        """Counts a row that was turned away; `text` says which one, and why."""
        with self._lock:
            known = code in self._refused or len(self._refused) < MAX_CODES
            self._refused[code if known else OTHER_CODES] += 1
            self._last_refusal = tidy(text, _MAX_TEXT_CHARS)
            self._recent.note(self._clock.monotonic())

    def snapshot(self, monotonic: float) -> JournalTally:
        """Returns the counts as of the monotonic time."""
        with self._lock:
            return JournalTally(
                accepted=self._accepted,
                duplicates=self._duplicates,
                refused=dict(self._refused),
                refused_recently=self._recent.count(monotonic),
                last_refusal=self._last_refusal,
            )

"""The journal's pen with somebody looking over the shoulder."""

from __future__ import annotations

from collections.abc import Callable

from msc_client.facts import Fact
from msc_trading.executor import Journal


class WatchedJournal:
    """Writes to a journal, and shows each fact that it took."""

    def __init__(self, journal: Journal, see: Callable[[Fact], None]) -> None:
        """Takes the journal, and who sees the facts."""
        self._journal = journal
        self._see = see

    def write(self, fact: Fact) -> int:
        """Takes a fact at once; raises JournalError when it cannot."""
        number = self._journal.write(fact)
        self._see(fact)
        return number

    def flush(self, timeout_s: float) -> bool:
        """Waits until everything written is durable, and returns whether it is."""
        return self._journal.flush(timeout_s)

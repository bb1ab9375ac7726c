"""Writes facts to the journal, in order, and keeps what the journal does not take until it does."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

from msc_client.facts import Fact
from msc_client.journal import JournalError

_LOG = logging.getLogger("msc_trading.executor")


class Journal(Protocol):
    """The journal's pen: `msc_client.journal.JournalWriter`, or another."""

    def write(self, fact: Fact) -> int:
        """Takes a fact at once; raises JournalError when it cannot."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Waits until everything written is durable, and returns whether it is."""
        ...


class Recorder:
    """The executor's side of the journal. Nothing that happened is given up because the journal is full."""

    def __init__(self, journal: Journal, *, flush_timeout_s: float) -> None:
        self._journal = journal
        self._flush_timeout_s = flush_timeout_s
        self._waiting: deque[Fact] = deque()
        self._why = ""

    @property
    def waiting(self) -> int:
        """How many facts the journal has not taken yet."""
        return len(self._waiting)

    def record(self, fact: Fact) -> None:
        """Writes a fact, after those that still wait."""
        self._waiting.append(fact)
        self.retry()

    def retry(self) -> None:
        """Writes what waits, as far as the journal takes it."""
        while self._waiting:
            try:
                self._journal.write(self._waiting[0])
            except JournalError as error:
                self._complain(f"{error.reason}: {error}")
                return
            self._waiting.popleft()
        if self._why:
            _LOG.info("the journal takes facts again")
            self._why = ""

    async def is_durable(self) -> bool:
        """Waits for the disk, and returns whether everything recorded so far has reached it."""
        self.retry()
        if self._waiting:
            return False
        try:
            durable = await asyncio.to_thread(self._journal.flush, self._flush_timeout_s)
        except JournalError as error:
            self._complain(f"{error.reason}: {error}")
            return False
        if not durable:
            self._complain(f"it did not reach the disk within {self._flush_timeout_s:g} s")
        return durable and not self._waiting

    def _complain(self, why: str) -> None:
        if why != self._why:
            _LOG.error("the journal takes no facts, so nothing may be entered: %s", why)
            self._why = why

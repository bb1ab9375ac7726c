"""Follows the execution journal: counts what became of signals, and tells of those that were blocked."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from functools import partial

from msc_authority.app.events import EventBus, SignalBlocked
from msc_authority.app.signal_window import WINDOW, Digest, SignalWindow, digest
from msc_authority.app.signals import SignalActivity
from msc_authority.app.timing import Timer, pause
from msc_authority.app.work import Worker
from msc_authority.ports.clock import Clock
from msc_authority.ports.journal import ExecutionLog
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)

POLL_PERIOD_S = 1.0
QUIET_S = 0.05
"""Shortest time between two readings, so that a storm of batches is read in pages and not one by one."""
PAGE_ROWS = 500


class Activity:
    """Reads on each second, and soon after facts have arrived. Lives on the event loop; the worker does the reading."""

    def __init__(self, *, log: ExecutionLog, events: EventBus, clock: Clock, timer: Timer, worker: Worker) -> None:
        """`worker` runs the reads. Of its own, or a block is shown only when other calls are done."""
        self._execution_log, self._events, self._clock, self._timer = log, events, clock, timer
        self._worker = worker
        self._window = SignalWindow()
        self._poked = asyncio.Event()
        self._position: int | None = None
        self._start = 0
        self._complained = False

    async def run(self) -> None:
        """Reads on until cancelled. While the store does not answer, what was counted stays."""
        while True:
            await self.read_on()
            await self._due()

    def facts_arrived(self) -> None:
        """Has it read on soon. Call it on the event loop."""
        self._poked.set()

    def snapshot(self, now: datetime) -> SignalActivity:
        """Returns what has been read so far, as of `now`. Call it on the event loop."""
        return self._window.snapshot(now)

    async def read_on(self) -> bool:
        """Reads all that has arrived since. Returns whether the store answered."""
        try:
            position: int | None = self._position
            if position is None:
                self._start, position = await self._worker.run(self._where_to_begin)
            while position is not None:
                self._position = position
                position = await self._take_page(position)
        except StoreError as error:
            self._complain(error)
            return False
        if self._complained:
            _log.info("Execution reports can be read again")
            self._complained = False
        return True

    async def _due(self) -> None:
        await pause(self._timer, QUIET_S)
        cancel = self._timer.after(POLL_PERIOD_S - QUIET_S, self._poked.set)
        try:
            await self._poked.wait()
        finally:
            cancel()
        self._poked.clear()

    def _where_to_begin(self) -> tuple[int, int]:
        end = self._execution_log.end()
        return end, min(end, self._execution_log.last_sequence_before(self._clock.now() - WINDOW))

    async def _take_page(self, position: int) -> int | None:
        page = await self._worker.run(partial(self._read_page, position))
        if page is None:
            return None
        behind, earlier, news = page
        now = self._clock.now()
        self._window.take(earlier, now, since_start=False)
        blocked = self._window.take(news, now, since_start=True)
        self._events.emit(*[SignalBlocked(signal=signal) for signal in blocked])
        return behind

    def _read_page(self, position: int) -> tuple[int, Digest, Digest] | None:
        page = self._execution_log.executions_after(position, PAGE_ROWS)
        if not page:
            return None
        earlier = [report for report in page if report.sequence <= self._start]
        return page[-1].sequence, digest(earlier), digest(page[len(earlier) :])

    def _complain(self, error: StoreError) -> None:
        level = logging.DEBUG if self._complained else logging.WARNING
        _log.log(level, "Execution reports cannot be read, the counts of signals stay as they are: %s", error)
        self._complained = True

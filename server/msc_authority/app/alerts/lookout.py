"""Looks every second, and right after news, and tells which alerts changed."""

from __future__ import annotations

import asyncio

from msc_authority.app.alerts.board import Board
from msc_authority.app.events import EvaluationBroken, EvaluationDone, Event, EventBus, IntegrityBroken, PolicyPublished
from msc_authority.app.observer import Observer
from msc_authority.app.timing import Timer, pause

PERIOD_S = 1.0
BREATH_S = 0.1
"""Time between news and the look at them: what is being written to watchers goes first, and a storm is one look."""


class Lookout:
    """Has the observer look and the board judge, on the authority's event loop."""

    def __init__(self, *, observer: Observer, board: Board, events: EventBus, timer: Timer) -> None:
        """Looks when it is told to."""
        self._observer, self._board, self._events, self._timer = observer, board, events, timer
        self._due = asyncio.Event()
        self._news = False
        events.subscribe(self._hear)

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            self._due.clear()
            self._news = False
            self.look()
            cancel = self._timer.after(PERIOD_S, self._due.set)
            try:
                await self._due.wait()
            finally:
                cancel()
            if self._news:
                await pause(self._timer, BREATH_S)

    def look(self) -> None:
        """Looks once, and tells what changed."""
        self._events.emit(*self._board.judge(self._observer.observe()))

    def _hear(self, event: Event) -> None:
        if isinstance(event, PolicyPublished | EvaluationDone | EvaluationBroken | IntegrityBroken):
            self._news = True
            self._due.set()

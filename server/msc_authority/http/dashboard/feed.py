"""Looks at the authority once for all open pages, and tells each what changed. Rests while nobody looks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace

from msc_authority.app.events import (
    AlertChanged,
    EvaluationBroken,
    EvaluationDone,
    Event,
    HeadConfirmed,
    HeadUnconfirmed,
    OperatorActed,
    PolicyPublished,
)
from msc_authority.app.insight import Insight
from msc_authority.app.timing import Timer, pause
from msc_authority.http.dashboard.facts import Kept, look, read_kept
from msc_authority.http.dashboard.screen import Screen, draw
from msc_authority.http.dashboard.view import build
from msc_authority.ports.store import StoreUnavailable

_log = logging.getLogger(__name__)

PERIOD_S = 1.0
COALESCE_S = 0.05
"""Events that belong together come within this time: a policy, its evaluation, alerts that follow."""

_KEPT_CHANGES = (PolicyPublished, EvaluationDone, EvaluationBroken)
_URGENT = (*_KEPT_CHANGES, AlertChanged, HeadConfirmed, HeadUnconfirmed, OperatorActed)

Onlooker = Callable[[Screen, frozenset[str]], None]
"""Is told the screen and the names of the sections that changed."""


class Feed:
    """What open pages are told. Everything but the hearing of events runs on one event loop."""

    def __init__(self, insight: Insight, timer: Timer) -> None:
        """Starts without anybody who looks."""
        self._insight, self._timer = insight, timer
        self._onlookers: dict[str, Onlooker] = {}
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._screen: Screen | None = None
        self._kept = Kept()
        self._unread = True

    async def join(self, who: str, onlooker: Onlooker) -> Screen:
        """Returns the screen as it is now; `onlooker` is told each later change until `who` leaves."""
        self._onlookers[who] = onlooker
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="dashboard")
        while self._screen is None:
            await self._ready.wait()
        return self._screen

    @property
    def onlookers(self) -> int:
        """How many pages are told."""
        return len(self._onlookers)

    def leave(self, who: str) -> None:
        """Tells `who` nothing more. Twice is fine. With the last one, the feed rests."""
        self._onlookers.pop(who, None)
        if not self._onlookers:
            self.rest()

    def rest(self) -> None:
        """Stops looking until somebody joins."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._ready.clear()
        self._screen, self._unread = None, True

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        end = self._insight.subscribe(lambda event: self._heard(loop, event))
        try:
            while True:
                await self._guarded()
                await self._due()
        finally:
            end()

    async def _guarded(self) -> None:
        # Pages notice by themselves that values do not come any more, and say so.
        try:
            await self._refresh()
        except Exception:
            _log.exception("The dashboard could not be brought up to date")

    async def _refresh(self) -> None:
        if self._screen is not None:
            self._show()
        if self._unread:
            await self._read()
            self._show()

    def _show(self) -> None:
        before = self._screen
        view = build(look(self._insight, self._kept), before.view if before else None)
        screen, changed = draw(view, before)
        self._screen = screen
        self._ready.set()
        if changed:
            for onlooker in tuple(self._onlookers.values()):
                self._tell(onlooker, screen, changed)

    def _tell(self, onlooker: Onlooker, screen: Screen, changed: frozenset[str]) -> None:
        try:
            onlooker(screen, changed)
        except Exception:
            _log.exception("A page could not be told what changed")

    async def _read(self) -> None:
        self._unread = False
        try:
            self._kept = await read_kept(self._insight)
        except StoreUnavailable as error:
            _log.warning("The dashboard could not read the store: %s", error)
            self._unread = True
            trouble = "The store does not answer: history, ranking and health are as they were before."
            self._kept = replace(self._kept, trouble=trouble)

    async def _due(self) -> None:
        cancel = self._timer.after(PERIOD_S, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            cancel()
        await pause(self._timer, COALESCE_S)
        self._wake.clear()

    def _heard(self, loop: asyncio.AbstractEventLoop, event: Event) -> None:
        """Runs on the authority's thread."""
        if isinstance(event, _URGENT):
            # The loop of the pages may have ended before that of the authority.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._look_now, isinstance(event, _KEPT_CHANGES))

    def _look_now(self, kept_changed: bool) -> None:
        self._unread = self._unread or kept_changed
        self._wake.set()

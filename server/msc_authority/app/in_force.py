"""Knows which overrides are in force, and sees to it that each ends on time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from msc_authority.app.events import EvaluationDone, Event, EventBus, OperatorActed, PolicyPublished
from msc_authority.app.operate import StateUnreadable
from msc_authority.app.timing import Timer
from msc_authority.app.work import Worker
from msc_authority.core.codec import StateMismatch
from msc_authority.core.overrides import Override
from msc_authority.core.overriding import expired, next_expiry
from msc_authority.core.state import ControllerState
from msc_authority.ports.clock import Clock
from msc_authority.ports.operator import StoredController
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)

REFRESH_S = 5.0
"""Longest time until an override is known that another process has put in force."""
RETRY_S = 1.0

EndsThem = Callable[[], Awaitable[None]]


class HasController(Protocol):
    """Has the controller's stored state. See `msc_authority.ports.evaluations.EvaluationStore`."""

    def controller(self) -> StoredController:
        """Returns it, without the ledger."""
        ...


class InForce:
    """The overrides as the store has them. Lives on the event loop; what it says may be read from any thread."""

    def __init__(
        self,
        *,
        store: HasController,
        worker: Worker,
        clock: Clock,
        timer: Timer,
        events: EventBus,
        speed: float = 1.0,
    ) -> None:
        """`worker` reads the store. `speed` is how many seconds of the clock's instants pass in a real one."""
        self._store, self._worker, self._clock, self._timer, self._speed = store, worker, clock, timer, speed
        self._overrides: tuple[Override, ...] = ()
        self._generation = -1
        self._woken = asyncio.Event()
        self._complained = False
        events.subscribe(self._hear)

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The overrides in force, the oldest first. One whose time is over stays until the store has let it go."""
        return self._overrides

    async def run(self, end: EndsThem) -> None:
        """Keeps up with the store, and has `end` called when an override's time is over, until cancelled."""
        while True:
            await self.refresh()
            done = self._due_in_s() > 0.0 or await self._ended(end)
            await self._pause(min(REFRESH_S, self._due_in_s()) if done else RETRY_S)

    async def refresh(self) -> None:
        """Reads them once. What is known stays if the store does not answer."""
        try:
            stored = await self._worker.run(self._store.controller)
            if stored.generation == self._generation:
                return
            state = ControllerState.decode(stored.payload) if stored.payload is not None else None
        except (StoreError, StateMismatch) as error:
            self._complain(error)
            return
        self._generation = stored.generation
        self._overrides = state.overrides if state is not None else ()
        self._complained = False

    def _due_in_s(self) -> float:
        due: datetime | None = next_expiry(self._overrides)
        return REFRESH_S if due is None else (due - self._clock.now()).total_seconds() / self._speed

    async def _ended(self, end: EndsThem) -> bool:
        for one in expired(self._overrides, self._clock.now()):
            _log.warning("Override %s (%s by %s) has expired", one.override_id, one.kind, one.actor)
        try:
            await end()
        except (StoreError, StateUnreadable) as error:
            self._complain(error)
            return False
        await self.refresh()
        return not expired(self._overrides, self._clock.now())

    def _hear(self, event: Event) -> None:
        if isinstance(event, EvaluationDone | PolicyPublished | OperatorActed):
            self._woken.set()

    async def _pause(self, wait_s: float) -> None:
        cancel = self._timer.after(wait_s, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            cancel()
        self._woken.clear()

    def _complain(self, error: Exception) -> None:
        level = logging.DEBUG if self._complained else logging.WARNING
        _log.log(level, "The overrides in force cannot be read or ended, what is known of them stays: %s", error)
        self._complained = True

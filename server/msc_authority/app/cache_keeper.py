"""Keeps the cache beside the store: puts there what the database says, and takes from it while that says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial

from msc_authority.app.broker import Broker, Current, HeadSource
from msc_authority.app.cache_complaints import Complaints
from msc_authority.app.events import EvaluationDone, Event, EventBus, OperatorActed, PolicyPublished, name_of
from msc_authority.app.production import CacheSigns
from msc_authority.app.timing import Timer
from msc_authority.app.work import Worker
from msc_authority.core.policy import Policy, PolicyRef, changes_between
from msc_authority.ports.cache import Before, CachedHead, CacheError, CacheFault, PolicyCache
from msc_authority.ports.clock import Clock

_log = logging.getLogger(__name__)

PERIOD_S = 1.0
DATABASE_SILENT_S = 3.0
"""Silence of the database after which the cache is asked."""
UNCONFIRMED_S = 5.0
"""Age of the last confirmation, by whomever, from which on it is said that nobody confirms the head."""


class ReadStep(StrEnum):
    """Where the policy that is served is confirmed, from the best down. Below the last come clients' safe defaults."""

    DATABASE = "database"
    CACHE = "cache"
    LAST_KNOWN = "last known"


def cached_current(cache: PolicyCache) -> Current | None:
    """Returns the head that can be served while the database cannot be read, or None. Blocking."""
    try:
        found = cache.get()
    except CacheError as error:
        _log.warning("The policy cannot be read from the cache, either: %s", error)
        return None
    if found is None:
        return None
    return Current(head=found.head, changed_fields=(), confirmed_at=found.confirmed_at, source=HeadSource.CACHE)


class CacheKeeper:
    """Lives beside the HeadKeeper. What waits for the cache waits on a thread of its own, and holds nothing else up."""

    def __init__(
        self,
        *,
        cache: PolicyCache,
        broker: Broker,
        worker: Worker,
        events: EventBus,
        clock: Clock,
        timer: Timer,
        on_newer: Callable[[PolicyRef | None], None],
    ) -> None:
        """`worker` has one thread, for the cache alone. `on_newer` is told of heads that the database should have."""
        self._cache, self._broker, self._worker = cache, broker, worker
        self._clock, self._timer, self._on_newer = clock, timer, on_newer
        self._complaints = Complaints(events, clock)
        self._poked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._step = self._present_step()
        self.steps: Counter[ReadStep] = Counter({self._step: 1})
        """How often each step was entered."""
        self.looks: Counter[ReadStep] = Counter()
        """Seconds, about, spent on each step."""
        events.subscribe(self._hear)

    @property
    def step(self) -> ReadStep:
        """Where the policy is confirmed now."""
        return self._step

    @property
    def complaints(self) -> Complaints:
        """What was found wrong with the cache, counted."""
        return self._complaints

    def signs(self) -> CacheSigns:
        """Returns how the cache is, and what was found there."""
        said = self._complaints
        return CacheSigns(
            failing_for_s=said.failing_for_s,
            fault=said.last_fault,
            source=self._step,
            looks=_by_name(self.looks),
            changes=_by_name(self.steps),
            faults=_by_name(said.faults),
            found=_by_name(said.found),
            overwritten=_by_name(said.overwritten),
            not_taken=said.not_taken,
            recoveries=said.recoveries,
        )

    async def run(self) -> None:
        """Turns every second and whenever poked, until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            await self.turn()
            await self._due()

    async def turn(self) -> None:
        """Puts or takes once."""
        current = self._broker.current
        try:
            if current.source is HeadSource.DATABASE and self._age_s(current) <= DATABASE_SILENT_S:
                await self._put(current)
            else:
                await self._take()
        except CacheError as error:
            self._complaints.failed(error)
        self._note_step()

    def heard(self, ref: PolicyRef | None) -> None:
        """Takes what was announced; None: something may have been missed. May be called from any thread."""
        if ref is not None and ref <= self._broker.current.head.ref:
            return
        self._on_newer(ref)
        if self._loop is not None and (ref is None or self._step is not ReadStep.DATABASE):
            with contextlib.suppress(RuntimeError):  # The loop is closed: there is nobody left to wake.
                self._loop.call_soon_threadsafe(self._poked.set)

    def _hear(self, event: Event) -> None:
        if isinstance(event, PolicyPublished | EvaluationDone | OperatorActed):
            self._poked.set()

    async def _due(self) -> None:
        cancel = self._timer.after(PERIOD_S, self._poked.set)
        try:
            await self._poked.wait()
        finally:
            cancel()
        self._poked.clear()

    async def _put(self, current: Current) -> None:
        ttl_s = self._broker.freshness().ttl_s
        if ttl_s is None or ttl_s <= 0:
            # Nothing is to be kept any longer than it is valid, and what was is gone by now.
            self._complaints.expired()
            return
        put = await self._worker.run(
            partial(self._cache.put, current.head, confirmed_at=current.confirmed_at, ttl_s=ttl_s)
        )
        self._complaints.worked()
        if not put.kept:
            self._on_newer(put.ref)
        self._complaints.judge(current.head, put)

    async def _take(self) -> None:
        found = await self._worker.run(self._cache.get)
        self._complaints.worked()
        held = self._broker.current.head
        if found is not None and self._complaints.may_be_taken(found.head, held):
            self._publish(found, held.policy)

    def _publish(self, found: CachedHead, before: Policy | None) -> None:
        after = found.head.policy
        # Of a version that comes from further back, nobody here knows the one before it.
        next_one = before is not None and after is not None and after.ref.version == before.ref.version + 1
        changes = changes_between(before.content, after.content) if next_one and before and after else ()
        self._broker.publish(
            found.head,
            confirmed_at=found.confirmed_at,
            changed_fields=tuple(change.field for change in changes),
            source=HeadSource.CACHE,
        )

    def _age_s(self, current: Current) -> float:
        return self._clock.monotonic() - current.confirmed_at

    def _present_step(self) -> ReadStep:
        current = self._broker.current
        if self._age_s(current) > UNCONFIRMED_S:
            return ReadStep.LAST_KNOWN
        return ReadStep.DATABASE if current.source is HeadSource.DATABASE else ReadStep.CACHE

    def _note_step(self) -> None:
        current, step = self._broker.current, self._present_step()
        self.looks[step] += 1
        if step is self._step:
            return
        self._step = step
        self.steps[step] += 1
        head = name_of(current.head.ref)
        match step:
            case ReadStep.DATABASE:
                _log.info("The database confirms the policy again: %s", head)
            case ReadStep.CACHE:
                text = (
                    "The policy is read from the cache, because the database does not confirm it: %s, %.1f s old there"
                )
                _log.warning(text, head, self._age_s(current))
            case ReadStep.LAST_KNOWN:
                _log.warning("Neither database nor cache confirms the policy: serving the last known, %s", head)


def _by_name(counts: Mapping[ReadStep, int] | Mapping[CacheFault, int] | Mapping[Before, int]) -> Mapping[str, int]:
    return {str(name): count for name, count in counts.items()}

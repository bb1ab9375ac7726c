"""Holds the head and wakes its watchers. Publishing swaps one reference and never waits for anyone.

Everything here runs on the event loop's thread; `current` may be read from any.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, StrEnum, auto
from types import TracebackType

from msc_authority.app.events import EventBus, IntegrityBroken, events_of, name_of
from msc_authority.app.timing import Cancel, Timer
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.clock import Clock
from msc_authority.ports.policies import Head


class WatcherLimitReached(Exception):
    """There are as many watchers as are allowed."""


class Draining(Exception):
    """The authority is stopping and takes no new watchers."""


class Ending(Enum):
    """Why a watch is being ended from our side."""

    DRAINING = auto()
    REBALANCE = auto()
    SLOW_CONSUMER = auto()
    AUTH_EXPIRED = auto()


class HeadSource(StrEnum):
    """Who says that the head is the head."""

    DATABASE = "database"
    """The store itself."""
    CACHE = "cache"
    """The cache, for an authority that could read the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """What watchers are to have: the head, the fields by which it differs from the version before, who vouches when.

    `confirmed_at` is the monotonic time at which the store last said that this is the head, to us or, by way of the
    cache, to another authority; `source` is which.
    """

    head: Head
    changed_fields: tuple[str, ...]
    confirmed_at: float
    source: HeadSource = HeadSource.DATABASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How far this replica can vouch for the head, in seconds. `ttl_s` may be negative; None: no policy."""

    replica_age_s: float
    ttl_s: float | None


class Broker:
    """Holds the current head and one slot for each watcher; the latest head wins."""

    def __init__(
        self,
        *,
        current: Current,
        clock: Clock,
        timer: Timer,
        events: EventBus,
        max_watchers: int,
        speed: float = 1.0,
    ) -> None:
        """Starts from what the store said at start-up; that is not announced as news.

        `speed` is how many seconds of the clock's instants pass in a real one: what is left of a validity is told in
        real seconds, for clients count in those.
        """
        self.current = current
        self._clock, self._timer, self._events = clock, timer, events
        self._max_watchers, self._speed = max_watchers, speed
        self._watchers: set[Watcher] = set()
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self.draining = False

    def publish(
        self,
        head: Head,
        *,
        confirmed_at: float,
        changed_fields: tuple[str, ...] = (),
        source: HeadSource = HeadSource.DATABASE,
    ) -> bool:
        """Takes what the store said at `confirmed_at`. Returns whether that was the head or a newer one.

        A head that is older than the current one, or the same with other content, is refused and confirms nothing.
        """
        present = self.current
        if head.ref < present.head.ref:
            return False
        if head.ref == present.head.ref:
            return self._confirm(head, confirmed_at, source)
        self.current = Current(head=head, changed_fields=changed_fields, confirmed_at=confirmed_at, source=source)
        # Who is woken may leave, or let others in.
        for watcher in tuple(self._watchers):
            watcher.wake()
        if head.policy:
            self._events.emit(*events_of(present.head.policy, head.policy))
        return True

    def _confirm(self, head: Head, confirmed_at: float, source: HeadSource) -> bool:
        present = self.current
        if head.policy != present.head.policy and _etag(head) != _etag(present.head):
            text = f"Policy {name_of(head.ref)} has other content in the store than here: two writers are at work"
            self._events.emit(IntegrityBroken(ref=head.ref, text=text))
            return False
        # A read that began before the last evaluation was committed may come late: keep the later of each.
        evaluated_at = max(filter(None, (present.head.evaluated_at, head.evaluated_at)), default=None)
        self.current = replace(
            present,
            head=replace(present.head, evaluated_at=evaluated_at),
            confirmed_at=max(present.confirmed_at, confirmed_at),
            source=source if confirmed_at >= present.confirmed_at else present.source,
        )
        return True

    def freshness(self) -> Freshness:
        """Returns how far the head can be vouched for now."""
        current = self.current
        age = max(0.0, self._clock.monotonic() - current.confirmed_at)
        policy = current.head.policy
        if policy is None:
            return Freshness(replica_age_s=age, ttl_s=None)
        valid_until = (current.head.evaluated_at or policy.created_at) + timedelta(seconds=policy.valid_for_s)
        return Freshness(replica_age_s=age, ttl_s=(valid_until - self._clock.now()).total_seconds() / self._speed)

    def watch(self) -> Watcher:
        """Returns a slot for the calling task, which has to close it.

        Raises:
            Draining: the authority is stopping.
            WatcherLimitReached: there are too many.
        """
        if self.draining:
            raise Draining("the authority is stopping")
        if len(self._watchers) >= self._max_watchers:
            raise WatcherLimitReached(f"{self._max_watchers} watchers are the limit")
        watcher = Watcher(self, self._clock, self._timer)
        self._watchers.add(watcher)
        self._idle.clear()
        return watcher

    @property
    def watchers(self) -> int:
        """How many watches are open."""
        return len(self._watchers)

    def release(self, watcher: Watcher) -> None:
        """Forgets a watcher. Twice is fine."""
        self._watchers.discard(watcher)
        if not self._watchers:
            self._idle.set()

    def end_slow(self, pending_over_s: float) -> None:
        """Ends every watch with a write pending for longer than that."""
        latest = self._clock.monotonic() - pending_over_s
        for watcher in tuple(self._watchers):
            if watcher.write_began is not None and watcher.write_began < latest:
                watcher.end(Ending.SLOW_CONSUMER)

    def send_away(self, count: int) -> None:
        """Has up to `count` watches say goodbye, so that their callers go to other replicas."""
        staying = (watcher for watcher in self._watchers if watcher.ending is None)
        for watcher in list(itertools.islice(staying, count)):
            watcher.end(Ending.REBALANCE)

    def drain(self) -> None:
        """Refuses new watches and has every open one say goodbye."""
        self.draining = True
        for watcher in tuple(self._watchers):
            watcher.end(Ending.DRAINING)

    async def idle(self) -> None:
        """Returns when no watch is open."""
        await self._idle.wait()


class Watcher:
    """The slot of one watch. Wakes it when there may be something to do; what, the watch reads from the broker."""

    __slots__ = ("_armed_for", "_broker", "_clock", "_disarm", "_on_wake", "_task", "_timer", "ending", "write_began")

    def __init__(self, broker: Broker, clock: Clock, timer: Timer) -> None:
        """Belongs to the task that makes it."""
        self._broker, self._clock, self._timer = broker, clock, timer
        self._task = asyncio.current_task()
        self._on_wake: Callable[[], object] | None = None
        self._armed_for = math.inf
        self._disarm: Cancel | None = None
        self.ending: Ending | None = None
        self.write_began: float | None = None

    def on_wake(self, look: Callable[[], object]) -> None:
        """Has `look` called whenever there may be something to do. It must be quick, and raise nothing."""
        self._on_wake = look

    def wake_by(self, due: float) -> None:
        """Wakes at the latest at the monotonic time `due`, perhaps earlier, so look what is due."""
        # A timer that is set stays, and wakes in vain now and then: setting one anew for every publication costs a
        # third of what a watcher costs.
        if self._armed_for <= due:
            return
        if self._disarm is not None:
            self._disarm()
        self._armed_for = due
        self._disarm = self._timer.after(due - self._clock.monotonic(), self._fire)

    def _fire(self) -> None:
        self._armed_for, self._disarm = math.inf, None
        self.wake()

    def wake(self) -> None:
        """Has the watch look around, now."""
        if self._on_wake is not None:
            self._on_wake()

    def end(self, ending: Ending) -> None:
        """Asks the task to end the watch. Only cancelling reaches one that is stuck in a write."""
        if self.ending is not Ending.SLOW_CONSUMER:
            self.ending = ending
            if ending is Ending.SLOW_CONSUMER and self._task is not None:
                self._task.cancel()
        self.wake()

    def __enter__(self) -> Watcher:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Gives the slot back."""
        self.leave()

    def leave(self) -> None:
        """Gives the slot back, and is woken no more. Twice is fine."""
        self._on_wake = None
        if self._disarm is not None:
            self._disarm()
        self._broker.release(self)


def _etag(head: Head) -> str:
    return head.policy.etag if head.policy else ""


def versions_between(held: PolicyRef | None, head: PolicyRef) -> int:
    """Returns how many versions lie between the one held and the head, 0 across epochs."""
    if held is None or held.epoch != head.epoch:
        return 0
    return max(0, head.version - held.version - 1)

"""Time that is moved by hand, waiting for conditions, and heads to publish."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

from msc_builders import START, a_content

from msc_authority.app.broker import Broker, Current
from msc_authority.app.events import Event, EventBus
from msc_authority.app.fleet import Fleet
from msc_authority.app.leadership import NotLeader
from msc_authority.core.policy import Policy, PolicyContent, PolicyRef
from msc_authority.ports.policies import Head

EPOCH = 7
DEADLINE_S = 20.0


class ManualTime:
    """Clock and timer that stand still until they are moved."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()

    def now(self) -> datetime:
        return START + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed

    def after(self, delay_s: float, callback: Callable[[], None]) -> Callable[[], None]:
        number = next(self._order)
        heapq.heappush(self._timers, (self._elapsed + max(0.0, delay_s), number, callback))
        return lambda: self._cancelled.add(number)

    @property
    def armed(self) -> int:
        """How many timers are set."""
        return sum(number not in self._cancelled for _, number, _ in self._timers)

    async def advance(self, seconds: float) -> None:
        """Moves on, calling back what falls due in order, and lets woken tasks run between."""
        target = self._elapsed + seconds
        await settle()
        while self._timers and self._timers[0][0] <= target:
            due, number, callback = heapq.heappop(self._timers)
            if number not in self._cancelled:
                self._elapsed = max(self._elapsed, due)
                callback()
                await settle()
        self._elapsed = target
        await settle()

    def leap(self, seconds: float) -> None:
        """Moves on in one go, as a loop that was held up sees it. Nothing is called back."""
        self._elapsed += seconds


async def settle() -> None:
    """Lets every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Returns when a condition holds, or fails at a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 -- what is waited for happens in threads and in gRPC's core, too
            await asyncio.sleep(0.002)


def lowest(low: float, high: float) -> float:
    """Chance that always draws the lower bound."""
    return low


def a_policy(version: int = 1, epoch: int = EPOCH, content: PolicyContent | None = None) -> Policy:
    """A committed policy, created at START."""
    return Policy(ref=PolicyRef(epoch, version), created_at=START, content=content or a_content(), valid_for_s=3600.0)


def a_head(version: int = 1, epoch: int = EPOCH, content: PolicyContent | None = None) -> Head:
    """A head evaluated at START; version 0 is that of an empty store."""
    if version == 0:
        return Head(ref=PolicyRef(epoch, 0), policy=None, evaluated_at=None)
    policy = a_policy(version, epoch, content)
    return Head(ref=policy.ref, policy=policy, evaluated_at=START)


def a_current(head: Head, time: ManualTime) -> Current:
    """A head confirmed now."""
    return Current(head=head, changed_fields=(), confirmed_at=time.monotonic())


class Told:
    """An event bus that keeps what it was told."""

    def __init__(self) -> None:
        self.bus = EventBus()
        self.events: list[Event] = []
        self.bus.subscribe(self.events.append)

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


def a_broker(time: ManualTime, head: Head | None = None, told: Told | None = None, max_watchers: int = 100) -> Broker:
    """A broker that starts from `head`, confirmed now."""
    return Broker(
        current=a_current(head or a_head(), time),
        clock=time,
        timer=time,
        events=(told or Told()).bus,
        max_watchers=max_watchers,
    )


class ScriptedLeader:
    """Leads or follows as a test says."""

    def __init__(self, *, leading: bool = True, term: int | None = None) -> None:
        self.leading, self._term = leading, term
        self.leader_address = "other:7443"
        self.fenced_terms: list[int | None] = []
        self._moved = asyncio.Event()

    def now(self, *, leading: bool) -> None:
        self.leading = leading
        self._moved.set()
        self._moved = asyncio.Event()

    def term(self) -> int | None:
        if not self.leading:
            raise NotLeader(self.leader_address)
        return self._term

    def fenced(self, term: int | None) -> None:
        self.fenced_terms.append(term)

    async def changes(self) -> None:
        await self._moved.wait()


def a_fleet(
    time: ManualTime | None = None, told: Told | None = None, *, max_clients: int = 10, version: int = 1
) -> Fleet:
    """A fleet without clients, while this version of EPOCH is served."""
    return Fleet(
        events=(told or Told()).bus,
        clock=time or ManualTime(),
        head=PolicyRef(EPOCH, version),
        max_clients=max_clients,
    )

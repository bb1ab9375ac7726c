"""One authority, made of what it is made of in production. Only its threads and its network are not real."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TypeVar

from msc_model_network import Announced, Ear
from msc_model_reference import Reference
from msc_model_store import Database, Reached, Redis, SeenEvaluations, SeenLease, StoppedBeforeCommit
from msc_model_time import LeapingLoop, Standstill, WorldClock

from msc_authority.app.announcing import announcer
from msc_authority.app.broker import Broker, Current
from msc_authority.app.cache_keeper import CacheKeeper
from msc_authority.app.evaluate import Evaluator
from msc_authority.app.events import EventBus
from msc_authority.app.fleet import Fleet
from msc_authority.app.in_force import InForce
from msc_authority.app.leadership import Leadership
from msc_authority.app.operate import Operator
from msc_authority.app.operations import Operations
from msc_authority.app.scheduler import Scheduler
from msc_authority.app.timing import pause
from msc_authority.app.vitals import PULSE_PERIOD_S, HeadKeeper, Vitals
from msc_authority.app.work import Worker
from msc_authority.core.config import DecisionConfig
from msc_authority.ports.store import StoreUnavailable
from msc_authority.rpc.frames import Frames
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_authority.rpc.watch_service import WatchMaker, WatchService

LEASE_TTL_S = 10.0
PERIOD_S = 1800.0
VALID_FOR_S = 2 * PERIOD_S
HEARTBEAT_S = 5.0
_starts = itertools.count(1)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a replica stands in."""

    loop: LeapingLoop
    clock: WorldClock
    database: Database
    redis: Redis
    announced: Announced
    reference: Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a replica is made of, where a test wants to plant a fault."""

    broker: type[Broker] = Broker
    keeper: type[HeadKeeper] = HeadKeeper
    cache_keeper: type[CacheKeeper] = CacheKeeper


@dataclass(slots=True, kw_only=True)
class Cuts:
    """What a replica does not reach."""

    database: bool = False
    redis: bool = False
    stop_before_commit: bool = False


class OneThread(Worker):
    """Makes calls at once, one after the other; the answer of the database may take its time, or be lost."""

    def __init__(self, life: Standstill, database: Callable[[], float] | None) -> None:
        """`database` returns how long its answers take, and raises while it does not answer; None: for the cache."""
        self._life, self._database = life, database

    async def run(self, call: Callable[[], _T]) -> _T:
        await self._life.over()
        takes_s = self._answers()
        try:
            answer = call()
        except StoppedBeforeCommit as stopped:
            return await self._stand_still(stopped)
        if takes_s:
            await asyncio.sleep(takes_s)
        await self._life.over()
        self._answers()
        return answer

    async def _stand_still(self, stopped: StoppedBeforeCommit) -> _T:
        self._life.begin()
        await self._life.over()
        self._answers()
        stopped.go_on()
        raise StoreUnavailable("the connection broke before the answer to the commit came")

    def _answers(self) -> float:
        return self._database() if self._database is not None else 0.0

    def close(self) -> None:
        """There is no thread."""


class Replica:
    """One start of an authority."""

    def __init__(self, name: str, around: Surroundings, current: Current, parts: Parts) -> None:
        self.name, self._around = name, around
        self.server_id = f"{name}#{next(_starts)}"
        self.life = Standstill(around.loop)
        self.cuts = Cuts()
        self.events = EventBus(later=around.loop.call_soon)
        self.ear = Ear(around.announced, name, self.life.do)
        self.events.subscribe(announcer(self.ear))
        clock, store = around.clock, around.database.store
        self.broker = parts.broker(current=current, clock=clock, timer=self.life, events=self.events, max_watchers=100)
        work = OneThread(self.life, self._database)
        evaluations = SeenEvaluations(store.evaluations, around.reference, self._stops)
        self.leadership = Leadership(
            lease=SeenLease(store.lease, around.reference),
            events=self.events,
            clock=clock,
            timer=self.life,
            worker=work,
            holder=self.server_id,
            ttl_s=LEASE_TTL_S,
        )
        self.leadership.stands_at(f"{name}:7443")
        ids, config = itertools.count(1), DecisionConfig()

        def new_id() -> str:
            return f"{next(ids):08x}-{self.server_id}"

        frames = Frames(self.broker, clock, ServedPolicy())
        evaluations.before_commit(frames.prepare)
        self.scheduler = Scheduler(
            evaluator=Evaluator(
                store=evaluations,
                journal=store.journal,
                log=store.log,
                clock=clock,
                config=config,
                valid_for_s=VALID_FOR_S,
                new_id=new_id,
                term=self.leadership.term,
            ),
            broker=self.broker,
            events=self.events,
            clock=clock,
            timer=self.life,
            worker=work,
            previews=work,
            period_s=PERIOD_S,
            leads=self.leadership,
        )
        self.operations = Operations(
            operator=Operator(
                store=evaluations,
                policies=store.policies,
                journal=store.journal,
                log=store.acts,
                clock=clock,
                config=config,
                valid_for_s=VALID_FOR_S,
                new_id=new_id,
            ),
            broker=self.broker,
            schedule=self.scheduler,
            events=self.events,
            clock=clock,
            worker=work,
            folds=work,
        )
        self.in_force = InForce(store=evaluations, worker=work, clock=clock, timer=self.life, events=self.events)
        self.keeper = parts.keeper(store=store.policies, broker=self.broker, worker=work, clock=clock, timer=self.life)
        self.cache = Reached(around.redis.inner, lambda: self.cuts.redis)
        self.cache_keeper = parts.cache_keeper(
            cache=self.cache,
            broker=self.broker,
            worker=OneThread(self.life, None),
            events=self.events,
            clock=clock,
            timer=self.life,
            on_newer=self.keeper.poke,
        )
        self.vitals = Vitals(
            broker=self.broker, events=self.events, clock=clock, timer=self.life, tell=lambda signs: None
        )
        self.service = WatchService(
            maker=WatchMaker(
                broker=self.broker,
                frames=frames,
                clock=clock,
                uniform=clock.uniform,
                new_id=new_id,
                server_id=self.server_id,
            ),
            fleet=Fleet(events=self.events, clock=clock, head=current.head.ref, max_clients=100),
            clock=clock,
            heartbeat_s=HEARTBEAT_S,
        )
        self.tasks: set[asyncio.Task[object]] = set()

    def begin(self) -> None:
        """Starts what lives beside the server."""
        self.ear.listen(self.keeper.poke)
        self.cache.listen(lambda ref: self.life.do(lambda: self.cache_keeper.heard(ref)))
        for live in (
            self.leadership.run(),
            self.keeper.run(),
            self.cache_keeper.run(),
            self._pulse(),
            self.scheduler.run(),
            self.in_force.run(self.operations.expire),
        ):
            self.do(live)

    def do(self, what: Coroutine[None, None, object]) -> None:
        """Has something done beside everything else, in this process."""
        self.tasks.add(self._around.loop.create_task(what))

    async def _pulse(self) -> None:
        # Without counting tasks, which are those of all worlds that were not collected yet.
        while True:
            await pause(self.life, PULSE_PERIOD_S)
            self.vitals.pulse(lag_s=0.0)

    async def kill(self, *, gently: bool) -> None:
        """Ends it. Whoever watches sees that."""
        self.ear.close()
        self.cache.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if gently:
            await self.leadership.give_back()

    def _database(self) -> float:
        if self.cuts.database:
            raise StoreUnavailable("the network to the database is cut")
        self._around.database.check()
        return self._around.database.answer_takes_s

    def _stops(self) -> bool:
        stops, self.cuts.stop_before_commit = self.cuts.stop_before_commit, False
        return stops

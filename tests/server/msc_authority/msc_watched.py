"""An authority that is watched: every real component on a store in memory, time by hand, and the alerts it tells."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

from msc_builders import a_commit, a_content, a_trade, a_verdict, an_entry, an_equity_point, changed
from msc_live import ManualTime, Told, settle

from msc_authority.adapters.memory import MemoryEvaluationStore, MemoryPolicyStore, MemoryStore
from msc_authority.app.activity import Activity
from msc_authority.app.alerts.board import Board
from msc_authority.app.alerts.lookout import Lookout
from msc_authority.app.alerts.values import Alert, AlertState
from msc_authority.app.broker import Broker
from msc_authority.app.clients import ClientInfo, ClientStatus, ClientTier
from msc_authority.app.evaluate import Evaluator
from msc_authority.app.events import AlertChanged
from msc_authority.app.fleet import Fleet
from msc_authority.app.in_force import InForce
from msc_authority.app.journal_tally import RowCounter
from msc_authority.app.modes import ModeTimeline
from msc_authority.app.observation import Standing
from msc_authority.app.observer import Observer
from msc_authority.app.production import Production
from msc_authority.app.scheduler import Scheduler
from msc_authority.app.vitals import HeadKeeper, Vitals, read_current
from msc_authority.app.work import Worker
from msc_authority.core.config import DecisionConfig
from msc_authority.core.facts import Fact
from msc_authority.core.policy import PolicyContent
from msc_authority.ports.evaluations import StoredState
from msc_authority.ports.policies import Head
from msc_authority.ports.store import StoreUnavailable
from msc_authority.rpc.journal_service import JournalRecorder
from msc_policy import v1 as pb

T = TypeVar("T")

FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED
RAISED_WITHIN_S = 5.0
CALM_S = 12.0
"""Longer than a condition has to be gone before its alert is resolved."""
PERIOD_S = 1800.0
CAPITAL = Decimal(100_000)


class TroubledPolicies(MemoryPolicyStore):
    """May be away, or say that something else is the head."""

    away = False
    instead: Head | None = None

    def head(self) -> Head:
        if self.away:
            raise StoreUnavailable("locked")
        return self.instead or super().head()


class TroubledEvaluations(MemoryEvaluationStore):
    """May be away."""

    away = False

    def load(self) -> StoredState:
        if self.away:
            raise StoreUnavailable("locked")
        return super().load()


class TroubledStore(MemoryStore):
    """A store in memory of which parts may be away."""

    def __init__(self, time: ManualTime) -> None:
        super().__init__(time)
        self.policies: TroubledPolicies = TroubledPolicies(self._kept)
        self.evaluations: TroubledEvaluations = TroubledEvaluations(self._kept)


class Inline(Worker):
    """Calls at once, on the event loop's thread: time by hand does not race with threads."""

    async def run(self, call: Callable[[], T]) -> T:
        return call()


@dataclass
class Watched:
    """The components, made from `time` and `store`."""

    time: ManualTime = field(default_factory=ManualTime)
    told: Told = field(default_factory=Told)
    store: TroubledStore = field(init=False)
    stands: Callable[[], Standing] = Standing
    stands_on: Callable[[], Production] = Production

    def __post_init__(self) -> None:
        self.store = TroubledStore(self.time)

    def build(self) -> None:
        time, events, store = self.time, self.told.bus, self.store
        worker = Inline(threads=1, name="inline")
        current = read_current(store.policies, time)
        self.broker = Broker(current=current, clock=time, timer=time, events=events, max_watchers=100)
        self.fleet = Fleet(events=events, clock=time, head=current.head.ref, max_clients=1000)
        ids = itertools.count(1)
        evaluator = Evaluator(
            store=store.evaluations,
            journal=store.journal,
            log=store.log,
            clock=time,
            config=DecisionConfig(),
            valid_for_s=2 * PERIOD_S,
            new_id=lambda: f"eval-{next(ids)}",
        )
        self.scheduler = Scheduler(
            evaluator=evaluator,
            broker=self.broker,
            events=events,
            clock=time,
            timer=time,
            worker=worker,
            previews=worker,
            period_s=PERIOD_S,
        )
        self.keeper = HeadKeeper(store=store.policies, broker=self.broker, worker=worker, clock=time, timer=time)
        self.vitals = Vitals(broker=self.broker, events=events, clock=time, timer=time, tell=lambda _: None)
        self.activity = Activity(log=store.executions, events=events, clock=time, timer=time, worker=worker)
        self.rows = RowCounter(time)
        self.modes = ModeTimeline(store=store.policies, events=events, clock=time, timer=time, worker=worker)
        self.in_force = InForce(store=store.evaluations, worker=worker, clock=time, timer=time, events=events)
        self.recorder = JournalRecorder(
            journal=store.journal,
            worker=worker,
            clock=time,
            rows=self.rows,
            on_recorded=self.activity.facts_arrived,
        )
        self.observer = Observer(
            broker=self.broker,
            fleet=self.fleet,
            schedule=self.scheduler,
            pulse=self.vitals,
            signals=self.activity,
            rows=self.rows,
            modes=self.modes,
            in_force=self.in_force,
            events=events,
            clock=time,
            server_id="server-1",
            period_s=PERIOD_S,
            standing=lambda: self.stands(),  # noqa: PLW0108 -- replaced while it runs
            production=lambda: self.stands_on(),  # noqa: PLW0108 -- replaced while it runs
        )
        self.board = Board()
        self.lookout = Lookout(observer=self.observer, board=self.board, events=events, timer=time)

    def restarted(self) -> Watched:
        """Another process on the same store, not yet running."""
        scene = Watched(time=self.time)
        scene.store = self.store
        scene.build()
        return scene

    def lives(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """What runs as long as the authority does."""
        return (
            self.modes.run,
            self.vitals.run,
            self.keeper.run,
            self.activity.run,
            self.scheduler.run,
            self.lookout.run,
        )

    def changes(self, code: str, subject: str | None = None) -> list[Alert]:
        """Every change that was told of an alert."""
        alerts = [event.alert for event in self.told.events if isinstance(event, AlertChanged)]
        return [alert for alert in alerts if alert.code == code and subject in (None, alert.subject)]

    def states(self, code: str, subject: str | None = None) -> list[AlertState]:
        """The state that each change led to."""
        return [alert.state for alert in self.changes(code, subject)]

    def standing(self, code: str) -> list[Alert]:
        """Alerts of a code that are on the board now."""
        return [alert for alert in self.board.alerts if alert.code == code]

    async def record(self, facts: Sequence[Fact]) -> None:
        """Has facts in the journal, and evaluates."""
        assert not self.store.journal.record(facts).refused
        await self.evaluate()

    async def evaluate(self) -> None:
        """Evaluates on demand."""
        await self.scheduler.evaluate(request_id="", requested_by="a test", reason="")
        await settle()

    async def send(self, *entries: pb.JournalEntry) -> pb.RecordResponse:
        """Sends entries to the journal as an executor does."""

        async def requests() -> AsyncIterator[pb.RecordRequest]:
            yield pb.RecordRequest(entries=entries)

        return await self.recorder.record(requests())

    async def commit_elsewhere(self, content: PolicyContent) -> None:
        """Has another process commit a policy in the store, and this one notice."""
        now, stored = self.time.now(), self.store.evaluations.load()
        entry = an_entry(f"other-{now}", trigger="request", started_at=now, verdict=a_verdict(content, as_of=now))
        commit = a_commit(
            entry=entry,
            publish=content,
            valid_for_s=2 * PERIOD_S,
            controller=stored.controller,
            checkpoint=stored.checkpoint,
        )
        self.store.evaluations.commit(commit, stored)
        await self.keeper.confirm()
        await settle()

    def report(self, name: str = "one", instance: str = "1", **status: object) -> None:
        """Has a client say how it is; FRESH on the head, unless said otherwise."""
        fresh = ClientStatus(tier=ClientTier.FRESH, applied=self.broker.current.head.ref, age_s=0.5)
        self.fleet.report(a_client(name, instance), changed(fresh, status))


def a_client(name: str = "one", instance: str = "1") -> ClientInfo:
    """A start of a client."""
    return ClientInfo(instance_id=f"{name}-{instance}", name=name)


def good_days(time: ManualTime, *, days: int = 10) -> list[Fact]:
    """What a fleet of one good strategy journalled over the last days: a trade and two readings an hour."""
    facts: list[Fact] = []
    balance = CAPITAL
    for hours_ago in range(24 * days, 0, -1):
        at = time.now() - timedelta(hours=hours_ago)
        pnl = Decimal(-80 if hours_ago % 3 == 2 else 100)
        balance += pnl
        facts.append(
            replace(
                a_trade(f"T-{hours_ago}", strategy_id="TREND", net_pnl=pnl, gross_pnl=pnl),
                fees=Decimal(0),
                funding=Decimal(0),
                opened_at=at - timedelta(minutes=8),
                closed_at=at,
            )
        )
        facts += [
            a_reading(time, balance, minutes_ago=60 * hours_ago - 10),
            a_reading(time, balance * Decimal("0.996"), minutes_ago=60 * hours_ago - 40),
        ]
    return facts


def a_reading(time: ManualTime, balance: Decimal, *, minutes_ago: float = 0.0) -> Fact:
    """The account as it was so long ago."""
    at = time.now() - timedelta(minutes=minutes_ago)
    return an_equity_point(at, wallet_balance=balance.quantize(Decimal("0.01")), unrealized_pnl=Decimal(0))


@asynccontextmanager
async def watched(
    *, journal: Callable[[ManualTime], list[Fact]] = lambda _: [], away: bool = False
) -> AsyncIterator[Watched]:
    """Yields an authority that has made its first evaluation, of what `journal` says; failed, if the store is away."""
    scene = Watched()
    scene.store.journal.record(journal(scene.time))
    scene.build()
    scene.store.evaluations.away = away
    tasks = [asyncio.create_task(_run(live)) for live in scene.lives()]
    await settle()
    try:
        yield scene
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


async def _run(live: Callable[[], Awaitable[None]]) -> None:
    await live()


def allowing(*strategies: str, **overrides: object) -> PolicyContent:
    """A policy; without strategies it allows nobody."""
    grants = tuple(replace(a_content().grants[0], strategy_id=name) for name in strategies)
    return changed(a_content(), {"grants": grants, **overrides})


async def is_raised(scene: Watched, code: str, subject: str = "", *, at_once: bool = False) -> Alert:
    """Sees an alert fire within 5 s from now, and once only. It did not fire before; `at_once`: it may just have."""
    assert scene.states(code) == [] or at_once
    await scene.time.advance(RAISED_WITHIN_S)
    assert scene.states(code) == [FIRING]
    await scene.time.advance(20.0)
    [alert] = scene.changes(code)
    assert (alert.state, alert.subject) == (FIRING, subject)
    return alert


async def is_resolved(scene: Watched, code: str, *, after_s: float = CALM_S) -> None:
    """Sees the one alert resolved, once."""
    await scene.time.advance(after_s)
    assert scene.states(code) == [FIRING, RESOLVED]
    [alert] = scene.standing(code)
    assert alert.state is RESOLVED

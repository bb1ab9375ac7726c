"""The living authority's answers, asked from its own loop, from other loops, and from plain threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import pytest
from msc_builders import a_content, an_entry
from msc_live import ManualTime, Told, a_broker
from msc_observed import StillInsight
from msc_overrides import an_override
from msc_served import StagedEvaluator, served

from msc_authority.adapters.memory import MemoryStore
from msc_authority.app.acts import Act, Resume
from msc_authority.app.alerts.links import Links
from msc_authority.app.broker import Draining
from msc_authority.app.evaluate import InvalidMetric
from msc_authority.app.events import EvaluationBroken, EvaluationDone, Event
from msc_authority.app.insight import Evaluations, Insight
from msc_authority.app.live_insight import LiveInsight
from msc_authority.app.modes import ModeSpan
from msc_authority.app.operate import ActOutcome
from msc_authority.app.scheduler import Scheduler
from msc_authority.app.work import Worker
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.operator_acts import NothingToResume
from msc_authority.core.overrides import Override
from msc_authority.core.policy import RiskMode
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.store import StoreUnavailable

_T = TypeVar("_T")


class CountedLog:
    """A log of evaluations that counts how often it is read, and fails when told to."""

    def __init__(self, store: MemoryStore) -> None:
        self._log = store.log
        self.reads = 0
        self.error: Exception | None = None
        self.takes: Callable[[], None] = lambda: None
        self.strategies = store.log.strategies
        self.by_request, self.page = store.log.by_request, store.log.page

    def latest(self) -> EvaluationEntry | None:
        self.reads += 1
        self.takes()
        if self.error:
            raise self.error
        return self._log.latest()

    def latest_failure(self) -> EvaluationEntry | None:
        return self._log.latest_failure()


@dataclass
class Scene:
    """A live insight over real use cases, with parts that stand still where they are only passed on."""

    time: ManualTime
    told: Told
    evaluator: StagedEvaluator
    log: CountedLog
    acts: Acts
    insight: LiveInsight
    still: StillInsight = field(default_factory=StillInsight)
    spans: tuple[ModeSpan, ...] = ()


class Latest:
    """What an observer, a board, a tracer and others have in common: they have the newest."""

    def __init__(self, still: StillInsight) -> None:
        self._still = still
        self.latest, self.alerts, self.trace, self.spans = still.observation, still.alerts, still.trace, ()
        self.overrides = still.overrides


class Acts:
    """Does nothing, on the loop that it is asked on, and remembers what."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.asked: list[object] = []

    async def overrides(self) -> tuple[Override, ...]:
        assert asyncio.get_running_loop() is self.loop
        return (an_override(),)

    async def act(self, act: Act, *, actor: str, reason: str, request_id: str) -> ActOutcome:
        assert asyncio.get_running_loop() is self.loop
        self.asked.append((act, actor, reason, request_id))
        raise NothingToResume("nothing")

    async def preview(self, act: Act, *, actor: str, reason: str) -> ActOutcome:
        assert asyncio.get_running_loop() is self.loop
        self.asked.append((act, actor, reason))
        raise NothingToResume("nothing")


@asynccontextmanager
async def living() -> AsyncIterator[Scene]:
    time, told, still = ManualTime(), Told(), StillInsight()
    store = MemoryStore(time)
    evaluator, log = StagedEvaluator(store, time), CountedLog(store)
    broker = a_broker(time, told=told)
    one, pages = Worker(threads=1, name="evaluate"), Worker(threads=2, name="pages")
    scheduler = Scheduler(
        evaluator=evaluator,
        broker=broker,
        events=told.bus,
        clock=time,
        timer=time,
        worker=one,
        previews=pages,
        period_s=1800.0,
    )
    latest, acts = Latest(still), Acts()
    insight = LiveInsight(
        broker=broker,
        scheduler=scheduler,
        observer=latest,
        board=latest,
        tracer=latest,
        timeline=latest,
        in_force=latest,
        operations=acts,
        links=Links(),
        policies=store.policies,
        log=log,
        worker=pages,
        events=told.bus,
        clock=time,
    )
    try:
        yield Scene(time=time, told=told, evaluator=evaluator, log=log, acts=acts, insight=insight, still=still)
    finally:
        one.close()
        pages.close()


async def elsewhere(make: Callable[[], Coroutine[None, None, _T]]) -> _T:
    """What a coroutine returns on another event loop, in another thread."""
    return await asyncio.to_thread(lambda: asyncio.run(make()))


async def test_what_persons_do_is_done_on_the_authoritys_loop_whoever_asks() -> None:
    async with living() as scene:
        assert await elsewhere(scene.insight.overrides_now) == (an_override(),)
        for call in (
            partial(scene.insight.act, Resume(), actor="alice", reason="why", request_id="r-1"),
            partial(scene.insight.preview_act, Resume(), actor="alice", reason="why"),
        ):
            with pytest.raises(NothingToResume):
                await elsewhere(call)
        assert scene.acts.asked == [(Resume(), "alice", "why", "r-1"), (Resume(), "alice", "why")]


async def test_it_is_the_insight_that_pages_are_made_for() -> None:
    async with served() as scene:
        insight: Insight = scene.authority.insight
        assert insight.current.head == scene.store.policies.head()
        assert insight.observation.server_id == scene.authority.server_id
        assert insight.next_evaluation_in_s() == 1800.0
        assert insight.freshness().ttl_s is None
        assert (insight.trace.points, insight.mode_spans) == ((), ())


async def test_an_evaluation_asked_for_elsewhere_is_made_on_the_authoritys_loop() -> None:
    threads: list[str] = []

    async with served() as scene:
        scene.authority.insight.subscribe(lambda _: threads.append(threading.current_thread().name))
        scene.evaluator.publish = a_content(RiskMode.AGGRESSIVE)
        outcome = await elsewhere(
            lambda: scene.authority.insight.evaluate(request_id="", requested_by="page", reason="")
        )

    assert outcome.entry.committed == scene.store.policies.head().ref
    assert set(threads) == {threading.current_thread().name}


async def test_a_preview_and_a_what_if_are_answered_elsewhere_and_their_errors_too() -> None:
    async with living() as scene:
        preview = await elsewhere(lambda: scene.insight.preview(requested_by="page", reason=""))
        supposed = await elsewhere(lambda: scene.insight.what_if(SuppliedMetrics(drawdown_pct=3.0)))
        scene.evaluator.error = InvalidMetric("drawdown_pct: must be finite")
        with pytest.raises(InvalidMetric):
            await elsewhere(lambda: scene.insight.what_if(SuppliedMetrics(drawdown_pct=3.0)))

    assert (preview.entry.trigger, supposed.entry.trigger) == ("preview", "what_if")
    assert scene.evaluator.seen == [SuppliedMetrics(drawdown_pct=3.0)]


async def test_many_who_ask_within_a_second_cost_one_read() -> None:
    async with living() as scene:
        for _ in range(5):
            await elsewhere(scene.insight.evaluations)
        assert scene.log.reads == 1
        scene.time.leap(1.0)
        await scene.insight.evaluations()

    assert scene.log.reads == 2


@pytest.mark.parametrize("error", [None, StoreUnavailable("gone")])
async def test_many_who_ask_at_once_cost_one_read_whatever_it_leads_to(error: Exception | None) -> None:
    async with living() as scene:
        all_asked = threading.Event()

        def takes() -> None:
            assert all_asked.wait(30.0)
            scene.time.leap(0.5)

        scene.log.error, scene.log.takes = error, takes
        asking = [asyncio.ensure_future(scene.insight.evaluations()) for _ in range(20)]
        await asyncio.sleep(0)
        all_asked.set()
        found = await asyncio.gather(*asking, return_exceptions=True)

    assert scene.log.reads == 1
    assert {type(one) for one in found} == {type(error) if error else Evaluations}


@pytest.mark.parametrize("event", [EvaluationDone(entry=an_entry()), EvaluationBroken(trigger="start", text="no")])
async def test_what_an_evaluation_changed_is_told_at_once(event: Event) -> None:
    async with living() as scene:
        await scene.insight.evaluations()
        scene.told.bus.emit(event)
        await scene.insight.evaluations()

    assert scene.log.reads == 2


async def test_what_was_read_while_an_evaluation_ended_is_not_remembered() -> None:
    async with living() as scene:
        reading = asyncio.ensure_future(scene.insight.evaluations())
        await asyncio.sleep(0)
        scene.told.bus.emit(EvaluationDone(entry=an_entry()))
        await reading
        await scene.insight.evaluations()

    assert scene.log.reads == 2


async def test_a_store_that_is_away_is_said_and_asked_again() -> None:
    async with living() as scene:
        scene.log.error = StoreUnavailable("gone")
        with pytest.raises(StoreUnavailable):
            await scene.insight.evaluations()
        scene.log.error = None
        found = await scene.insight.evaluations()

    assert found.latest is None


async def test_the_ranking_of_the_newest_evaluation_and_history_are_asked_of_the_store() -> None:
    async with served() as scene:
        await scene.publish()
        ranked, as_of = await elsewhere(scene.authority.insight.strategies)
        revisions = await elsewhere(lambda: scene.authority.insight.history(None, 5))

    assert [row.strategy_id for row in ranked] == ["TREND_001"]
    assert as_of is not None
    assert [revision.policy for revision in revisions] == [scene.store.policies.head().policy]


async def test_when_the_authority_is_gone_it_is_said_and_nothing_hangs() -> None:
    loop = asyncio.new_event_loop()
    scenes: list[Scene] = []

    async def once() -> None:
        async with living() as scene:
            scenes.append(scene)

    await asyncio.to_thread(loop.run_until_complete, once())
    loop.close()

    with pytest.raises(Draining):
        await scenes[0].insight.preview(requested_by="page", reason="")


async def test_listeners_come_and_go_on_many_threads_and_none_is_lost() -> None:
    async with living() as scene:
        heard: list[Event] = []

        def come_and_go() -> None:
            for _ in range(200):
                scene.insight.subscribe(lambda _: None)()
            scene.insight.subscribe(heard.append)

        await asyncio.gather(*(asyncio.to_thread(come_and_go) for _ in range(8)))
        scene.told.bus.emit(EvaluationDone(entry=an_entry()))

    assert len(heard) == 8

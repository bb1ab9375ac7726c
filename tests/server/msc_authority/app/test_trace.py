"""The trace follows the journal, and says of every instant what an evaluation of that instant said."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from msc_builders import START
from msc_live import ManualTime, until
from msc_traced import a_reading, a_result, a_tracer, ago, evaluated

from msc_authority.adapters.memory import MemoryJournal
from msc_authority.app.trace import REFRESH_PERIOD_S, EquityTrace, EquityTracer, TracePoint
from msc_authority.app.trace_fold import BIN, SPAN
from msc_authority.core.evidence import Evidence
from msc_authority.core.facts import Fact
from msc_authority.ports.journal import JournalCursor
from msc_authority.ports.store import StoreUnavailable


class WatchedJournal(MemoryJournal):
    """Counts readings and rows read, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.readings = 0
        self.rows = 0
        self.away = False
        self.breaks_after: int | None = None

    def end(self) -> JournalCursor:
        if self.away:
            raise StoreUnavailable("locked")
        return super().end()

    def evidence_after(self, after: datetime | None, upto: JournalCursor) -> Iterator[Evidence]:
        self.readings += 1
        for number, row in enumerate(super().evidence_after(after, upto)):
            if self.breaks_after is not None and number >= self.breaks_after:
                raise StoreUnavailable("gone half-way")
            self.rows += 1
            yield row


@dataclass
class Scene:
    time: ManualTime
    journal: WatchedJournal
    tracer: EquityTracer

    async def fresh(self) -> EquityTrace:
        assert await self.tracer.refresh()
        return self.tracer.trace


@asynccontextmanager
async def a_scene() -> AsyncIterator[Scene]:
    time, journal = ManualTime(), WatchedJournal()
    async with a_tracer(journal, time) as tracer:
        yield Scene(time, journal, tracer)


async def test_an_empty_journal_is_an_empty_trace() -> None:
    async with a_scene() as scene:
        assert await scene.fresh() == EquityTrace()
        assert await scene.fresh() == EquityTrace()


async def test_what_was_read_is_drawn() -> None:
    async with a_scene() as scene:
        scene.journal.record([a_reading(ago(20), 1000), a_reading(ago(10), 900), a_result(ago(15), 5)])

        assert await scene.fresh() == EquityTrace(
            points=(
                TracePoint(at=ago(20), equity=1000.0, drawdown_pct=0.0),
                TracePoint(at=ago(10), equity=900.0, drawdown_pct=10.0),
            ),
            strategies={"TREND": (5.0,)},
        )


async def test_it_is_refreshed_every_few_seconds() -> None:
    async with a_scene() as scene:
        task = asyncio.create_task(scene.tracer.run())
        await until(lambda: scene.time.armed == 1)
        scene.journal.record([a_reading(ago(1), 1000)])
        await scene.time.advance(REFRESH_PERIOD_S)
        await until(lambda: len(scene.tracer.trace.points) == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_while_nothing_is_new_nothing_is_read() -> None:
    async with a_scene() as scene:
        scene.journal.record([a_reading(ago(1), 1000)])
        before = await scene.fresh()
        scene.time.leap(REFRESH_PERIOD_S)

        assert await scene.fresh() is before
        assert scene.journal.readings == 1


async def test_only_what_is_new_is_read() -> None:
    async with a_scene() as scene:
        scene.journal.record([a_reading(ago(m), 1000 + m % 5) for m in range(600, 10, -1)])
        await scene.fresh()
        scene.journal.rows = 0
        scene.journal.record([a_reading(ago(5), 990), a_reading(ago(4), 980)])

        trace = await scene.fresh()

        assert trace.points[-1].equity == 980.0
        assert scene.journal.rows == 2


async def test_several_executors_whose_readings_cross_on_the_way_cost_little() -> None:
    async with a_scene() as scene:
        facts: list[Fact] = [a_reading(ago(m), 1000 + m % 5, "a") for m in range(3000, 2, -1)]
        scene.journal.record(facts)
        await scene.fresh()
        scene.journal.rows = 0
        late = [a_reading(ago(2), 1001, "a"), a_reading(ago(2.01), 500, "b"), a_reading(ago(2), 400, "c")]

        for fact in late:
            scene.journal.record([fact])
            await scene.fresh()

        assert scene.journal.rows <= 3 * 2 * (BIN / timedelta(minutes=1))
        assert scene.tracer.trace.points[-1] == evaluated([*facts, *late], START)


async def test_what_comes_hours_late_takes_its_place() -> None:
    async with a_scene() as scene:
        facts: list[Fact] = [a_reading(ago(m), 1000) for m in range(3000, 0, -5)]
        scene.journal.record(facts)
        before = await scene.fresh()
        late = [a_reading(ago(m + 1), 600, "b") for m in range(1000, 500, -5)]
        scene.journal.record(late)
        scene.journal.record([a_result(ago(700), 12)])

        trace = await scene.fresh()

        assert max(point.equity for point in before.points) == 1000.0
        assert trace.points[-1] == evaluated([*facts, *late], START)
        assert trace.strategies == {"TREND": (12.0,)}
        for point in trace.points[:: len(trace.points) // 20]:
            assert point == evaluated([*facts, *late], point.at)


async def test_what_is_older_than_everything_known_builds_the_trace_anew() -> None:
    async with a_scene() as scene:
        facts: list[Fact] = [a_reading(ago(m), 1000) for m in range(600, 0, -5)]
        scene.journal.record(facts)
        await scene.fresh()
        oldest = a_reading(ago(10_000), 2000)
        scene.journal.record([oldest])

        trace = await scene.fresh()

        assert trace.points[0] == TracePoint(at=oldest.at, equity=2000.0, drawdown_pct=0.0)
        assert {point.drawdown_pct for point in trace.points[1:]} == {50.0}


async def test_facts_of_the_future_are_drawn_when_their_time_has_come() -> None:
    async with a_scene() as scene:
        scene.journal.record([a_reading(ago(1), 1000), a_reading(ago(-2), 1100)])
        assert [point.equity for point in (await scene.fresh()).points] == [1000.0]

        scene.time.leap(121.0)

        assert [point.equity for point in (await scene.fresh()).points] == [1000.0, 1100.0]


async def test_what_has_left_the_window_is_gone_though_nothing_new_came() -> None:
    async with a_scene() as scene:
        scene.journal.record([a_reading(ago(60), 1000), a_reading(ago(1), 1000), a_result(ago(60), 5)])
        assert len((await scene.fresh()).points) == 2

        scene.time.leap((SPAN - timedelta(minutes=30)).total_seconds())

        trace = await scene.fresh()
        assert [point.at for point in trace.points] == [ago(1)]
        assert trace.strategies == {}


async def test_a_clock_that_steps_back_and_goes_on_leaves_the_trace_right() -> None:
    async with a_scene() as scene:
        facts: list[Fact] = [a_reading(ago(m), 1000 + m) for m in range(300, 0, -1)]
        scene.journal.record(facts)
        await scene.fresh()
        scene.time.leap(-7200.0)
        late = [a_reading(ago(130.5), 900)]
        scene.journal.record(late)
        await scene.fresh()
        scene.time.leap(7200.0)

        trace = await scene.fresh()

        assert trace.points[-1] == evaluated([*facts, *late], START)
        assert min(point.equity for point in trace.points) == 900.0


async def test_simulated_time_is_the_clocks() -> None:
    class Simulated(ManualTime):
        def now(self) -> datetime:
            return START + (super().now() - START) * 3600

    time, journal = Simulated(), WatchedJournal()
    async with a_tracer(journal, time) as tracer:
        for hour in range(100):
            journal.record([a_reading(START + timedelta(hours=hour), 1000 + hour)])
            await tracer.refresh()
            time.leap(1.0)

        assert len(tracer.trace.points) == 100


async def test_an_outage_keeps_the_trace_is_complained_of_once_and_made_up_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with a_scene() as scene:
        scene.journal.record([a_reading(ago(2), 1000)])
        before = await scene.fresh()
        scene.journal.record([a_reading(ago(1), 1100)])
        scene.journal.away = True
        for _ in range(3):
            assert not await scene.tracer.refresh()
        assert scene.tracer.trace is before

        scene.journal.away = False
        assert len((await scene.fresh()).points) == 2
        assert [(record.levelname, record.message.split(",")[0]) for record in caplog.records] == [
            ("WARNING", "The journal cannot be read"),
            ("INFO", "The journal can be read again"),
        ]


async def test_a_reading_that_breaks_off_leaves_nothing_half_done() -> None:
    async with a_scene() as scene:
        facts: list[Fact] = [a_reading(ago(m), 1000 + m % 9) for m in range(200, 100, -1)]
        scene.journal.record(facts)
        before = await scene.fresh()
        more: list[Fact] = [a_reading(ago(m), 1000 + m % 9) for m in range(100, 0, -1)]
        more += [a_result(ago(m), 1) for m in range(99, 0, -1)]
        scene.journal.record(more)
        scene.journal.breaks_after = 50

        assert not await scene.tracer.refresh()
        assert scene.tracer.trace is before
        scene.journal.breaks_after = None

        trace = await scene.fresh()
        assert trace.points[-1] == evaluated([*facts, *more], START)
        assert trace.strategies["TREND"][-1] == 99.0


async def test_a_stop_does_not_wait_for_a_long_journal() -> None:
    began = threading.Event()

    class Endless(WatchedJournal):
        def evidence_after(self, after: datetime | None, upto: JournalCursor) -> Iterator[Evidence]:
            row = next(super().evidence_after(after, upto))
            instant = row.at
            while True:
                began.set()
                instant += timedelta(microseconds=1)
                yield row._replace(at=instant)

    time, journal = ManualTime(), Endless()
    journal.record([a_reading(ago(1), 1000)])
    async with a_tracer(journal, time) as tracer:
        task = asyncio.create_task(tracer.run())
        await until(began.is_set)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    # The worker could be closed: the fold was given up.
    assert tracer.trace == EquityTrace()


async def test_started_again_it_goes_on() -> None:
    async with a_scene() as scene:

        async def live_until(points: int) -> None:
            task = asyncio.create_task(scene.tracer.run())
            await until(lambda: len(scene.tracer.trace.points) == points)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        scene.journal.record([a_reading(ago(2), 1000)])
        await live_until(1)
        scene.journal.record([a_reading(ago(1), 1001)])
        await live_until(2)

        assert [point.equity for point in scene.tracer.trace.points] == [1000.0, 1001.0]


async def test_of_a_very_long_journal_what_bears_on_the_last_days_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msc_authority.app.trace.WHOLE_JOURNAL_ROWS", 100)
    async with a_scene() as scene:
        scene.journal.record([a_reading(START - timedelta(days=n / 4), 1000 + n % 13) for n in range(4 * 200)])
        trace = await scene.fresh()

        assert scene.journal.rows == 4 * 60
        scene.journal.rows = 0
        monkeypatch.undo()
        async with a_tracer(scene.journal, scene.time) as whole:
            await whole.refresh()
            assert [point.at for point in whole.trace.points] == [point.at for point in trace.points]
            assert [point.drawdown_pct for point in whole.trace.points] == pytest.approx(
                [point.drawdown_pct for point in trace.points]
            )
        assert scene.journal.rows == 4 * 200

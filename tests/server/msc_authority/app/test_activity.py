"""The journal is followed: across restarts, outages and storms of rows, by the authority's own clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msc_builders import START, Store, an_execution
from msc_live import ManualTime, Told, settle, until

from msc_authority.adapters.memory import MemoryStore
from msc_authority.adapters.sql import open_store
from msc_authority.app.activity import PAGE_ROWS, POLL_PERIOD_S, QUIET_S, Activity
from msc_authority.app.events import SignalBlocked
from msc_authority.app.signals import SignalActivity
from msc_authority.app.work import Worker
from msc_authority.core.facts import Execution
from msc_authority.ports.journal import ExecutionLog, JournalledExecution
from msc_authority.ports.store import StoreUnavailable


@dataclass
class WatchedLog:
    """Reads the log of a store, counts that, and may be away."""

    log: ExecutionLog
    away: bool = False
    fails_after_pages: int | None = None
    pages: list[int] = field(default_factory=list)

    def end(self) -> int:
        self._check()
        return self.log.end()

    def executions_after(self, sequence: int, limit: int) -> list[JournalledExecution]:
        self._check()
        if self.fails_after_pages is not None and len(self.pages) >= self.fails_after_pages:
            raise StoreUnavailable("gone half-way")
        page = self.log.executions_after(sequence, limit)
        self.pages.append(len(page))
        return page

    def last_sequence_before(self, at: datetime) -> int:
        self._check()
        return self.log.last_sequence_before(at)

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailable("locked")


@dataclass
class Scene:
    time: ManualTime
    store: Store
    log: WatchedLog
    told: Told
    activity: Activity

    def record(self, *executions: Execution) -> None:
        assert self.store.journal.record(executions).accepted == len(executions)

    def snapshot(self) -> SignalActivity:
        return self.activity.snapshot(self.time.now())

    def blocks_told(self) -> list[str]:
        return [event.signal.symbol for event in self.told.events if isinstance(event, SignalBlocked)]


@asynccontextmanager
async def a_scene(time: ManualTime | None = None, store: Store | None = None) -> AsyncIterator[Scene]:
    time = time or ManualTime()
    store = store or MemoryStore(time)
    log, told, worker = WatchedLog(store.executions), Told(), Worker(threads=1, name="tail")
    activity = Activity(log=log, events=told.bus, clock=time, timer=time, worker=worker)
    yield Scene(time, store, log, told, activity)
    worker.close()


@asynccontextmanager
async def living(scene: Scene) -> AsyncIterator[None]:
    """The activity runs; it has read what there is."""
    task = asyncio.create_task(scene.activity.run())
    await until(lambda: bool(scene.log.pages))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def ago(minutes: float) -> datetime:
    return START - timedelta(minutes=minutes)


def a_block(name: str, when: datetime = START, **overrides: object) -> Execution:
    return an_execution(name, **{"status": "BLOCKED", "reason": "NO_STOP", "symbol": name, "at": when, **overrides})


def a_signal(name: str, when: datetime = START, **overrides: object) -> Execution:
    return an_execution(name, **{"status": "NEW", "at": when, **overrides})


async def test_an_empty_journal_says_nothing() -> None:
    async with a_scene() as scene:
        assert await scene.activity.read_on()

        assert scene.snapshot() == SignalActivity()
        assert scene.told.events == []


async def test_a_block_is_counted_and_told_once() -> None:
    async with a_scene() as scene:
        await scene.activity.read_on()
        scene.record(a_signal("one"), a_block("two"))

        await scene.activity.read_on()
        await scene.activity.read_on()

        assert scene.blocks_told() == ["two"]
        assert (scene.snapshot().since_start.seen_total, scene.snapshot().since_start.blocked_total) == (2, 1)


async def test_it_reads_on_each_second_even_when_nobody_says_that_facts_have_arrived() -> None:
    async with a_scene() as scene, living(scene):
        scene.record(a_block("by another process"))
        await scene.time.advance(POLL_PERIOD_S)
        await until(lambda: scene.blocks_told() == ["by another process"])


async def test_a_block_is_told_soon_after_facts_have_arrived() -> None:
    async with a_scene() as scene, living(scene):
        scene.record(a_block("now"))
        scene.activity.facts_arrived()
        await scene.time.advance(QUIET_S)
        await until(lambda: scene.blocks_told() == ["now"])
        assert scene.time.monotonic() - 1000.0 < 0.2


async def test_facts_that_arrive_while_it_reads_are_read_right_after() -> None:
    async with a_scene() as scene, living(scene):
        for name in ("a", "b", "c"):
            scene.record(a_block(name))
            scene.activity.facts_arrived()
            await scene.time.advance(QUIET_S)
            await until(lambda expected=name: expected in scene.blocks_told())  # type: ignore[misc]  # bound at once
        assert scene.blocks_told() == ["a", "b", "c"]


async def test_a_storm_of_pokes_is_one_reading() -> None:
    async with a_scene() as scene, living(scene):
        readings = len(scene.log.pages)
        for _ in range(100):
            scene.activity.facts_arrived()
            await settle()
        await scene.time.advance(QUIET_S)
        await until(lambda: len(scene.log.pages) > readings)
        await settle()
        assert len(scene.log.pages) == readings + 1


async def test_a_restart_reads_the_last_hour_again_and_counts_it_neither_twice_nor_since_the_start() -> None:
    time = ManualTime()
    store = MemoryStore(time)
    store.journal.record([a_block("old", ago(90)), a_signal("through", ago(59)), a_block("stopped", ago(10))])
    async with a_scene(time, store) as before:
        await before.activity.read_on()
        before.record(a_block("meanwhile"))
        await before.activity.read_on()
        first = before.snapshot()

    async with a_scene(time, store) as after:
        await after.activity.read_on()
        second = after.snapshot()

        assert first.last_hour == second.last_hour
        assert second.last_hour.seen_total == 3
        assert second.last_hour.blocked_total == 2
        assert [block.symbol for block in second.recent] == ["meanwhile", "stopped"]
        assert second.recent == first.recent
        assert (first.since_start.seen_total, second.since_start.seen_total) == (1, 0)
        assert after.blocks_told() == []


async def test_what_arrives_after_the_start_is_since_the_start_though_it_was_read_with_what_was_there() -> None:
    async with a_scene() as scene:
        scene.record(a_block("before", ago(1)))
        original = scene.log.log

        class Meanwhile(WatchedLog):
            def last_sequence_before(self, at: datetime) -> int:
                found = super().last_sequence_before(at)
                scene.record(a_block("after", ago(2)))
                return found

        log = Meanwhile(original)
        worker = Worker(threads=1, name="tail")
        activity = Activity(log=log, events=scene.told.bus, clock=scene.time, timer=scene.time, worker=worker)
        await activity.read_on()
        worker.close()

        snapshot = activity.snapshot(scene.time.now())
        assert snapshot.last_hour.blocked_total == 2
        assert snapshot.since_start.blocked_total == 1
        assert scene.blocks_told() == ["after"]


async def test_late_and_out_of_order_reports_count_where_they_belong() -> None:
    async with a_scene() as scene:
        await scene.activity.read_on()
        scene.record(a_block("later", ago(5)), a_block("earlier", ago(20)), a_block("of yesterday", ago(24 * 60)))
        await scene.activity.read_on()

        snapshot = scene.snapshot()
        assert snapshot.last_hour.blocked_total == 2
        assert snapshot.since_start.blocked_total == 3
        assert [block.symbol for block in snapshot.recent] == ["later", "earlier", "of yesterday"]
        assert scene.blocks_told() == ["later", "earlier"]


async def test_the_hour_is_one_of_the_authoritys_clock() -> None:
    class Simulated(ManualTime):
        def now(self) -> datetime:
            return START + (super().now() - START) * 60

    time = Simulated()
    async with a_scene(time, MemoryStore(time)) as scene:
        await scene.activity.read_on()
        scene.record(a_block("at once"))
        await scene.activity.read_on()

        time.leap(59.0)
        assert scene.snapshot().last_hour.blocked_total == 1
        time.leap(2.0)
        assert scene.snapshot().last_hour.blocked_total == 0
        assert scene.snapshot().since_start.blocked_total == 1


async def test_a_clock_that_steps_back_takes_nothing_away() -> None:
    async with a_scene() as scene:
        await scene.activity.read_on()
        scene.record(a_block("one"))
        await scene.activity.read_on()

        scene.time.leap(-1800.0)
        assert scene.snapshot().last_hour.blocked_total == 1
        scene.record(a_block("two", ago(30)))
        await scene.activity.read_on()
        assert scene.snapshot().last_hour.blocked_total == 2


async def test_an_outage_keeps_what_was_counted_is_complained_of_once_and_made_up_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with a_scene() as scene:
        await scene.activity.read_on()
        scene.record(a_block("before"))
        await scene.activity.read_on()
        scene.log.away = True
        for _ in range(3):
            assert not await scene.activity.read_on()
        during = scene.snapshot()
        scene.record(a_block("during"))
        scene.log.away = False
        assert await scene.activity.read_on()

        assert during.since_start.blocked_total == 1
        assert scene.blocks_told() == ["before", "during"]
        assert [(record.levelname, record.message.split(",")[0]) for record in caplog.records] == [
            ("WARNING", "Execution reports cannot be read"),
            ("INFO", "Execution reports can be read again"),
        ]
        caplog.clear()
        scene.log.away = True
        await scene.activity.read_on()
        assert "cannot be read" in caplog.text


async def test_a_start_without_store_begins_when_the_store_answers() -> None:
    async with a_scene() as scene:
        scene.record(a_block("there before", ago(3)))
        scene.log.away = True
        assert not await scene.activity.read_on()
        assert scene.snapshot() == SignalActivity()

        scene.log.away = False
        await scene.activity.read_on()

        assert scene.snapshot().last_hour.blocked_total == 1
        assert scene.snapshot().since_start.blocked_total == 0


async def test_an_outage_between_two_pages_neither_loses_nor_repeats_a_row() -> None:
    async with a_scene() as scene:
        await scene.activity.read_on()
        scene.record(*[a_signal(f"S-{number}") for number in range(2 * PAGE_ROWS + 7)])
        scene.log.fails_after_pages = len(scene.log.pages) + 1
        assert not await scene.activity.read_on()
        half_way = scene.snapshot().since_start.seen_total

        scene.log.fails_after_pages = None
        await scene.activity.read_on()

        assert half_way == PAGE_ROWS
        assert scene.snapshot().since_start.seen_total == 2 * PAGE_ROWS + 7


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_thousands_of_rows_are_read_in_pages(kind: str, tmp_path: Path) -> None:
    time = ManualTime()
    store: Store = MemoryStore(time) if kind == "memory" else open_store(f"sqlite:///{tmp_path}/msc.db", time)
    async with a_scene(time, store) as scene:
        await scene.activity.read_on()
        scene.record(*[a_block(f"B-{n}") if n % 4 else a_signal(f"S-{n}") for n in range(5000)])
        scene.log.pages.clear()

        await scene.activity.read_on()

        tally = scene.snapshot().since_start
        assert (tally.seen_total, tally.blocked_total) == (5000, 3750)
        assert scene.log.pages == [PAGE_ROWS] * 10 + [0]
        assert len(scene.snapshot().recent) == 100
    store.close()


async def test_history_longer_than_a_page_is_read_at_start() -> None:
    async with a_scene() as scene:
        scene.record(*[a_signal(f"S-{number}", ago(30)) for number in range(3 * PAGE_ROWS)])
        await scene.activity.read_on()

        assert scene.snapshot().last_hour.seen_total == 3 * PAGE_ROWS
        assert scene.snapshot().since_start.seen_total == 0


async def test_started_again_after_a_failure_it_goes_on_where_it_was() -> None:
    async with a_scene() as scene:
        async with living(scene):
            scene.record(a_block("one"))
            scene.activity.facts_arrived()
            await scene.time.advance(POLL_PERIOD_S)
            await until(lambda: scene.blocks_told() == ["one"])
        async with living(scene):
            scene.record(a_block("two"))
            scene.activity.facts_arrived()
            await scene.time.advance(POLL_PERIOD_S)
            await until(lambda: scene.blocks_told() == ["one", "two"])
        assert scene.snapshot().since_start.blocked_total == 2

"""The daily upkeep: on the leader, in small steps, and never silent about a broken log."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from msc_builders import START, ManualClock, an_execution
from msc_live import ManualTime, until

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.app.retention import BATCH_ROWS, KeepDays, KindPlan, Pruner
from msc_authority.app.upkeep import AGAIN_AFTER_S, BACKUP, EVERY_S, FIRST_AFTER_S, LOOK_FOR_BACKUP_S, Upkeep
from msc_authority.app.work import Stopped, Worker, unless_stopped
from msc_authority.core.config import DecisionConfig
from msc_authority.ports.audit import AuditLine
from msc_authority.ports.clock import Clock
from msc_authority.ports.store import StoreUnavailable
from msc_authority.ports.upkeep import Kept
from msc_authority.settings import sqlite_url


class WatchedPruner(Pruner):
    """A real pruner that may find the store away, and counts."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        super().__init__(
            journal=store.journal,
            evaluations=store.evaluations,
            retention=store.retention,
            clock=clock,
            config=DecisionConfig(),
            keep=KeepDays(executions=30),
        )
        self.prepared = 0
        self.batches: list[int] = []
        self.away = False

    def prepare(self, actor: str) -> tuple[KindPlan, ...]:
        if self.away:
            raise StoreUnavailable("locked")
        self.prepared += 1
        return super().prepare(actor)

    def prune_batch(self, kind: Kept) -> int:
        gone = super().prune_batch(kind)
        if kind is Kept.EXECUTIONS:
            self.batches.append(gone)
        return gone


@dataclass
class Scene:
    store: SqlStore
    time: ManualTime
    pruner: WatchedPruner
    upkeep: Upkeep
    leads: list[bool] = field(default_factory=lambda: [True])
    stops: list[bool] = field(default_factory=lambda: [False])

    async def rounds_made(self, number: int) -> None:
        """Lets what falls due within a round fall due, until so many rounds are over."""
        async with asyncio.timeout(30):
            while self.upkeep.rounds < number:
                await self.time.advance(0.06)
                await asyncio.sleep(0.001)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store with 1,200 reports of long ago, and one of now."""
    with open_store(sqlite_url(tmp_path), ManualClock()) as store:
        old = START - timedelta(days=60)
        store.journal.record([an_execution(f"old-{number}", at=old) for number in range(1200)])
        store.journal.record([an_execution("new", at=START)])
    return tmp_path


@asynccontextmanager
async def a_scene(home: Path) -> AsyncIterator[Scene]:
    time, worker, leads, stops = ManualTime(), Worker(threads=1, name="upkeep"), [True], [False]
    with open_store(sqlite_url(home), time) as store:
        pruner = WatchedPruner(store, time)
        upkeep = Upkeep(
            pruner=pruner,
            audit=store.audit,
            clock=time,
            timer=time,
            worker=worker,
            leading=lambda: leads[0],
            stopping=lambda: stops[0],
        )
        task = asyncio.create_task(upkeep.run())
        yield Scene(store, time, pruner, upkeep, leads, stops)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        worker.close()


def tampered(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "msc.db")) as raw, raw:
        for trigger in ("keeps_content", "keeps_rows", "takes_the_next"):
            raw.execute(f"DROP TRIGGER IF EXISTS msc_audit_{trigger}")
        raw.execute(statement)


async def test_it_begins_some_minutes_after_the_start_and_goes_in_small_steps(home: Path) -> None:
    async with a_scene(home) as scene:
        await scene.time.advance(FIRST_AFTER_S - 1)
        assert scene.pruner.prepared == 0
        await scene.time.advance(2)
        await scene.rounds_made(1)

        assert scene.pruner.batches == [BATCH_ROWS, BATCH_ROWS, 200]
        assert scene.upkeep.pruned_rows == 1200
        assert [each.execution.event_id for each in scene.store.executions.executions_after(0, 9)] == ["new"]


async def test_it_comes_again_the_next_day(home: Path) -> None:
    async with a_scene(home) as scene:
        await scene.time.advance(FIRST_AFTER_S + 1)
        await scene.rounds_made(1)
        await scene.time.advance(EVERY_S / 2)
        assert scene.pruner.prepared == 1
        await scene.time.advance(EVERY_S / 2)
        await scene.rounds_made(2)

        assert scene.pruner.prepared == 2
        assert scene.pruner.batches[3:] == [0]


async def test_only_the_leader_does_it(home: Path) -> None:
    async with a_scene(home) as scene:
        scene.leads[0] = False
        await scene.time.advance(FIRST_AFTER_S + 3 * AGAIN_AFTER_S)
        assert scene.pruner.prepared == 0

        scene.leads[0] = True
        await scene.time.advance(AGAIN_AFTER_S)
        await scene.rounds_made(1)
        assert scene.pruner.prepared == 1


async def test_a_store_that_does_not_answer_is_asked_again_in_an_hour(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_scene(home) as scene:
        scene.pruner.away = True
        with caplog.at_level(logging.WARNING):
            await scene.time.advance(FIRST_AFTER_S + 1)
            await until(lambda: "could not be done and is tried again in an hour: locked" in caplog.text)

        scene.pruner.away = False
        await scene.time.advance(AGAIN_AFTER_S + 1)
        await scene.rounds_made(1)
        assert scene.pruner.prepared == 1


async def test_an_intact_log_leaves_an_anchor_in_the_logs(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with a_scene(home) as scene:
        with caplog.at_level(logging.INFO):
            await scene.time.advance(FIRST_AFTER_S + 1)
            await scene.rounds_made(1)
        newest = scene.store.audit.page(None, 1)[0]

    assert not scene.upkeep.audit_broken
    assert f"The audit log is intact: 2 rows, anchor {newest.sequence}:{newest.hash}" in caplog.text


async def test_a_log_that_was_tampered_with_is_told_as_critical(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with a_scene(home) as scene:
        tampered(home, "UPDATE msc_audit SET actor = 'nobody' WHERE sequence = 1")
        with caplog.at_level(logging.INFO):
            await scene.time.advance(FIRST_AFTER_S + 1)
            await scene.rounds_made(1)

    assert scene.upkeep.audit_broken
    critical = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert len(critical) == 1
    assert critical[0].startswith("The audit log is broken at row 1 (changed)")


async def test_an_end_that_was_cut_off_between_two_days_shows(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with a_scene(home) as scene:
        await scene.time.advance(FIRST_AFTER_S + 1)
        await scene.rounds_made(1)
        tampered(home, "DELETE FROM msc_audit WHERE sequence = 2")
        await scene.time.advance(EVERY_S)
        await scene.rounds_made(2)

    assert scene.upkeep.audit_broken
    assert "broken at row 2 (missing)" in caplog.text


async def test_what_takes_long_is_given_up_at_a_stop(home: Path) -> None:
    async with a_scene(home) as scene:
        scene.stops[0] = True

        with pytest.raises(Stopped):
            await asyncio.gather(scene.upkeep.once(), scene.time.advance(60), scene.rounds_made(1))


def test_items_come_as_long_as_nothing_stops() -> None:
    given = unless_stopped(range(10), iter([False, False, True]).__next__)

    assert [next(given), next(given)] == [0, 1]
    with pytest.raises(Stopped):
        next(given)


async def test_it_knows_how_long_ago_the_last_backup_was_made(home: Path) -> None:
    async with a_scene(home) as scene:
        following = asyncio.create_task(scene.upkeep.follow_backups())
        await until(lambda: scene.time.armed > 0)
        assert scene.upkeep.signs().backup_ago_s is None
        line = AuditLine(actor="ops", action=BACKUP, target="file x", detail={})
        scene.store.audit.append(scene.time.now(), line)
        scene.store.audit.append(scene.time.now(), replace(line, action="prune"))

        await scene.time.advance(LOOK_FOR_BACKUP_S)
        await until(lambda: scene.upkeep.signs().backup_ago_s is not None)

        assert scene.upkeep.signs().backup_ago_s == LOOK_FOR_BACKUP_S
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following

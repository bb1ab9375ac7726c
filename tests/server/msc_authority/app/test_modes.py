"""What was in force when: from history, and as it is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msc_builders import START, Store, a_commit, a_content, a_verdict, an_entry
from msc_live import ManualTime, Told, a_policy, settle, until

from msc_authority.adapters.memory import MemoryStore
from msc_authority.adapters.sql import open_store
from msc_authority.app.events import PolicyPublished
from msc_authority.app.modes import HISTORY, RETRY_AFTER_S, ModeTimeline
from msc_authority.app.work import Worker
from msc_authority.core.policy import Policy, PolicyRef, RiskMode, TradingState
from msc_authority.ports.policies import Head, PolicyStore, Revision
from msc_authority.ports.store import StoreUnavailable

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
ACTIVE, REDUCING, HALTED = TradingState
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def hours(number: float) -> datetime:
    return START + number * HOUR


@dataclass
class WatchedPolicies:
    """Reads the policies of a store, counts that, and may be away."""

    policies: PolicyStore
    away: bool = False
    pages: int = 0

    def head(self) -> Head:
        return self.policies.head()

    def revision(self, version: int) -> Policy | None:
        return self.policies.revision(version)

    def revisions(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        if self.away:
            raise StoreUnavailable("locked")
        self.pages += 1
        return self.policies.revisions(before, limit)


@dataclass
class Scene:
    time: ManualTime
    store: Store
    policies: WatchedPolicies
    told: Told
    modes: ModeTimeline

    def commit(self, mode: RiskMode, state: TradingState = ACTIVE, at: datetime | None = None) -> Policy:
        """Has the store hold one more revision, and says nothing."""
        stored = self.store.evaluations.load()
        content = a_content(mode, trading_state=state)
        number = stored.generation + 1
        entry = an_entry(f"eval-{number}", verdict=a_verdict(content, as_of=at or self.time.now()))
        policy = self.store.evaluations.commit(a_commit(entry=entry, publish=content), stored).policy
        assert policy is not None
        return policy

    def publish(self, mode: RiskMode, state: TradingState = ACTIVE) -> Policy:
        """Commits and tells."""
        before = self.store.policies.head().policy
        after = self.commit(mode, state)
        self.told.bus.emit(PolicyPublished(before=before, after=after))
        return after


@asynccontextmanager
async def a_scene(store: Store | None = None, time: ManualTime | None = None) -> AsyncIterator[Scene]:
    time = time or ManualTime()
    store = store or MemoryStore(time)
    policies, told, worker = WatchedPolicies(store.policies), Told(), Worker(threads=1, name="modes")
    modes = ModeTimeline(store=policies, events=told.bus, clock=time, timer=time, worker=worker)
    yield Scene(time, store, policies, told, modes)
    worker.close()


async def test_before_the_first_policy_nothing_is_in_force() -> None:
    async with a_scene() as scene:
        assert await scene.modes.load()

        assert scene.modes.spans == ()
        assert scene.modes.risk_mode_since is None
        assert scene.modes.trading_state_since is None
        assert scene.modes.shares(scene.time.now()).seconds == {}
        assert scene.modes.changes_within(scene.time.now(), HOUR) == 0


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_history_is_read_at_start(kind: str, tmp_path: Path) -> None:
    time = ManualTime()
    store: Store = MemoryStore(time) if kind == "memory" else open_store(f"sqlite:///{tmp_path}/msc.db", time)
    async with a_scene(store, time) as scene:
        for hour, mode, state in [
            (-90, DEFENSIVE, ACTIVE),
            (-50, NORMAL, ACTIVE),
            (-10, NORMAL, HALTED),
            (-0.5, AGGRESSIVE, HALTED),
        ]:
            scene.commit(mode, state, at=hours(hour))
        await scene.modes.load()

        assert [span.risk_mode for span in scene.modes.spans] == [DEFENSIVE, NORMAL, NORMAL, AGGRESSIVE]
        assert scene.modes.risk_mode_since == hours(-0.5)
        assert scene.modes.trading_state_since == hours(-10)
        assert scene.modes.changes_within(START, HOUR) == 1
        assert scene.modes.shares(START, timedelta(hours=100)).seconds == {
            DEFENSIVE: 40 * 3600.0,
            NORMAL: 49.5 * 3600.0,
            AGGRESSIVE: 0.5 * 3600.0,
        }
    store.close()


async def test_of_what_is_older_than_the_window_only_what_still_was_in_force_is_shown() -> None:
    async with a_scene() as scene:
        for days, mode in [(90, AGGRESSIVE), (60, DEFENSIVE), (45, NORMAL), (10, NORMAL)]:
            scene.commit(mode, at=START - days * DAY)
        await scene.modes.load()

        assert [span.since for span in scene.modes.spans] == [START - 45 * DAY, START - 10 * DAY]
        assert scene.modes.risk_mode_since == START - 45 * DAY
        assert scene.modes.trading_state_since == START - 90 * DAY
        assert scene.modes.shares(START).seconds == {NORMAL: HISTORY.total_seconds()}


async def test_history_of_many_pages_is_read_to_where_the_present_mode_began() -> None:
    async with a_scene() as scene:
        scene.commit(DEFENSIVE, REDUCING, at=START - 200 * DAY)
        for number in range(450):
            scene.commit(NORMAL, at=START - 100 * DAY + number * HOUR / 2)
        await scene.modes.load()

        assert scene.modes.risk_mode_since == START - 100 * DAY
        assert len(scene.modes.spans) == 1
        assert scene.policies.pages == 3


async def test_what_is_published_is_in_force_at_once() -> None:
    async with a_scene() as scene:
        await scene.modes.load()
        scene.publish(DEFENSIVE)
        scene.time.leap(3600.0)
        scene.publish(NORMAL)
        scene.time.leap(1800.0)
        scene.publish(NORMAL, HALTED)
        scene.time.leap(600.0)

        now = scene.time.now()
        assert [(span.since, span.risk_mode, span.trading_state) for span in scene.modes.spans] == [
            (hours(0), DEFENSIVE, ACTIVE),
            (hours(1), NORMAL, ACTIVE),
            (hours(1.5), NORMAL, HALTED),
        ]
        assert scene.modes.risk_mode_since == hours(1)
        assert scene.modes.trading_state_since == hours(1.5)
        assert scene.modes.changes_within(now, HOUR) == 1
        assert scene.modes.shares(now).seconds == {DEFENSIVE: 3600.0, NORMAL: 2400.0}


async def test_spans_slide_out_of_the_window_as_policies_follow() -> None:
    async with a_scene() as scene:
        await scene.modes.load()
        for _ in range(50):
            scene.publish(NORMAL)
            scene.time.leap(DAY.total_seconds())

        assert len(scene.modes.spans) == 31
        assert scene.modes.risk_mode_since == START


async def test_published_as_told_or_read_from_history_is_the_same() -> None:
    async with a_scene() as scene:
        await scene.modes.load()
        for number, mode in enumerate([DEFENSIVE, NORMAL, NORMAL, AGGRESSIVE, DEFENSIVE]):
            scene.publish(mode, REDUCING if number == 3 else ACTIVE)
            scene.time.leap(700.0)
        told = (scene.modes.spans, scene.modes.risk_mode_since, scene.modes.trading_state_since)

        async with a_scene(scene.store, scene.time) as restarted:
            await restarted.modes.load()
            modes = restarted.modes

        assert (modes.spans, modes.risk_mode_since, modes.trading_state_since) == told


async def test_a_revision_that_was_missed_is_read_from_history() -> None:
    async with a_scene() as scene:
        task = asyncio.create_task(scene.modes.run())
        await until(lambda: scene.policies.pages == 1)
        first = scene.publish(NORMAL)
        await until(lambda: scene.policies.pages == 2)
        scene.time.leap(60.0)
        scene.commit(DEFENSIVE)
        scene.time.leap(60.0)
        third = scene.commit(NORMAL)

        scene.told.bus.emit(PolicyPublished(before=first, after=third))
        await until(lambda: len(scene.modes.spans) == 3)
        task.cancel()

        assert [span.ref.version for span in scene.modes.spans] == [1, 2, 3]
        assert scene.modes.changes_within(scene.time.now(), HOUR) == 2
        assert scene.modes.risk_mode_since == START + timedelta(minutes=2)


async def test_one_after_the_other_history_is_not_read_again() -> None:
    async with a_scene() as scene:
        scene.commit(NORMAL)
        task = asyncio.create_task(scene.modes.run())
        await until(lambda: len(scene.modes.spans) == 1)
        for mode in (DEFENSIVE, NORMAL, AGGRESSIVE):
            scene.time.leap(60.0)
            scene.publish(mode)
            await settle()
        task.cancel()

        assert len(scene.modes.spans) == 4
        assert scene.policies.pages == 1


async def test_what_is_told_while_history_is_read_is_not_lost() -> None:
    async with a_scene() as scene:
        await scene.modes.load()
        before = scene.publish(NORMAL)
        await scene.modes.load()
        scene.time.leap(60.0)
        ahead = replace(a_policy(before.ref.version + 1, before.ref.epoch), created_at=scene.time.now())
        scene.told.bus.emit(PolicyPublished(before=before, after=ahead))

        await scene.modes.load()

        assert [span.ref for span in scene.modes.spans] == [before.ref, ahead.ref]


async def test_a_new_epoch_goes_on_with_the_history() -> None:
    async with a_scene() as scene:
        scene.publish(NORMAL)
        await scene.modes.load()
        scene.time.leap(600.0)
        restored = Policy(
            ref=PolicyRef(datetime(2099, 1, 1, tzinfo=UTC).year * 10**7, 1),
            created_at=scene.time.now(),
            content=a_content(DEFENSIVE),
            valid_for_s=3600.0,
        )
        scene.told.bus.emit(PolicyPublished(before=scene.store.policies.head().policy, after=restored))

        assert [span.risk_mode for span in scene.modes.spans] == [NORMAL, DEFENSIVE]
        assert scene.modes.risk_mode_since == scene.time.now()


async def test_an_outage_is_complained_of_once_and_what_is_told_meanwhile_counts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with a_scene() as scene:
        scene.commit(DEFENSIVE, at=hours(-5))
        scene.policies.away = True
        task = asyncio.create_task(scene.modes.run())
        await until(lambda: "cannot be read" in caplog.text)
        for _ in range(3):
            await scene.time.advance(RETRY_AFTER_S)
            await settle()
        scene.publish(NORMAL)
        during = scene.modes.spans
        scene.policies.away = False

        async def retried() -> None:
            while len(scene.modes.spans) < 2:
                await scene.time.advance(RETRY_AFTER_S)
                await asyncio.sleep(0.002)

        await asyncio.wait_for(retried(), 20.0)
        task.cancel()

        assert [span.risk_mode for span in during] == [NORMAL]
        assert [span.risk_mode for span in scene.modes.spans] == [DEFENSIVE, NORMAL]
        messages = [(record.levelname, record.message.split(",")[0]) for record in caplog.records]
        assert messages == [
            ("WARNING", "The history of policies cannot be read"),
            ("INFO", "The history of policies can be read again"),
        ]

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from msc_builders import START, a_content
from msc_live import EPOCH, ManualTime, Told, a_broker, a_head, settle, until

from msc_authority.adapters.memory_cache import MemoryPolicyCache
from msc_authority.app.broker import Broker, HeadSource
from msc_authority.app.cache_keeper import CacheKeeper, ReadStep, cached_current
from msc_authority.app.work import Worker
from msc_authority.core.policy import PolicyRef, RiskMode
from msc_authority.ports.cache import CacheError, CacheFault
from msc_authority.ports.policies import Head


@dataclass
class Scene:
    """One authority and a cache that others use, too."""

    time: ManualTime
    cache: MemoryPolicyCache
    broker: Broker
    keeper: CacheKeeper
    told: Told
    newer: list[PolicyRef | None] = field(default_factory=list)

    def vouch(self, head: Head, *, ago_s: float = 0.0) -> None:
        """Another authority puts what it has read in the database."""
        self.cache.put(head, confirmed_at=self.time.monotonic() - ago_s, ttl_s=3600.0)

    def confirm(self) -> None:
        """The database confirms the head here."""
        self.broker.publish(self.broker.current.head, confirmed_at=self.time.monotonic())

    def cached(self) -> Head | None:
        found = self.cache.get()
        return found.head if found else None

    async def later(self, seconds: float) -> None:
        await self.time.advance(seconds)
        await self.keeper.turn()


@asynccontextmanager
async def a_scene(head: Head | None = None) -> AsyncIterator[Scene]:
    time, told = ManualTime(), Told()
    cache, broker, worker = MemoryPolicyCache(time), a_broker(time, head, told), Worker(threads=1, name="cache")
    newer: list[PolicyRef | None] = []
    keeper = CacheKeeper(
        cache=cache, broker=broker, worker=worker, events=told.bus, clock=time, timer=time, on_newer=newer.append
    )
    yield Scene(time, cache, broker, keeper, told, newer)
    worker.close()


async def test_what_the_database_says_is_put_every_second() -> None:
    async with a_scene(a_head(3)) as scene:
        task = asyncio.create_task(scene.keeper.run())
        await until(lambda: scene.cached() == a_head(3))
        for _ in range(3):
            scene.cache.lose()
            await scene.time.advance(1)
            await until(lambda: scene.cached() == a_head(3))
            scene.confirm()
        task.cancel()


async def test_a_new_policy_is_put_at_once() -> None:
    async with a_scene(a_head(3)) as scene:
        task = asyncio.create_task(scene.keeper.run())
        await until(lambda: scene.cached() == a_head(3))
        scene.broker.publish(a_head(4), confirmed_at=scene.time.monotonic())
        await until(lambda: scene.cached() == a_head(4))
        task.cancel()


async def test_it_is_put_with_what_is_left_of_its_validity_and_not_beyond() -> None:
    async with a_scene(a_head(3)) as scene:
        await scene.time.advance(3599)
        scene.confirm()
        await scene.keeper.turn()
        assert scene.cached() == a_head(3)
        await scene.time.advance(1)
        scene.confirm()
        await scene.keeper.turn()
        assert scene.cached() is None
        scene.broker.publish(
            replace(a_head(3), evaluated_at=START + timedelta(hours=1)), confirmed_at=scene.time.monotonic()
        )
        await scene.keeper.turn()
        assert scene.cached() is not None
        assert not scene.keeper.complaints.overwritten


async def test_before_the_first_policy_nothing_is_put() -> None:
    async with a_scene(a_head(0)) as scene:
        await scene.keeper.turn()
        assert scene.cached() is None


async def test_while_the_database_confirms_it_the_cache_is_not_believed() -> None:
    async with a_scene(a_head(3)) as scene:
        scene.vouch(a_head(4))
        await scene.keeper.turn()
        assert scene.broker.current.head == a_head(3)
        assert scene.newer == [PolicyRef(EPOCH, 4)]


async def test_while_the_database_is_silent_the_head_stays_confirmed_by_another_authority() -> None:
    async with a_scene(a_head(3)) as scene:
        for _ in range(30):
            scene.vouch(a_head(3), ago_s=0.5)
            await scene.later(1)
        assert scene.broker.freshness().replica_age_s <= 1.5
        assert scene.broker.current.source is HeadSource.CACHE
        assert scene.keeper.step is ReadStep.CACHE


async def test_while_the_database_is_silent_a_new_policy_comes_from_the_cache_with_its_age_and_its_changes() -> None:
    async with a_scene(a_head(3)) as scene:
        await scene.later(4)
        scene.vouch(a_head(4, content=a_content(RiskMode.DEFENSIVE)), ago_s=2.0)
        await scene.later(1)
        assert scene.broker.current.head.ref.version == 4
        assert scene.broker.current.changed_fields == ("risk_mode",)
        assert scene.broker.freshness().replica_age_s == 3.0


async def test_of_a_version_from_further_back_no_changes_are_told() -> None:
    async with a_scene(a_head(3)) as scene:
        scene.vouch(a_head(5, content=a_content(RiskMode.DEFENSIVE)))
        await scene.later(4)
        assert scene.broker.current.head.ref.version == 5
        assert scene.broker.current.changed_fields == ()


@pytest.mark.parametrize(
    "other",
    [a_head(2), a_head(9, epoch=EPOCH - 1), a_head(1, epoch=EPOCH + 1), a_head(3, content=a_content(author="ada"))],
    ids=["older", "older lineage", "newer lineage", "other content"],
)
async def test_while_the_database_is_silent_nothing_older_foreign_or_forged_is_taken(
    other: Head, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_scene(a_head(3)) as scene:
        scene.vouch(other)
        for _ in range(3):
            await scene.later(4)
        assert scene.broker.current.head == a_head(3)
        assert scene.broker.freshness().replica_age_s == 12
        assert scene.keeper.complaints.not_taken == 3
        said = [record for record in caplog.records if "cache has policy" in record.message]
        broken = scene.told.names().count("IntegrityBroken")
        assert len(said) + broken == 1


async def test_what_came_from_the_cache_is_not_put_back_there() -> None:
    async with a_scene(a_head(3)) as scene:
        scene.vouch(a_head(4))
        await scene.later(4)
        assert scene.broker.current.head == a_head(4)
        scene.cache.lose()
        for _ in range(3):
            await scene.later(1)
        assert scene.cached() is None


async def test_a_confirmation_from_the_cache_never_makes_the_head_older_than_the_database_said() -> None:
    async with a_scene(a_head(3)) as scene:
        scene.vouch(a_head(3), ago_s=9.0)
        await scene.later(4)
        assert scene.broker.freshness().replica_age_s == 4
        assert scene.broker.current.source is HeadSource.DATABASE


async def test_each_step_of_the_read_path_is_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with a_scene(a_head(3)) as scene:
        for _ in range(10):
            scene.vouch(a_head(3))
            await scene.later(1)
        for _ in range(10):
            await scene.later(1)
        for _ in range(5):
            scene.confirm()
            await scene.later(1)
        assert scene.keeper.steps == {ReadStep.DATABASE: 2, ReadStep.CACHE: 1, ReadStep.LAST_KNOWN: 1}
    assert [record.message for record in caplog.records] == [
        "The policy is read from the cache, because the database does not confirm it: 7:3, 1.0 s old there",
        "Neither database nor cache confirms the policy: serving the last known, 7:3",
        "The database confirms the policy again: 7:3",
    ]


async def test_a_cache_that_fails_is_told_once_costs_nothing_and_is_used_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with a_scene(a_head(3)) as scene:
        await scene.keeper.turn()
        scene.cache.error = CacheError("nobody listens", CacheFault.LOST)
        for _ in range(10):
            await scene.later(1)
            scene.confirm()
        scene.cache.error = None
        await scene.later(1)
        assert scene.broker.freshness().replica_age_s <= 1
        assert scene.keeper.complaints.faults == {CacheFault.LOST: 10}
        assert not scene.keeper.complaints.failing
    assert [record.message for record in caplog.records] == [
        "The cache cannot be used, and nothing waits for it: nobody listens",
        "The cache is used again, after 10.0 s",
    ]


async def test_with_database_and_cache_away_the_head_ages_and_is_served_on() -> None:
    async with a_scene(a_head(3)) as scene:
        scene.cache.error = CacheError("nobody listens", CacheFault.LOST)
        for _ in range(20):
            await scene.later(1)
        assert scene.broker.current.head == a_head(3)
        assert scene.broker.freshness().replica_age_s == 20
        assert scene.keeper.step is ReadStep.LAST_KNOWN


async def test_an_announcement_wakes_whoever_reads_the_database() -> None:
    async with a_scene(a_head(3)) as scene:
        for ref in (PolicyRef(EPOCH, 2), PolicyRef(EPOCH, 3), PolicyRef(EPOCH, 4), None):
            await asyncio.to_thread(scene.keeper.heard, ref)
        assert scene.newer == [PolicyRef(EPOCH, 4), None]


async def test_an_announcement_brings_the_policy_from_the_cache_at_once_while_the_database_is_silent() -> None:
    async with a_scene(a_head(3)) as scene:
        task = asyncio.create_task(scene.keeper.run())
        await settle()
        for _ in range(6):
            await scene.time.advance(1)
        await until(lambda: scene.keeper.step is ReadStep.LAST_KNOWN)
        scene.vouch(a_head(4))
        scene.keeper.heard(PolicyRef(EPOCH, 4))
        await until(lambda: scene.broker.current.head == a_head(4))
        task.cancel()


async def test_when_something_may_have_been_missed_the_policy_is_put_at_once() -> None:
    async with a_scene(a_head(3)) as scene:
        task = asyncio.create_task(scene.keeper.run())
        await until(lambda: scene.cached() == a_head(3))
        await settle()
        scene.cache.lose()
        await asyncio.to_thread(scene.keeper.heard, None)
        await until(lambda: scene.cached() == a_head(3))
        task.cancel()


async def test_an_announcement_to_a_keeper_that_does_not_run_is_harmless() -> None:
    async with a_scene(a_head(3)) as scene:
        scene.keeper.heard(None)
        ended = asyncio.new_event_loop()
        task = ended.create_task(scene.keeper.run())
        await asyncio.to_thread(ended.run_until_complete, asyncio.sleep(0))
        task.cancel()
        await asyncio.to_thread(ended.run_until_complete, asyncio.gather(task, return_exceptions=True))
        ended.close()
        scene.keeper.heard(None)


def test_a_start_without_a_database_has_what_the_cache_has_with_its_age() -> None:
    time = ManualTime()
    cache = MemoryPolicyCache(time)
    assert cached_current(cache) is None
    cache.put(a_head(3), confirmed_at=time.monotonic() - 9, ttl_s=3600.0)
    current = cached_current(cache)
    assert current is not None
    assert (current.head, current.source) == (a_head(3), HeadSource.CACHE)
    assert time.monotonic() - current.confirmed_at == 9


def test_a_start_without_either_has_nothing_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    cache = MemoryPolicyCache(ManualTime())
    cache.error = CacheError("nobody listens", CacheFault.LOST)
    assert cached_current(cache) is None
    assert caplog.messages == ["The policy cannot be read from the cache, either: nobody listens"]

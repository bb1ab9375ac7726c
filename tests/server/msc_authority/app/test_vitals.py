from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from msc_live import EPOCH, ManualTime, Told, a_broker, a_head, a_policy, settle, until

from msc_authority.app.broker import Broker
from msc_authority.app.vitals import HeadKeeper, Vitals, VitalSigns, read_current
from msc_authority.app.work import Worker
from msc_authority.core.policy import FieldChange, Policy, PolicyRef
from msc_authority.ports.policies import Head, Revision
from msc_authority.ports.store import StoreUnavailable


@dataclass
class FakePolicies:
    """Says that `stored` is the head, or that it cannot be reached."""

    stored: Head = field(default_factory=a_head)
    away: bool = False
    reads: int = 0

    def head(self) -> Head:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("locked")
        return self.stored

    def revision(self, version: int) -> Policy | None:
        return self.stored.policy

    def revisions(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        change = FieldChange(field="risk_mode", before="NORMAL", after="DEFENSIVE")
        return [Revision(policy=self.stored.policy, changes=(change,))] if self.stored.policy else []


@dataclass
class Scene:
    time: ManualTime
    store: FakePolicies
    broker: Broker
    keeper: HeadKeeper
    vitals: Vitals
    told: Told
    signs: list[VitalSigns]


@asynccontextmanager
async def a_scene() -> AsyncIterator[Scene]:
    time, told, store = ManualTime(), Told(), FakePolicies()
    broker, worker = a_broker(time, told=told), Worker(threads=1, name="confirm")
    signs: list[VitalSigns] = []
    keeper = HeadKeeper(store=store, broker=broker, worker=worker, clock=time, timer=time)
    vitals = Vitals(broker=broker, events=told.bus, clock=time, timer=time, tell=signs.append)
    yield Scene(time, store, broker, keeper, vitals, told, signs)
    worker.close()


FRESH = VitalSigns(fresh=True, up=True)
AGED = VitalSigns(fresh=False, up=True)
STOPPING = VitalSigns(fresh=False, up=False)


async def test_the_head_is_confirmed_again_and_again() -> None:
    async with a_scene() as scene:
        task = asyncio.create_task(scene.keeper.run())
        for _ in range(3):
            await scene.time.advance(1)
            await until(lambda: scene.broker.freshness().replica_age_s == 0)
        task.cancel()


async def test_a_poke_brings_in_a_new_head_before_the_second_is_over() -> None:
    async with a_scene() as scene:
        task = asyncio.create_task(scene.keeper.run())
        await settle()
        scene.store.stored = a_head(2)
        await asyncio.to_thread(scene.keeper.poke, PolicyRef(EPOCH, 2))
        await until(lambda: scene.broker.current.head == a_head(2))
        assert scene.time.monotonic() == scene.broker.current.confirmed_at
        task.cancel()


@pytest.mark.parametrize("ref", [PolicyRef(EPOCH, 1), PolicyRef(EPOCH, 0), PolicyRef(EPOCH - 1, 9)])
async def test_a_poke_for_what_is_served_already_reads_nothing(ref: PolicyRef) -> None:
    async with a_scene() as scene:
        task = asyncio.create_task(scene.keeper.run())
        await settle()
        scene.keeper.poke(ref)
        await settle()
        assert await scene.keeper.confirm()
        assert scene.store.reads == 1
        task.cancel()


async def test_a_poke_to_a_keeper_that_does_not_run_is_harmless() -> None:
    async with a_scene() as scene:
        scene.keeper.poke()
        ended = asyncio.new_event_loop()
        task = ended.create_task(scene.keeper.run())
        await asyncio.to_thread(ended.run_until_complete, asyncio.sleep(0))
        task.cancel()
        await asyncio.to_thread(ended.run_until_complete, asyncio.gather(task, return_exceptions=True))
        ended.close()
        scene.keeper.poke()
        assert scene.broker.current.head == a_head(1)


async def test_a_version_committed_by_another_process_is_published_with_its_changes() -> None:
    async with a_scene() as scene:
        scene.store.stored = a_head(4)
        assert await scene.keeper.confirm()
        assert scene.broker.current.head == a_head(4)
        assert scene.broker.current.changed_fields == ("risk_mode",)


async def test_a_store_that_does_not_answer_lets_the_head_age_and_is_served_on() -> None:
    async with a_scene() as scene:
        scene.store.away = True
        await scene.time.advance(20)
        assert not await scene.keeper.confirm()
        assert scene.broker.freshness().replica_age_s == 20
        assert scene.broker.current.head == a_head()


async def test_a_store_that_went_backwards_confirms_nothing_and_is_complained_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_scene() as scene:
        scene.broker.publish(a_head(5), confirmed_at=scene.time.monotonic())
        await scene.time.advance(7)
        assert not await scene.keeper.confirm()
        assert not await scene.keeper.confirm()
        assert scene.broker.freshness().replica_age_s == 7
        assert caplog.messages.count("The store's head 7:1 does not confirm ours, 7:5") == 1


async def test_a_read_that_a_commit_overtook_is_no_reason_to_complain(caplog: pytest.LogCaptureFixture) -> None:
    async with a_scene() as scene:
        began = scene.time.monotonic()
        await scene.time.advance(1)
        read = asyncio.create_task(scene.keeper.confirm())
        await asyncio.sleep(0)
        scene.broker.publish(a_head(5), confirmed_at=began)
        assert not await read
        assert caplog.messages == []


async def test_a_store_that_went_backwards_is_complained_of_also_where_a_commit_overtook_the_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_scene() as scene:
        scene.broker.publish(a_head(5), confirmed_at=scene.time.monotonic())
        read = asyncio.create_task(scene.keeper.confirm())
        await asyncio.sleep(0)
        scene.broker.publish(a_head(6), confirmed_at=scene.time.monotonic())
        assert not await read
        assert caplog.messages == ["The store's head 7:1 does not confirm ours, 7:5"]


async def test_above_15_s_unconfirmed_it_is_not_fresh_and_recovers_by_itself() -> None:
    async with a_scene() as scene:
        await scene.time.advance(15)
        scene.vitals.pulse(lag_s=0)
        await scene.time.advance(0.5)
        scene.vitals.pulse(lag_s=0)
        scene.vitals.pulse(lag_s=0)
        await scene.keeper.confirm()
        scene.vitals.pulse(lag_s=0)
        assert scene.signs == [FRESH, AGED, AGED, FRESH]
        assert scene.told.names() == ["HeadUnconfirmed", "HeadConfirmed"]


async def test_an_event_loop_that_was_held_up_is_not_fresh_for_one_pulse() -> None:
    async with a_scene() as scene:
        task = asyncio.create_task(scene.vitals.run())
        await settle()
        scene.time.leap(3.5)
        await scene.time.advance(0)
        await scene.time.advance(1)
        task.cancel()
        assert scene.signs == [AGED, FRESH]


async def test_a_draining_authority_is_not_up() -> None:
    async with a_scene() as scene:
        scene.broker.drain()
        scene.vitals.pulse(lag_s=0)
        assert scene.signs == [STOPPING]


async def test_the_pulse_ends_watches_with_a_stuck_write() -> None:
    async with a_scene() as scene:

        async def write() -> None:
            with scene.broker.watch() as watcher:
                watcher.write_began = scene.time.monotonic()
                await asyncio.Event().wait()

        task = asyncio.create_task(write())
        await scene.time.advance(10.5)
        scene.vitals.pulse(lag_s=0)
        await settle()
        assert task.cancelled()


def test_the_head_at_start_comes_with_the_changes_of_its_own_version_only() -> None:
    time, store = ManualTime(), FakePolicies(stored=a_head(3))
    assert read_current(store, time).changed_fields == ("risk_mode",)
    store.stored = Head(ref=PolicyRef(7, 4), policy=a_policy(3), evaluated_at=None)
    assert read_current(store, time).changed_fields == ()

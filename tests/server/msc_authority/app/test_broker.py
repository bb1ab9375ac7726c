from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from msc_builders import START, a_content
from msc_live import ManualTime, Told, a_broker, a_current, a_head, settle

from msc_authority.app.broker import Broker, Draining, Ending, Watcher, WatcherLimitReached, versions_between
from msc_authority.app.events import IntegrityBroken
from msc_authority.core.policy import PolicyRef, RiskMode


def published(broker: Broker, time: ManualTime, version: int, epoch: int = 7) -> bool:
    return broker.publish(a_head(version, epoch), confirmed_at=time.monotonic())


async def test_a_newer_head_replaces_the_one_before_and_wakes_every_watcher() -> None:
    time = ManualTime()
    broker = a_broker(time)
    seen: list[int] = []
    with ExitStack() as stack:
        for _ in range(3):
            watcher = stack.enter_context(broker.watch())
            watcher.on_wake(lambda: seen.append(broker.current.head.ref.version))
        assert published(broker, time, 2)
        assert seen == [2, 2, 2]
    assert broker.watchers == 0


async def test_who_leaves_or_comes_when_woken_does_not_disturb_the_others() -> None:
    time = ManualTime()
    broker = a_broker(time)
    woken: list[Watcher] = []

    def leave_and_come(watcher: Watcher) -> None:
        woken.append(watcher)
        watcher.leave()
        broker.watch()

    watchers = [broker.watch() for _ in range(3)]
    for watcher in watchers:
        watcher.on_wake(partial(leave_and_come, watcher))
    assert published(broker, time, 2)
    assert set(woken) == set(watchers)
    assert broker.watchers == 3


async def test_a_watcher_is_woken_when_its_time_has_come_and_no_more_when_it_has_left() -> None:
    time = ManualTime()
    broker = a_broker(time)
    woken: list[float] = []
    with broker.watch() as watcher:
        watcher.on_wake(lambda: woken.append(time.monotonic()))
        watcher.wake_by(time.monotonic() + 5)
        await time.advance(4)
        assert woken == []
        await time.advance(1)
        assert woken == [1005]
        watcher.wake_by(time.monotonic() + 5)
    await time.advance(10)
    published(broker, time, 2)
    assert woken == [1005]
    assert time.armed == 0


async def test_a_watcher_that_waits_for_something_earlier_is_woken_then() -> None:
    time = ManualTime()
    woken: list[float] = []
    with a_broker(time).watch() as watcher:
        watcher.on_wake(lambda: woken.append(time.monotonic()))
        watcher.wake_by(time.monotonic() + 20)
        watcher.wake_by(time.monotonic() + 5)
        watcher.wake_by(time.monotonic() + 30)
        await time.advance(40)
    assert woken == [1005]


async def test_an_older_head_is_refused_and_confirms_nothing() -> None:
    time = ManualTime()
    broker = a_broker(time, a_head(5))
    await time.advance(10)
    assert not published(broker, time, 4)
    assert not published(broker, time, 9, epoch=6)
    assert broker.current.head.ref == PolicyRef(7, 5)
    assert broker.freshness().replica_age_s == 10


async def test_a_greater_epoch_may_lower_the_version() -> None:
    time = ManualTime()
    broker = a_broker(time, a_head(5))
    assert published(broker, time, 1, epoch=8)
    assert broker.current.head.ref == PolicyRef(8, 1)


async def test_the_same_reference_with_other_content_is_told_as_two_writers_and_is_not_served() -> None:
    time, told = ManualTime(), Told()
    broker = a_broker(time, a_head(5), told)
    await time.advance(3)
    other = a_head(5, content=a_content(RiskMode.AGGRESSIVE))
    assert not broker.publish(other, confirmed_at=time.monotonic())
    assert broker.current.head == a_head(5)
    assert broker.freshness().replica_age_s == 3
    [broken] = told.events
    assert isinstance(broken, IntegrityBroken)
    assert broken.ref == PolicyRef(7, 5)
    assert "two writers" in broken.text


async def test_confirming_the_same_head_renews_age_and_validity_without_waking_anyone() -> None:
    time = ManualTime()
    broker = a_broker(time)
    woken: list[None] = []
    with broker.watch() as watcher:
        watcher.on_wake(lambda: woken.append(None))
        await time.advance(1800)
        assert broker.freshness().ttl_s == 1800
        renewed = replace(a_head(), evaluated_at=time.now())
        assert broker.publish(renewed, confirmed_at=time.monotonic())
        assert woken == []
    assert broker.freshness().replica_age_s == 0
    assert broker.freshness().ttl_s == 3600


async def test_a_read_that_comes_late_does_not_take_back_a_later_confirmation() -> None:
    time = ManualTime()
    broker = a_broker(time)
    await time.advance(100)
    broker.publish(replace(a_head(), evaluated_at=time.now()), confirmed_at=time.monotonic())
    assert broker.publish(replace(a_head(), evaluated_at=START), confirmed_at=time.monotonic() - 50)
    assert broker.freshness().replica_age_s == 0
    assert broker.freshness().ttl_s == 3600


async def test_validity_is_counted_from_the_evaluation_and_may_be_used_up() -> None:
    time = ManualTime()
    broker = a_broker(time, replace(a_head(), evaluated_at=START - timedelta(seconds=600)))
    assert broker.freshness().ttl_s == 3000
    await time.advance(3100)
    assert broker.freshness().ttl_s == -100


async def test_in_fast_time_validity_is_told_in_real_seconds() -> None:
    time = ManualTime()
    broker = Broker(
        current=a_current(a_head(), time), clock=time, timer=time, events=Told().bus, max_watchers=1, speed=60.0
    )
    assert broker.freshness().ttl_s == 60


async def test_without_a_policy_there_is_no_validity() -> None:
    assert a_broker(ManualTime(), a_head(0)).freshness().ttl_s is None


async def test_watchers_above_the_limit_are_refused_until_one_leaves() -> None:
    broker = a_broker(ManualTime(), max_watchers=1)
    with broker.watch(), pytest.raises(WatcherLimitReached):
        broker.watch()
    with broker.watch():
        assert broker.watchers == 1


async def test_draining_asks_every_watch_to_end_and_refuses_new_ones() -> None:
    time = ManualTime()
    broker = a_broker(time)

    endings: list[Ending | None] = []

    def leave(watcher: Watcher) -> None:
        endings.append(watcher.ending)
        watcher.leave()

    watcher = broker.watch()
    watcher.on_wake(partial(leave, watcher))
    idle = asyncio.create_task(broker.idle())
    await settle()
    assert not idle.done()
    broker.drain()
    assert endings == [Ending.DRAINING]
    await idle
    with pytest.raises(Draining):
        broker.watch()


async def test_only_a_write_that_is_pending_too_long_is_cancelled() -> None:
    time = ManualTime()
    broker = a_broker(time)
    never = asyncio.Event()

    async def write(began_ago_s: float | None) -> Ending | None:
        with broker.watch() as watcher:
            watcher.write_began = None if began_ago_s is None else time.monotonic() - began_ago_s
            try:
                await never.wait()
            except asyncio.CancelledError:
                return watcher.ending
        return None

    stuck, slow, idle = (asyncio.create_task(write(ago)) for ago in (10.5, 9.5, None))
    await settle()
    broker.end_slow(10.0)
    assert await stuck is Ending.SLOW_CONSUMER
    assert not slow.done()
    assert not idle.done()
    never.set()
    await asyncio.gather(slow, idle)


@pytest.mark.parametrize(
    ("held", "head", "skipped"),
    [
        (None, PolicyRef(7, 5), 0),
        (PolicyRef(7, 4), PolicyRef(7, 5), 0),
        (PolicyRef(7, 2), PolicyRef(7, 5), 2),
        (PolicyRef(6, 2), PolicyRef(7, 5), 0),
        (PolicyRef(7, 5), PolicyRef(7, 5), 0),
    ],
)
def test_skipped_versions_count_inside_one_epoch_only(held: PolicyRef | None, head: PolicyRef, skipped: int) -> None:
    assert versions_between(held, head) == skipped


async def test_so_many_are_sent_away_as_was_said_and_never_one_that_is_leaving_already() -> None:
    broker = a_broker(ManualTime())
    with ExitStack() as stack:
        watchers = [stack.enter_context(broker.watch()) for _ in range(5)]
        watchers[0].end(Ending.AUTH_EXPIRED)

        broker.send_away(3)
        broker.send_away(3)

        assert [watcher.ending for watcher in watchers].count(Ending.REBALANCE) == 4
        assert watchers[0].ending is Ending.AUTH_EXPIRED

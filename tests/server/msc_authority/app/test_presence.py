"""Replicas know of each other, and share watchers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

import pytest
from msc_live import ManualTime, a_broker

from msc_authority.adapters.memory_replicas import MemoryReplicas
from msc_authority.app.broker import Broker, Ending, Watcher
from msc_authority.app.presence import ALIVE_S, BEAT_S, FORGET_S, Presence
from msc_authority.app.work import Worker
from msc_authority.ports.replicas import Replica
from msc_authority.ports.store import StoreUnavailable

T = TypeVar("T")


class Inline(Worker):
    async def run(self, call: Callable[[], T]) -> T:
        return call()


class TroubledReplicas(MemoryReplicas):
    away = False

    def beat(self, replica: Replica, forget_after_s: float) -> list[Replica]:
        if self.away:
            raise StoreUnavailable("connection refused")
        return super().beat(replica, forget_after_s)

    def leave(self, server_id: str) -> None:
        if self.away:
            raise StoreUnavailable("connection refused")
        super().leave(server_id)


class Room:
    """A store, and replicas on it with as many watchers as a test opens."""

    def __init__(self) -> None:
        self.time = ManualTime()
        self.replicas = TroubledReplicas(self.time)

    def replica(self, name: str) -> tuple[Presence, Broker]:
        broker = a_broker(self.time, max_watchers=1000)
        presence = Presence(
            replicas=self.replicas,
            broker=broker,
            clock=self.time,
            timer=self.time,
            worker=Inline(threads=1, name="inline"),
            server_id=name,
        )
        presence.stands_at(f"{name}:7443")
        return presence, broker


def names(replicas: tuple[Replica, ...]) -> list[str]:
    return [replica.server_id for replica in replicas]


async def test_replicas_hear_of_each_other_and_of_those_that_leave(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    room = Room()
    (one, _), (two, _) = room.replica("one"), room.replica("two")
    for presence in (one, two, one):
        await presence.beat()
    assert names(one.replicas) == names(two.replicas) == ["one", "two"]
    assert names(one.others) == ["two"]

    await two.leave()
    await one.beat()

    assert names(one.replicas) == ["one"]
    assert [line for line in caplog.messages if line.startswith("Replica two")] == [
        "Replica two:7443 is there",
        "Replica two:7443 is gone",
    ]


async def test_one_that_falls_silent_is_taken_for_gone_and_later_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    room = Room()
    (one, _), (two, _) = room.replica("one"), room.replica("two")
    await two.beat()
    task = asyncio.create_task(one.run())
    await room.time.advance(ALIVE_S - BEAT_S)
    assert names(one.others) == ["two"]
    await room.time.advance(2 * BEAT_S)
    assert names(one.others) == []
    assert names(one.replicas) == ["one", "two"], "it is still shown"
    assert caplog.messages.count("Replica two:7443 is gone") == 1
    await room.time.advance(FORGET_S)
    assert names(one.replicas) == ["one"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_was_heard_grows_old_while_nothing_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    room = Room()
    (one, _), (two, _) = room.replica("one"), room.replica("two")
    await two.beat()
    await one.beat()
    room.replicas.away = True
    for _ in range(4):
        await room.time.advance(BEAT_S)
        await one.beat()
    await one.leave()

    assert names(one.others) == []
    assert [replica.seen_ago_s for replica in one.replicas] == [4 * BEAT_S, 4 * BEAT_S]
    assert sum("cannot be heard" in line for line in caplog.messages) == 1
    assert sum("could not be told" in line for line in caplog.messages) == 1


def watching(stack: ExitStack, broker: Broker, count: int) -> list[Watcher]:
    return [stack.enter_context(broker.watch()) for _ in range(count)]


async def test_one_with_far_more_than_its_share_sends_some_away() -> None:
    room = Room()
    (one, crowded), (two, _) = room.replica("one"), room.replica("two")
    await two.beat()
    with ExitStack() as stack:
        watchers = watching(stack, crowded, 60)
        await one.beat()
        sent = [watcher for watcher in watchers if watcher.ending is Ending.REBALANCE]

    assert len(sent) == one.sent_away == 6


async def test_one_that_is_alone_or_stopping_sends_nobody_away() -> None:
    room = Room()
    (one, crowded), (two, _) = room.replica("one"), room.replica("two")
    with ExitStack() as stack:
        watching(stack, crowded, 60)
        await one.beat()
        await two.beat()
        crowded.drain()
        await one.beat()

    assert one.sent_away == 0

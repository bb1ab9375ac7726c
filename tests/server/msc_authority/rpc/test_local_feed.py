from __future__ import annotations

import asyncio

import pytest
from msc_live import ManualTime, a_broker, a_head, lowest, settle

from msc_authority.app.broker import Broker, Draining
from msc_authority.rpc.frames import Frames
from msc_authority.rpc.local_feed import LocalPolicyFeed
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_authority.rpc.watch_service import WatchMaker
from msc_policy import v1 as pb


class Received:
    """A callback that keeps what it was called with."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def __call__(self, frame: bytes) -> None:
        self.frames.append(frame)

    def messages(self) -> list[pb.WatchPolicyResponse]:
        return [pb.WatchPolicyResponse.FromString(frame) for frame in self.frames]

    def events(self) -> list[str | None]:
        return [message.WhichOneof("event") for message in self.messages()]


def a_feed(time: ManualTime) -> tuple[Broker, LocalPolicyFeed]:
    broker = a_broker(time)
    maker = WatchMaker(
        broker=broker,
        frames=Frames(broker, time, ServedPolicy()),
        clock=time,
        uniform=lowest,
        new_id=lambda: "stream",
        server_id="server",
    )
    return broker, LocalPolicyFeed(maker, heartbeat_s=5.0, loop=asyncio.get_running_loop())


async def test_the_current_policy_comes_before_subscribe_returns_then_news_and_heartbeats() -> None:
    time = ManualTime()
    broker, feed = a_feed(time)
    received = Received()
    cancel = feed.subscribe(received)
    assert received.events() == ["snapshot"]
    assert received.messages()[0].info.server_id == "server"
    await time.advance(5)
    broker.publish(a_head(2), confirmed_at=time.monotonic())
    await settle()
    assert received.events() == ["snapshot", "heartbeat", "snapshot"]
    assert received.messages()[-1].head.version == 2
    cancel()
    cancel()
    broker.publish(a_head(3), confirmed_at=time.monotonic())
    await settle()
    assert len(received.frames) == 3
    assert broker.watchers == 0


async def test_a_version_published_right_after_subscribing_is_not_missed() -> None:
    time = ManualTime()
    broker, feed = a_feed(time)
    received = Received()
    cancel = feed.subscribe(received)
    broker.publish(a_head(2), confirmed_at=time.monotonic())
    await settle()
    assert [message.head.version for message in received.messages()] == [1, 2]
    cancel()


async def test_another_thread_may_subscribe_and_leave() -> None:
    time = ManualTime()
    broker, feed = a_feed(time)
    received = Received()
    subscribed = await asyncio.to_thread(feed.subscribe, received)
    assert received.events() == ["snapshot"]
    await asyncio.to_thread(subscribed)
    await settle()
    assert broker.watchers == 0


async def test_a_callback_that_raises_is_called_again_with_the_next_message(caplog: pytest.LogCaptureFixture) -> None:
    time = ManualTime()
    broker, feed = a_feed(time)
    received = Received()

    def fails_first(frame: bytes) -> None:
        received(frame)
        if len(received.frames) == 1:
            raise ValueError("boom")

    cancel = feed.subscribe(fails_first)
    broker.publish(a_head(2), confirmed_at=time.monotonic())
    await settle()
    cancel()
    assert received.events() == ["snapshot", "snapshot"]
    assert "boom" in caplog.text


async def test_a_draining_authority_says_goodbye_and_takes_no_new_subscribers() -> None:
    time = ManualTime()
    broker, feed = a_feed(time)
    received = Received()
    feed.subscribe(received)
    broker.drain()
    await settle()
    assert received.events() == ["snapshot", "goodbye"]
    with pytest.raises(Draining):
        feed.subscribe(received)

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from msc_live import ManualTime, a_broker, a_head, lowest, settle

from msc_authority.app.broker import Broker
from msc_authority.rpc.frames import Frames
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_authority.rpc.outlet import Outlet
from msc_authority.rpc.watch import StreamIdentity, Watch
from msc_policy import v1 as pb


class Gone(Exception):
    """What a write raises when the caller is gone."""


@dataclass
class Line:
    """A line that takes a message over when it is told to."""

    sent: list[bytes] = field(default_factory=list)
    under_way: asyncio.Future[None] | None = None

    async def write(self, frame: bytes) -> None:
        assert self.under_way is None or self.under_way.done(), "one write at a time"
        self.sent.append(frame)
        self.under_way = asyncio.get_running_loop().create_future()
        await self.under_way

    async def taken(self) -> None:
        assert self.under_way is not None
        self.under_way.set_result(None)
        await settle()

    async def broken(self) -> None:
        assert self.under_way is not None
        self.under_way.set_exception(Gone())
        await settle()

    def versions(self) -> list[int]:
        return [pb.WatchPolicyResponse.FromString(frame).head.version for frame in self.sent]

    def events(self) -> list[str | None]:
        return [pb.WatchPolicyResponse.FromString(frame).WhichOneof("event") for frame in self.sent]


Write = Callable[[bytes], Awaitable[None]]


@dataclass
class Scene:
    time: ManualTime = field(default_factory=ManualTime)
    broker: Broker = field(init=False)

    def __post_init__(self) -> None:
        self.broker = a_broker(self.time, a_head(1))
        self.frames = Frames(self.broker, self.time, ServedPolicy())

    async def serve(self, write: Write) -> asyncio.Task[None]:
        """Opens a watch that says what it says by `write`, up to where its first message is written."""
        task = asyncio.create_task(self._serve(write))
        await settle()
        return task

    async def _serve(self, write: Write) -> None:
        with self.broker.watch() as watcher:
            watch = Watch(
                broker=self.broker,
                watcher=watcher,
                frames=self.frames,
                clock=self.time,
                uniform=lowest,
                identity=StreamIdentity(stream_id="stream", server_id="server", heartbeat_s=5.0),
                held=None,
            )
            await Outlet(watch, watcher, write, self.time).serve(watch.first())

    def publish(self, version: int) -> None:
        assert self.broker.publish(a_head(version), confirmed_at=self.time.monotonic())

    def end_slow(self) -> None:
        self.broker.end_slow(10.0)


async def test_a_version_has_left_for_every_waiting_watcher_when_its_publication_returns() -> None:
    scene, lines = Scene(), [Line() for _ in range(20)]
    tasks = [await scene.serve(line.write) for line in lines]
    for line in lines:
        await line.taken()
    scene.publish(2)
    assert [line.versions() for line in lines] == [[1, 2]] * 20
    for task in tasks:
        task.cancel()


async def test_what_is_published_while_a_write_is_under_way_waits_and_only_the_last_is_written() -> None:
    scene, line = Scene(), Line()
    task = await scene.serve(line.write)
    for version in (2, 3, 4):
        scene.publish(version)
    assert line.versions() == [1]
    await line.taken()
    assert line.versions() == [1, 4]
    await line.taken()
    assert line.versions() == [1, 4]
    task.cancel()


async def test_heartbeats_are_written_while_nothing_changes() -> None:
    scene, line = Scene(), Line()
    task = await scene.serve(line.write)
    await line.taken()
    for beats in (1, 2, 3):
        await scene.time.advance(5.0)
        assert line.events() == ["snapshot", *["heartbeat"] * beats]
        await line.taken()
    task.cancel()


async def test_no_heartbeat_is_written_behind_a_write_that_is_stuck() -> None:
    scene, line = Scene(), Line()
    task = await scene.serve(line.write)
    await scene.time.advance(60.0)
    assert line.events() == ["snapshot"]
    task.cancel()


async def test_it_returns_when_the_goodbye_is_written_and_not_before() -> None:
    scene, line = Scene(), Line()
    task = await scene.serve(line.write)
    await line.taken()
    scene.broker.drain()
    await settle()
    assert line.events() == ["snapshot", "goodbye"]
    assert not task.done()
    await line.taken()
    await task
    assert scene.broker.watchers == 0


async def test_a_write_that_waits_for_nothing_is_followed_by_what_is_due_then() -> None:
    scene, sent = Scene(), list[bytes]()

    async def write(frame: bytes) -> None:
        sent.append(frame)

    task = await scene.serve(write)
    scene.publish(2)
    scene.publish(3)
    scene.broker.drain()
    await task
    assert [pb.WatchPolicyResponse.FromString(frame).head.version for frame in sent] == [1, 2, 3, 3]


async def test_a_write_in_several_steps_is_one_write() -> None:
    scene, line = Scene(), Line()

    async def write(frame: bytes) -> None:
        await line.write(frame)
        await line.write(frame)

    task = await scene.serve(write)
    await line.taken()
    scene.publish(2)
    assert line.versions() == [1, 1]
    await line.taken()
    assert line.versions() == [1, 1, 2]
    task.cancel()


@pytest.mark.parametrize("at", [0, 1])
async def test_what_a_write_raises_ends_the_watch_with_it(at: int) -> None:
    scene, line = Scene(), Line()
    task = await scene.serve(line.write)
    if at:
        await line.taken()
        scene.publish(2)
    await line.broken()
    with pytest.raises(Gone):
        await task
    assert scene.broker.watchers == 0


async def test_a_write_that_cannot_begin_ends_its_own_watch_and_no_other() -> None:
    scene, line = Scene(), Line()
    sent: list[bytes] = []

    async def fails_later(frame: bytes) -> None:
        if sent:
            raise Gone
        sent.append(frame)

    failing, well = await scene.serve(fails_later), await scene.serve(line.write)
    await line.taken()
    scene.publish(2)
    assert line.versions() == [1, 2]
    with pytest.raises(Gone):
        await failing
    assert not well.done()
    well.cancel()


async def test_a_frame_that_cannot_be_made_ends_the_watch_and_not_the_publication(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene, line = Scene(), Line()
    task = await scene.serve(line.write)
    await line.taken()

    def broken(held: object) -> bytes:
        raise Gone

    monkeypatch.setattr(scene.frames, "snapshot", broken)
    scene.publish(2)
    with pytest.raises(Gone):
        await task


async def test_a_watch_whose_caller_went_away_writes_no_more_and_lets_its_last_write_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene, line = Scene(), Line()
    task = await scene.serve(line.write)
    task.cancel()
    await settle()
    assert scene.broker.watchers == 0
    scene.publish(2)
    await line.broken()
    assert line.versions() == [1]
    assert task.cancelled()
    assert not caplog.records


async def test_a_write_that_fails_as_its_caller_goes_away_leaves_nothing_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene, line = Scene(), Line()
    task = await scene.serve(line.write)
    assert line.under_way is not None
    line.under_way.set_exception(Gone())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert not caplog.records


async def test_a_write_that_is_stuck_is_known_as_slow_and_one_that_is_done_is_not() -> None:
    scene, stuck, quick = Scene(), Line(), Line()
    slow, well = await scene.serve(stuck.write), await scene.serve(quick.write)
    await quick.taken()
    scene.time.leap(11.0)
    scene.end_slow()
    await settle()
    assert slow.cancelled()
    assert not well.done()
    well.cancel()

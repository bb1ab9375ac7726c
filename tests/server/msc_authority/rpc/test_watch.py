from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import a_content
from msc_live import ManualTime, a_broker, a_head, lowest

from msc_authority.app.broker import Broker, Watcher
from msc_authority.core.policy import PolicyContent, PolicyRef
from msc_authority.ports.policies import Head
from msc_authority.rpc.errors import EpochSuperseded, ReplicaBehind
from msc_authority.rpc.frames import Frames
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_authority.rpc.watch import Held, StreamIdentity, Watch, check_not_behind, heartbeat_interval
from msc_policy import v1 as pb


def read(frame: bytes | None) -> pb.WatchPolicyResponse:
    assert frame is not None
    return pb.WatchPolicyResponse.FromString(frame)


@dataclass
class Scene:
    """A broker and one watch on it; chance draws the lower bound."""

    head: Head
    held: Held | None = None
    heartbeat_s: float = 5.0
    time: ManualTime = field(default_factory=ManualTime)
    broker: Broker = field(init=False)
    watcher: Watcher = field(init=False)
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.broker = a_broker(self.time, self.head)
        self.frames = Frames(self.broker, self.time, ServedPolicy())
        self.watcher = self.broker.watch()
        self.watch = self.another(self.watcher)

    def another(self, watcher: Watcher, held: Held | None = None) -> Watch:
        return Watch(
            broker=self.broker,
            watcher=watcher,
            frames=self.frames,
            clock=self.time,
            uniform=lowest,
            identity=StreamIdentity(stream_id="stream", server_id="server", heartbeat_s=self.heartbeat_s),
            held=held or self.held,
        )

    def first(self) -> pb.WatchPolicyResponse:
        return read(self.watch.first())

    def publish(self, version: int, epoch: int = 7, content: PolicyContent | None = None) -> None:
        head = a_head(version, epoch, content)
        assert self.broker.publish(head, confirmed_at=self.time.monotonic(), changed_fields=("risk_mode",))

    async def next(self, after_s: float = 0.0) -> pb.WatchPolicyResponse:
        """The next message, which must come within `after_s`."""
        said = self.said()
        await self.time.advance(after_s)
        assert said.done()
        return read(await said)

    async def silent(self, for_s: float) -> asyncio.Future[bytes]:
        """Nothing is said for so long. Returns what waits on."""
        said = self.said()
        await self.time.advance(for_s)
        assert not said.done()
        return said

    def said(self) -> asyncio.Future[bytes]:
        """Done with the next message, at once or when the watch was woken for it."""
        said: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def look() -> None:
            if not said.done() and (frame := self.watch.due()) is not None:
                said.set_result(frame)

        self.watcher.on_wake(look)
        look()
        return said


async def test_who_holds_nothing_is_sent_the_policy_with_what_the_stream_is() -> None:
    scene = Scene(a_head(4))
    message = scene.first()
    assert message.snapshot.reason == pb.SNAPSHOT_REASON_INITIAL
    assert message.snapshot.policy.ref == message.head
    assert message.snapshot.skipped_versions == 0
    assert (message.info.stream_id, message.info.server_id) == ("stream", "server")
    assert message.info.heartbeat_interval.seconds == 5
    assert message.freshness.ttl.seconds == 3600
    assert message.HasField("server_time")


async def test_who_holds_the_head_is_told_that_it_is_unchanged() -> None:
    scene = Scene(a_head(4), Held(ref=PolicyRef(7, 4)))
    message = scene.first()
    assert message.WhichOneof("event") == "unchanged"
    assert message.head.version == 4
    assert message.info.stream_id == "stream"


async def test_who_holds_other_content_under_the_same_reference_is_sent_the_policy_not_a_confirmation() -> None:
    scene = Scene(a_head(4), Held(ref=PolicyRef(7, 4), etag='"other"'))
    assert scene.first().WhichOneof("event") == "snapshot"


async def test_who_holds_the_head_by_its_etag_is_told_that_it_is_unchanged() -> None:
    head = a_head(4)
    assert head.policy
    scene = Scene(head, Held(ref=head.ref, etag=head.policy.etag))
    assert scene.first().WhichOneof("event") == "unchanged"


async def test_who_holds_an_older_version_is_sent_the_head_with_the_number_of_versions_skipped() -> None:
    scene = Scene(a_head(9), Held(ref=PolicyRef(7, 4)))
    message = scene.first()
    assert message.snapshot.reason == pb.SNAPSHOT_REASON_UPDATE
    assert message.snapshot.skipped_versions == 4


async def test_who_holds_a_version_of_an_earlier_epoch_is_reset() -> None:
    scene = Scene(a_head(1), Held(ref=PolicyRef(6, 40)))
    assert scene.first().snapshot.reason == pb.SNAPSHOT_REASON_RESET


@pytest.mark.parametrize(
    ("held", "error"),
    [(PolicyRef(7, 5), ReplicaBehind), (PolicyRef(8, 1), EpochSuperseded)],
)
async def test_who_knows_more_than_this_replica_is_refused(held: PolicyRef, error: type[Exception]) -> None:
    scene = Scene(a_head(4), Held(ref=held))
    with pytest.raises(error):
        scene.watch.first()


async def test_an_empty_store_keeps_the_stream_open_with_heartbeats_until_there_is_a_policy() -> None:
    scene = Scene(a_head(0))
    message = scene.first()
    assert message.heartbeat.seq == 1
    assert message.head.version == 0
    assert not message.freshness.HasField("ttl")
    assert (await scene.next(5.0)).heartbeat.seq == 2
    scene.publish(1)
    assert (await scene.next()).snapshot.reason == pb.SNAPSHOT_REASON_INITIAL


async def test_an_empty_store_of_a_later_epoch_resets_with_its_first_policy() -> None:
    scene = Scene(a_head(0), Held(ref=PolicyRef(6, 40)))
    assert scene.first().WhichOneof("event") == "heartbeat"
    scene.publish(1)
    assert (await scene.next()).snapshot.reason == pb.SNAPSHOT_REASON_RESET


async def test_each_later_head_is_sent_at_once() -> None:
    scene = Scene(a_head(4))
    scene.first()
    waiting = await scene.silent(1.0)
    scene.publish(5)
    message = read(await waiting)
    assert message.snapshot.reason == pb.SNAPSHOT_REASON_UPDATE
    assert message.snapshot.policy.ref.version == 5
    assert list(message.snapshot.changed_fields) == ["risk_mode"]
    assert not message.HasField("info")


async def test_versions_published_during_a_write_are_skipped_and_the_last_one_arrives() -> None:
    scene = Scene(a_head(4))
    scene.first()
    for version in (5, 6, 7):
        scene.publish(version)
    message = await scene.next()
    assert message.head.version == 7
    assert message.snapshot.skipped_versions == 2
    waiting = await scene.silent(4.9)
    waiting.cancel()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (a_content(rollback_of=2), pb.SNAPSHOT_REASON_ROLLBACK),
        (a_content(author="ada"), pb.SNAPSHOT_REASON_OVERRIDE),
        (a_content(author="ada", rollback_of=2), pb.SNAPSHOT_REASON_ROLLBACK),
        (a_content(author="replay"), pb.SNAPSHOT_REASON_UPDATE),
    ],
)
async def test_the_reason_says_whether_a_person_or_a_rollback_was_behind_it(
    content: PolicyContent, reason: pb.SnapshotReason.ValueType
) -> None:
    scene = Scene(a_head(4))
    scene.first()
    scene.publish(5, content=content)
    assert (await scene.next()).snapshot.reason == reason


async def test_a_greater_epoch_resets_a_stream_that_is_open() -> None:
    scene = Scene(a_head(4))
    scene.first()
    scene.publish(1, epoch=8)
    message = await scene.next()
    assert message.snapshot.reason == pb.SNAPSHOT_REASON_RESET
    assert message.snapshot.skipped_versions == 0


async def test_a_heartbeat_is_due_an_interval_after_the_last_message_of_this_stream() -> None:
    scene = Scene(a_head(4))
    scene.first()
    waiting = await scene.silent(4.9)
    scene.publish(5)
    await waiting
    waiting = await scene.silent(4.9)
    await scene.time.advance(0.1)
    assert read(await waiting).heartbeat.seq == 1
    assert (await scene.next(5.0)).heartbeat.seq == 2


async def test_heartbeats_carry_head_age_and_what_is_left_of_the_validity() -> None:
    scene = Scene(a_head(4))
    scene.first()
    message = await scene.next(5.0)
    assert message.head.version == 4
    assert message.freshness.replica_age.seconds == 5
    assert message.freshness.ttl.seconds == 3595


async def test_an_old_stream_says_goodbye_and_ends() -> None:
    scene = Scene(a_head(4))
    scene.first()
    while (message := await scene.next(5.0)).WhichOneof("event") == "heartbeat":
        pass
    assert message.goodbye.reason == pb.GOODBYE_REASON_MAX_AGE
    assert message.goodbye.reconnect_after.seconds == 1
    assert scene.time.monotonic() == 1000 + 1200
    assert scene.watch.over
    assert scene.watch.due() is None


async def test_a_draining_authority_says_goodbye_to_waiting_streams() -> None:
    scene = Scene(a_head(4))
    scene.first()
    waiting = await scene.silent(1.0)
    scene.broker.drain()
    message = read(await waiting)
    assert message.goodbye.reason == pb.GOODBYE_REASON_DRAINING
    assert message.goodbye.reconnect_after.seconds == 5
    assert scene.watch.over
    assert scene.watch.due() is None


async def test_a_stream_that_another_replica_has_more_room_for_is_told_so() -> None:
    scene = Scene(a_head(4))
    scene.first()
    waiting = await scene.silent(1.0)
    scene.broker.send_away(1)
    message = read(await waiting)
    assert message.goodbye.reason == pb.GOODBYE_REASON_REBALANCE
    assert message.goodbye.reconnect_after.seconds == 5
    assert scene.watch.over
    assert scene.watch.due() is None


async def test_a_head_published_just_before_the_drain_is_sent_before_the_goodbye() -> None:
    scene = Scene(a_head(4))
    scene.first()
    scene.publish(5)
    scene.broker.drain()
    assert (await scene.next()).snapshot.policy.ref.version == 5
    assert (await scene.next()).WhichOneof("event") == "goodbye"


async def test_all_watchers_of_a_version_are_handed_the_same_bytes() -> None:
    scene = Scene(a_head(4))
    watches = [scene.watch, *(scene.another(scene.broker.watch()) for _ in range(3))]
    for watch in watches:
        watch.first()
    scene.publish(5)
    frames = [watch.due() for watch in watches]
    assert len({id(frame) for frame in frames}) == 1


async def test_a_snapshot_sent_later_carries_the_age_of_then() -> None:
    scene = Scene(a_head(4))
    scene.first()
    await scene.time.advance(40)
    late = read(scene.another(scene.broker.watch()).first())
    assert late.freshness.replica_age.seconds == 40
    assert late.snapshot.policy.ref.version == 4


@pytest.mark.parametrize(("wish", "interval"), [(None, 5), (0.2, 1), (-3, 1), (12, 12), (90, 30)])
def test_the_wish_for_a_heartbeat_is_kept_within_bounds(wish: float | None, interval: float) -> None:
    assert heartbeat_interval(wish, 5.0) == interval


@pytest.mark.parametrize(("wish", "interval"), [(None, 0.25), (0.25, 0.25), (0.1, 0.25), (12, 12)])
def test_an_authority_that_beats_faster_than_callers_may_wish_lets_them_wish_as_much(
    wish: float | None, interval: float
) -> None:
    assert heartbeat_interval(wish, 0.25) == interval


REFS = st.builds(PolicyRef, st.integers(0, 3), st.integers(0, 3))


@given(known=REFS, head=REFS)
def test_whoever_is_let_in_never_gets_an_older_reference(known: PolicyRef, head: PolicyRef) -> None:
    try:
        check_not_behind(known, head)
    except (ReplicaBehind, EpochSuperseded):
        assert (head.epoch, head.version) < (known.epoch, known.version)
    else:
        assert (head.epoch, head.version) >= (known.epoch, known.version)


@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.booleans()), max_size=12))
def test_versions_of_a_stream_only_grow_and_the_last_one_arrives(steps: list[tuple[int, int, bool]]) -> None:
    async def scenario() -> None:
        scene = Scene(a_head(1))
        seen = [scene.first().head]
        epoch, version = 7, 1
        for epoch_step, version_step, read_now in steps:
            epoch += epoch_step
            version = version_step if epoch_step else version + version_step
            scene.publish(version, epoch)
            if read_now:
                seen.append((await scene.next()).head)
        if scene.broker.current.head.ref != PolicyRef(seen[-1].epoch, seen[-1].version):
            seen.append((await scene.next()).head)
        refs = [(head.epoch, head.version) for head in seen]
        assert refs == sorted(set(refs))
        assert refs[-1] == (epoch, version)

    asyncio.run(scenario())

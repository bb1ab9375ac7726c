from __future__ import annotations

import pytest
from msc_builders import a_content
from msc_live import ManualTime, a_broker, a_head

from msc_authority.app.broker import Broker
from msc_authority.core.policy import PolicyRef
from msc_authority.rpc.frames import Frames
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_policy import v1 as pb


def a_scene(version: int = 1) -> tuple[ManualTime, Broker, Frames]:
    time = ManualTime()
    broker = a_broker(time, a_head(version))
    return time, broker, Frames(broker, time, ServedPolicy())


def read(frame: bytes) -> pb.WatchPolicyResponse:
    return pb.WatchPolicyResponse.FromString(frame)


def test_what_was_prepared_is_not_said_before_it_is_published() -> None:
    _, broker, frames = a_scene(1)
    frames.prepare(a_head(2))
    assert read(frames.snapshot(None)).snapshot.policy.ref.version == 1
    assert read(frames.heartbeat(1)).head.version == 1
    assert broker.current.head.ref.version == 1


def test_a_prepared_policy_is_said_as_one_that_was_not() -> None:
    (time, broker, frames), head = a_scene(1), a_head(2)
    _, other, plain = a_scene(1)
    frames.prepare(head)
    for one in (broker, other):
        one.publish(head, confirmed_at=time.monotonic())
    assert frames.snapshot(PolicyRef(7, 1)) == plain.snapshot(PolicyRef(7, 1))


def test_what_was_prepared_and_did_not_come_about_is_never_said() -> None:
    time, broker, frames = a_scene(1)
    frames.prepare(a_head(2))
    another = a_head(2, content=a_content(author="ada"))
    broker.publish(another, confirmed_at=time.monotonic())
    assert another.policy is not None
    assert read(frames.snapshot(None)).snapshot.policy.ref.etag == another.policy.etag


def test_a_head_without_a_policy_needs_no_preparation() -> None:
    _, _, frames = a_scene(0)
    frames.prepare(a_head(0))
    with pytest.raises(ValueError, match="no policy yet"):
        frames.snapshot(None)


def test_who_holds_the_same_is_handed_the_same_bytes_until_their_age_would_show() -> None:
    time, _, frames = a_scene(3)
    held = PolicyRef(7, 1)
    first = frames.snapshot(held)
    assert frames.snapshot(held) is first
    assert frames.snapshot(PolicyRef(7, 1)) is first
    time.leap(0.02)
    assert frames.snapshot(held) is not first

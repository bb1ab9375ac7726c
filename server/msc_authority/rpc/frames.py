"""Serialized messages of a watch. What all watchers get alike is serialized once and handed out as the same bytes.

A message is put together from serialized parts: the parts of one message, one behind the other, are that message
(https://protobuf.dev/programming-guides/encoding/#last-one-wins).
"""

from __future__ import annotations

from msc_authority.app.broker import Broker, Current
from msc_authority.ports import Clock
from msc_authority.rpc.mapping.basics import duration_to_proto, instant_to_proto
from msc_authority.rpc.mapping.policies import freshness_to_proto
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_policy import v1 as pb

FRESHNESS_SHARED_S = 0.01
"""Messages written within this time carry the same freshness, which is therefore understated by at most as much."""


class Frames:
    """Makes messages that carry the broker's current head and its freshness."""

    def __init__(self, broker: Broker, clock: Clock, served: ServedPolicy) -> None:
        self._broker, self._clock, self._served = broker, clock, served
        self._of: Current | None = None
        self._made_at = 0.0
        self._envelope = b""
        self._policy = b""
        self._policy_of: object = None
        self._snapshots: dict[tuple[pb.SnapshotReason.ValueType, int], bytes] = {}

    def snapshot(self, reason: pb.SnapshotReason.ValueType, skipped_versions: int) -> bytes:
        """Returns the current policy as a snapshot; the same object to all who ask alike at the same time."""
        envelope = self._current_envelope()
        key = (reason, skipped_versions)
        if key not in self._snapshots:
            about = pb.Snapshot(
                reason=reason,
                skipped_versions=skipped_versions,
                changed_fields=self._broker.current.changed_fields,
            )
            event = pb.WatchPolicyResponse(snapshot=about).SerializeToString()
            self._snapshots[key] = self._serialized_policy() + event + envelope
        return self._snapshots[key]

    def unchanged(self) -> bytes:
        """Returns the confirmation of what the caller holds."""
        return pb.WatchPolicyResponse(unchanged=pb.Unchanged()).SerializeToString() + self._current_envelope()

    def heartbeat(self, seq: int) -> bytes:
        """Returns a sign of life."""
        return pb.WatchPolicyResponse(heartbeat=pb.Heartbeat(seq=seq)).SerializeToString() + self._current_envelope()

    def goodbye(self, reason: pb.GoodbyeReason.ValueType, reconnect_after_s: float) -> bytes:
        """Returns the end of a watch."""
        goodbye = pb.Goodbye(reason=reason, reconnect_after=duration_to_proto(reconnect_after_s))
        return pb.WatchPolicyResponse(goodbye=goodbye).SerializeToString() + self._current_envelope()

    def _current_envelope(self) -> bytes:
        current, now = self._broker.current, self._clock.monotonic()
        if current is not self._of or now - self._made_at > FRESHNESS_SHARED_S:
            self._of, self._made_at = current, now
            self._snapshots.clear()
            self._envelope = pb.WatchPolicyResponse(
                head=self._served.ref(current.head),
                freshness=freshness_to_proto(self._broker.freshness()),
                server_time=instant_to_proto(self._clock.now()),
            ).SerializeToString()
        return self._envelope

    def _serialized_policy(self) -> bytes:
        policy = self._broker.current.head.policy
        if policy is not None and policy is not self._policy_of:
            snapshot = pb.Snapshot(policy=self._served.message(policy))
            self._policy = pb.WatchPolicyResponse(snapshot=snapshot).SerializeToString()
            self._policy_of = policy
        return self._policy


def with_info(frame: bytes, *, stream_id: str, server_id: str, heartbeat_s: float) -> bytes:
    """Returns a message that also says which stream it opens."""
    info = pb.StreamInfo(stream_id=stream_id, server_id=server_id, heartbeat_interval=duration_to_proto(heartbeat_s))
    return frame + pb.WatchPolicyResponse(info=info).SerializeToString()

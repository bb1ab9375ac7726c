"""Serialized messages of a watch. What all watchers get alike is serialized once and handed out as the same bytes.

A message is put together from serialized parts: the parts of one message, one behind the other, are that message
(https://protobuf.dev/programming-guides/encoding/#last-one-wins).
"""

from __future__ import annotations

from msc_authority.app.broker import Broker, Current, versions_between
from msc_authority.core.policy import Policy, PolicyRef
from msc_authority.ports.clock import Clock
from msc_authority.ports.policies import Head
from msc_authority.rpc.mapping.basics import duration_to_proto, instant_to_proto
from msc_authority.rpc.mapping.policies import freshness_to_proto
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_policy import v1 as pb

_OUR_AUTHORS = frozenset({"evaluator", "replay"})
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
        self._coming: tuple[Policy, bytes] | None = None
        self._snapshots: dict[tuple[pb.SnapshotReason.ValueType, int], bytes] = {}
        self._latest: tuple[PolicyRef | None, bytes] | None = None

    def prepare(self, head: Head) -> None:
        """Makes of a head that may be served soon what it takes most time to make. May be called from any thread."""
        if head.policy is not None:
            self._coming = (head.policy, _serialized(self._served.prepare(head.policy)))

    def snapshot(self, held: PolicyRef | None) -> bytes:
        """Returns the current policy as a snapshot to who holds `held`; the same object to all who are told the same at
        the same time.

        Raises:
            ValueError: there is no policy yet.
        """
        envelope = self._current_envelope()
        # Almost all hold what was published before, and that is one object: to find it by its hash takes longer.
        latest = self._latest
        if latest is None or latest[0] is not held:
            latest = self._latest = (held, self._snapshot_of(held, envelope))
        return latest[1]

    def _snapshot_of(self, held: PolicyRef | None, envelope: bytes) -> bytes:
        current = self._broker.current
        policy = current.head.policy
        if policy is None:
            raise ValueError("there is no policy yet")
        reason, skipped = snapshot_reason(held, policy), versions_between(held, policy.ref)
        if (reason, skipped) not in self._snapshots:
            about = pb.Snapshot(reason=reason, skipped_versions=skipped, changed_fields=current.changed_fields)
            event = pb.WatchPolicyResponse(snapshot=about).SerializeToString()
            self._snapshots[reason, skipped] = self._serialized_policy() + event + envelope
        return self._snapshots[reason, skipped]

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
            self._latest = None
            self._envelope = pb.WatchPolicyResponse(
                head=self._served.ref(current.head),
                freshness=freshness_to_proto(self._broker.freshness()),
                server_time=instant_to_proto(self._clock.now()),
            ).SerializeToString()
        return self._envelope

    def _serialized_policy(self) -> bytes:
        policy = self._broker.current.head.policy
        if policy is not None and policy is not self._policy_of:
            coming = self._coming
            self._policy = coming[1] if coming and coming[0] is policy else _serialized(self._served.message(policy))
            self._policy_of = policy
        return self._policy


def _serialized(policy: pb.Policy) -> bytes:
    return pb.WatchPolicyResponse(snapshot=pb.Snapshot(policy=policy)).SerializeToString()


def with_info(frame: bytes, *, stream_id: str, server_id: str, heartbeat_s: float) -> bytes:
    """Returns a message that also says which stream it opens."""
    info = pb.StreamInfo(stream_id=stream_id, server_id=server_id, heartbeat_interval=duration_to_proto(heartbeat_s))
    return frame + pb.WatchPolicyResponse(info=info).SerializeToString()


def snapshot_reason(held: PolicyRef | None, policy: Policy) -> pb.SnapshotReason.ValueType:
    """Returns why a caller that holds `held` is sent `policy`."""
    if held is None:
        return pb.SNAPSHOT_REASON_INITIAL
    if held.epoch < policy.ref.epoch:
        return pb.SNAPSHOT_REASON_RESET
    if policy.content.rollback_of:
        return pb.SNAPSHOT_REASON_ROLLBACK
    if policy.content.author not in _OUR_AUTHORS:
        return pb.SNAPSHOT_REASON_OVERRIDE
    return pb.SNAPSHOT_REASON_UPDATE

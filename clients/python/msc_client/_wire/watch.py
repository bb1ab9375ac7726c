"""Maps the messages of a watch, both ways, as bytes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from msc_client._messages import (
    Event,
    Freshness,
    Garbled,
    Goodbye,
    Heartbeat,
    Snapshot,
    SnapshotReason,
    StreamInfo,
    Unchanged,
    Unknown,
    WatchMessage,
)
from msc_client._wire.policy import document_from, duration_of, ref_from, ref_to, seconds_from, timestamp_of
from msc_client.policy import Ref
from msc_client.role import Role
from msc_client.tier import Tier
from msc_policy import v1 as pb

if TYPE_CHECKING:
    from msc_client.status import SourceStatus

_LONGEST_DURATION_S = 315_576_000_000.0
"""https://protobuf.dev/reference/protobuf/google.protobuf/#duration"""

_REASONS: dict[int, SnapshotReason] = {
    pb.SNAPSHOT_REASON_INITIAL: SnapshotReason.INITIAL,
    pb.SNAPSHOT_REASON_UPDATE: SnapshotReason.UPDATE,
    pb.SNAPSHOT_REASON_RESET: SnapshotReason.RESET,
    pb.SNAPSHOT_REASON_ROLLBACK: SnapshotReason.ROLLBACK,
    pb.SNAPSHOT_REASON_OVERRIDE: SnapshotReason.OVERRIDE,
}
_GOODBYES: dict[int, str] = {
    pb.GOODBYE_REASON_DRAINING: "DRAINING",
    pb.GOODBYE_REASON_MAX_AGE: "MAX_AGE",
    pb.GOODBYE_REASON_REBALANCE: "REBALANCE",
    pb.GOODBYE_REASON_SLOW_CONSUMER: "SLOW_CONSUMER",
    pb.GOODBYE_REASON_AUTH_EXPIRED: "AUTH_EXPIRED",
}
_ROLES: dict[Role, pb.ClientRole.ValueType] = {
    Role.EXECUTOR: pb.CLIENT_ROLE_EXECUTOR,
    Role.ORCHESTRATOR: pb.CLIENT_ROLE_ORCHESTRATOR,
    Role.RISK_GUARD: pb.CLIENT_ROLE_RISK_GUARD,
    Role.OTHER: pb.CLIENT_ROLE_OTHER,
}
_TIERS: dict[Tier, pb.ClientTier.ValueType] = {
    Tier.FRESH: pb.CLIENT_TIER_FRESH,
    Tier.STALE: pb.CLIENT_TIER_STALE,
    Tier.SAFE_EXPIRED: pb.CLIENT_TIER_SAFE_EXPIRED,
    Tier.SAFE_NONE: pb.CLIENT_TIER_SAFE_NONE,
}


def watch_message_from(raw: bytes) -> WatchMessage | Garbled:
    """Returns one message of a watch, or why the bytes are none. Never raises: bad bytes must not end a stream."""
    try:
        message = pb.WatchPolicyResponse.FromString(raw)
    except DecodeError as error:
        return Garbled(problem=f"message cannot be parsed: {error}")
    return WatchMessage(
        head=ref_from(message.head) if message.HasField("head") else None,
        freshness=_freshness(message),
        event=_event(message),
        info=_info(message),
        size_bytes=len(raw),
    )


def _freshness(message: pb.WatchPolicyResponse) -> Freshness | None:
    freshness = message.freshness
    if not (freshness.HasField("replica_age") and freshness.HasField("ttl")):
        return None
    return Freshness(
        # A replica cannot have looked in the future, and what is no valid duration could not be reported back.
        replica_age_s=min(max(0.0, seconds_from(freshness.replica_age)), _LONGEST_DURATION_S),
        ttl_s=seconds_from(freshness.ttl),
    )


def _info(message: pb.WatchPolicyResponse) -> StreamInfo | None:
    if not message.HasField("info"):
        return None
    interval_s = seconds_from(message.info.heartbeat_interval)
    return StreamInfo(server_id=message.info.server_id, heartbeat_interval_s=interval_s if interval_s > 0 else None)


def _event(message: pb.WatchPolicyResponse) -> Event:
    match message.WhichOneof("event"):
        case "snapshot":
            snapshot = message.snapshot
            return Snapshot(
                document=document_from(snapshot.policy),
                reason=_REASONS.get(snapshot.reason, SnapshotReason.UNKNOWN),
                skipped_versions=snapshot.skipped_versions,
            )
        case "unchanged":
            return Unchanged()
        case "heartbeat":
            return Heartbeat()
        case "goodbye":
            return Goodbye(
                reason=_GOODBYES.get(message.goodbye.reason, "UNKNOWN"),
                reconnect_after_s=max(0.0, seconds_from(message.goodbye.reconnect_after)),
            )
        case _:
            return Unknown()


class ClientRecord:
    """Says who the client is and how it is doing, as request bytes."""

    def __init__(self, *, instance_id: str, name: str, role: Role, sdk: str, started_at: datetime) -> None:
        self._info = pb.ClientInfo(
            instance_id=instance_id,
            name=name,
            role=_ROLES[role],
            sdk=sdk,
            started_at=timestamp_of(started_at),
        )

    def watch_request(self, *, known: Ref | None, heartbeat_interval_s: float, status: SourceStatus) -> bytes:
        """Returns the bytes that open a watch. `known` None asks for a snapshot."""
        request = pb.WatchPolicyRequest(
            client=self._info, heartbeat_interval=duration_of(heartbeat_interval_s), status=_status(status)
        )
        if known is not None:
            request.known.CopyFrom(ref_to(known))
        return request.SerializeToString()

    def report_request(self, status: SourceStatus) -> bytes:
        """Returns the bytes of a status report."""
        return pb.ReportClientStatusRequest(client=self._info, status=_status(status)).SerializeToString()


def next_report_s(raw: bytes) -> float | None:
    """Returns when the authority wants the next report, or None when it does not say."""
    try:
        wanted_s = seconds_from(pb.ReportClientStatusResponse.FromString(raw).next_report_after)
    except DecodeError:
        return None
    return wanted_s if wanted_s > 0 else None


def _status(status: SourceStatus) -> pb.ClientStatus:
    counters = status.counters
    return pb.ClientStatus(
        tier=_TIERS[status.tier],
        applied=None if status.applied is None else ref_to(status.applied),
        age=None if status.age_s is None else duration_of(status.age_s),
        last_error=status.last_error,
        counters=pb.ClientCounters(
            applied=counters.applied,
            rejected=counters.rejected,
            reconnects=counters.reconnects,
            watchdog_timeouts=counters.watchdog_timeouts,
            gaps=counters.gaps,
            callback_errors=counters.callback_errors,
            reads=counters.reads,
            fallback_reads=counters.fallback_reads,
            reconnect_causes=counters.reconnect_causes,
        ),
        applied_for=None if status.applied_for_s is None else duration_of(status.applied_for_s),
    )

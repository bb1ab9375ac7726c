"""What a watch says, in the client's own words."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from msc_client.errors import PolicyInvalid
from msc_client.policy import Policy, Ref

_REFUSALS = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED"})


class SnapshotReason(Enum):
    """Why a policy was sent."""

    UNKNOWN = "UNKNOWN"
    INITIAL = "INITIAL"
    UPDATE = "UPDATE"
    RESET = "RESET"
    ROLLBACK = "ROLLBACK"
    OVERRIDE = "OVERRIDE"


class Freshness(NamedTuple):
    """How far the answering replica can vouch for its head, in seconds."""

    replica_age_s: float
    ttl_s: float


class StreamInfo(NamedTuple):
    """About one stream; in its first message only. The interval is None when it was not announced."""

    server_id: str
    heartbeat_interval_s: float | None


class Document(NamedTuple):
    """A policy as it came: what it says, or why it cannot be read. `raw` is its serialized form, for the disk."""

    ref: Ref
    policy: Policy | PolicyInvalid
    raw: bytes


class Snapshot(NamedTuple):
    """A policy to apply."""

    document: Document
    reason: SnapshotReason
    skipped_versions: int = 0


class Unchanged(NamedTuple):
    """What the client holds is the head."""


class Heartbeat(NamedTuple):
    """A sign of life."""


class Goodbye(NamedTuple):
    """The stream ends; come back after a random part of the delay."""

    reason: str
    reconnect_after_s: float


class Unknown(NamedTuple):
    """An event of a newer contract: life, and nothing else."""


Event = Snapshot | Unchanged | Heartbeat | Goodbye | Unknown


class WatchMessage(NamedTuple):
    """One message of a watch. `head` and `freshness` are None when missing: then it confirms nothing."""

    head: Ref | None
    freshness: Freshness | None
    event: Event
    info: StreamInfo | None = None
    size_bytes: int = 0


class Garbled(NamedTuple):
    """Bytes that are no message. A sign of life all the same."""

    problem: str


class StreamEnd(NamedTuple):
    """How a stream ended: a gRPC status by name ("OK" for a clean end), the authority's reason, and its hint."""

    code: str
    detail: str = ""
    reason: str = ""
    retry_after_s: float | None = None

    @property
    def refuses_client(self) -> bool:
        """Whether the authority refuses this client as such, so that coming back soon is no use."""
        return self.code in _REFUSALS

    def __str__(self) -> str:
        """The parts that say something, as logs print them."""
        return " ".join(part for part in (self.code, self.reason, self.detail) if part)

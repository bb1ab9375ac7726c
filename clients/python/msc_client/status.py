"""How a source is doing: for display, and for the authority's list of clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from msc_client.policy import Ref
from msc_client.role import ConnectionState, Role
from msc_client.tier import Tier

__all__ = ["ConnectionState", "Counters", "Role", "SourceStatus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What happened since the start."""

    applied: int = 0
    """Policies applied."""
    rejected: int = 0
    """Documents refused: invalid, older, or with another etag."""
    reconnects: int = 0
    """Streams opened after the first."""
    watchdog_timeouts: int = 0
    """Silent streams ended."""
    gaps: int = 0
    """Versions noticed as missed through a heartbeat."""
    callback_errors: int = 0
    """Callbacks that raised."""
    reads: int = 0
    """Policies handed to the program by `current()`."""
    fallback_reads: int = 0
    """Those of them that were not FRESH."""
    reconnect_causes: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Streams opened after the first, by cause: "watchdog", "goodbye", "gap", ..., or the name of a gRPC status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How a source is doing, in one consistent reading."""

    connection: ConnectionState
    since: datetime
    """When that connection state began, UTC, by this machine's clock."""
    tier: Tier
    applied: Ref | None
    """Revision in hand; None before the first."""
    age_s: float | None
    """Seconds since the authority vouched for it; None: never."""
    ttl_s: float | None
    """Seconds left of its validity; None: no value."""
    last_error: str
    """Newest problem; empty when there is none."""
    counters: Counters
    instance_id: str
    server_id: str
    """Replica that answers, empty before it said so."""
    target: str
    applied_for_s: float | None = None
    """Seconds since the revision in hand was applied by this process; None: it was not."""

"""Who a source is, and where its stream stands."""

from __future__ import annotations

from enum import Enum


class Role(Enum):
    """What the process around the source does."""

    EXECUTOR = "EXECUTOR"
    ORCHESTRATOR = "ORCHESTRATOR"
    RISK_GUARD = "RISK_GUARD"
    OTHER = "OTHER"


class ConnectionState(Enum):
    """Where the stream stands. It says nothing about the value: that is the tier."""

    NEW = "NEW"
    """Not started."""
    CONNECTING = "CONNECTING"
    """Opened, no message yet."""
    LIVE = "LIVE"
    """Messages flow."""
    BACKOFF = "BACKOFF"
    """Waiting before the next attempt."""
    DENIED = "DENIED"
    """The authority refuses this client; retried slowly."""
    FORKED = "FORKED"
    """In a forked child, before its first read."""
    CLOSED = "CLOSED"
    """Closed for good."""

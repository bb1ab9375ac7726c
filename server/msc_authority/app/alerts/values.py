"""What an alert is, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How urgent it is."""

    CRITICAL = "critical"
    WARNING = "warning"


class AlertState(StrEnum):
    """Where an alert stands."""

    PENDING = "pending"
    """The condition holds, but not yet for long enough."""
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """That the condition of a rule holds, for whom (empty: the whole system), and for how long by now.

    `since` is the instant on the authority's clock at which that began; None: when it was first seen.
    """

    text: str
    held_s: float
    subject: str = ""
    value: float | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One condition at one subject. Instants are of the authority's clock. (code, subject) names it."""

    code: str
    subject: str
    severity: Severity
    state: AlertState
    title: str
    text: str
    advice: str
    anchor: str
    value: float | None
    pending_since: datetime
    firing_since: datetime | None = None
    resolved_at: datetime | None = None

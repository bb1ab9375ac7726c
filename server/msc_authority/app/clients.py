"""Who follows the policy and what they say of themselves, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from msc_authority.core.policy import PolicyRef


class ClientRole(StrEnum):
    """What a client does."""

    EXECUTOR = "EXECUTOR"
    ORCHESTRATOR = "ORCHESTRATOR"
    RISK_GUARD = "RISK_GUARD"
    OTHER = "OTHER"


class ClientTier(StrEnum):
    """How much a client trusts the value it acts on. UNSPECIFIED: it did not say."""

    UNSPECIFIED = "UNSPECIFIED"
    FRESH = "FRESH"
    STALE = "STALE"
    SAFE_EXPIRED = "SAFE_EXPIRED"
    SAFE_NONE = "SAFE_NONE"

    @property
    def is_safe(self) -> bool:
        """Whether the client acts on safe defaults."""
        return self in (ClientTier.SAFE_EXPIRED, ClientTier.SAFE_NONE)


class WatchEnd(StrEnum):
    """Why a watch ended."""

    DRAINING = "draining"
    """The authority stops."""
    MAX_AGE = "max_age"
    """It was open for long enough; the client comes back."""
    REBALANCE = "rebalance"
    """This replica has more than its share; the client goes to another."""
    SLOW_CONSUMER = "slow_consumer"
    """Nothing was read for 10 s."""
    REFUSED = "refused"
    """The caller knew of more than this authority does."""
    AUTH_EXPIRED = "auth_expired"
    """The caller's token holds no more."""
    CALLER = "caller"
    """The caller ended it, or is gone."""
    FAILED = "failed"
    """It could not be written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """One client process. `instance_id` is unique for one start of it."""

    instance_id: str
    name: str = ""
    role: ClientRole = ClientRole.OTHER
    sdk: str = ""
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCounters:
    """Counters of a client since its start. `fallback_reads` are those answered in another tier than FRESH."""

    applied: int = 0
    rejected: int = 0
    reconnects: int = 0
    watchdog_timeouts: int = 0
    gaps: int = 0
    callback_errors: int = 0
    reads: int = 0
    fallback_reads: int = 0
    reconnect_causes: Mapping[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStatus:
    """What a client says of itself. `applied` None: it acts on no policy. `age_s` None: never confirmed.

    `applied_for_s` is how long ago it began to act on that revision; None: it did not say.
    """

    tier: ClientTier = ClientTier.UNSPECIFIED
    applied: PolicyRef | None = None
    applied_etag: str = ""
    age_s: float | None = None
    last_error: str = ""
    counters: ClientCounters = ClientCounters()
    applied_for_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetEntry:
    """One client as the authority knows it. `watches` counts the watches it has open here."""

    client: ClientInfo
    status: ClientStatus
    reported_at: datetime
    watches: int = 0

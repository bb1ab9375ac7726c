"""Who follows the policy, as far as they said so. In memory: a restart asks everyone anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from msc_authority.core.policy import PolicyRef

FORGET_AFTER = timedelta(hours=1)


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
    """Counters of a client since its start."""

    applied: int = 0
    rejected: int = 0
    reconnects: int = 0
    watchdog_timeouts: int = 0
    gaps: int = 0
    callback_errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStatus:
    """What a client says of itself. `applied` None: it acts on no policy. `age_s` None: never confirmed."""

    tier: ClientTier = ClientTier.UNSPECIFIED
    applied: PolicyRef | None = None
    applied_etag: str = ""
    age_s: float | None = None
    last_error: str = ""
    counters: ClientCounters = ClientCounters()


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetEntry:
    """One client as the authority knows it. `watches` counts the watches it has open here."""

    client: ClientInfo
    status: ClientStatus
    reported_at: datetime
    watches: int = 0


class Fleet:
    """Every client that reported within the last hour or watches now."""

    def __init__(self, *, max_clients: int) -> None:
        """Above `max_clients` the one that has been silent longest is forgotten first."""
        self._max_clients = max_clients
        self._entries: dict[str, FleetEntry] = {}

    def report(self, client: ClientInfo, status: ClientStatus, now: datetime) -> None:
        """Keeps what a client says."""
        known = self._entries.pop(client.instance_id, None)
        watches = known.watches if known else 0
        # Popped and set again: the dict stays in the order of last reports.
        self._entries[client.instance_id] = FleetEntry(client=client, status=status, reported_at=now, watches=watches)
        self._bound()

    def watch_opened(self, client: ClientInfo, status: ClientStatus | None, now: datetime) -> None:
        """Notes a watch, and what the client said when it opened it."""
        known = self._entries.get(client.instance_id)
        said = status or (known.status if known else ClientStatus())
        self.report(client, said, now)
        self._count_watch(client.instance_id, +1)

    def watch_closed(self, instance_id: str) -> None:
        """Notes the end of a watch."""
        self._count_watch(instance_id, -1)

    def entries(self, now: datetime) -> list[FleetEntry]:
        """Returns the clients by role, then name, then instance."""
        self._forget(now)
        return sorted(
            self._entries.values(),
            key=lambda entry: (list(ClientRole).index(entry.client.role), entry.client.name, entry.client.instance_id),
        )

    def _count_watch(self, instance_id: str, step: int) -> None:
        if entry := self._entries.get(instance_id):
            self._entries[instance_id] = replace(entry, watches=max(0, entry.watches + step))

    def _forget(self, now: datetime) -> None:
        gone = [
            key for key, entry in self._entries.items() if not entry.watches and now - entry.reported_at > FORGET_AFTER
        ]
        for key in gone:
            del self._entries[key]

    def _bound(self) -> None:
        while len(self._entries) > self._max_clients:
            silent = (key for key, entry in self._entries.items() if not entry.watches)
            del self._entries[next(silent, next(iter(self._entries)))]


def versions_behind(applied: PolicyRef | None, head: PolicyRef) -> int:
    """Returns how many versions a client is behind the head, 0 in another epoch. No policy is version 0."""
    if applied is None:
        return head.version
    return max(0, head.version - applied.version) if applied.epoch == head.epoch else 0

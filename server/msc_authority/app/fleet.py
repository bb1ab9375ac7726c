"""Who follows the policy, as far as they said so. In memory: a restart asks everyone anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from msc_authority.app.clients import ClientInfo, ClientRole, ClientStatus, FleetEntry
from msc_authority.core.policy import PolicyRef

FORGET_AFTER = timedelta(hours=1)


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

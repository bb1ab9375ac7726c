"""Who follows the policy, as far as they said so. In memory: a restart asks everyone anew.

Everything here runs on the event loop's thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from msc_authority.app.clients import ClientInfo, ClientRole, ClientStatus, FleetEntry, WatchEnd
from msc_authority.app.events import (
    ClientChange,
    ClientChanged,
    Event,
    EventBus,
    PolicyApplied,
    PolicyPublished,
)
from msc_authority.app.observation import ClientView, ReadTally
from msc_authority.app.publications import Publications
from msc_authority.app.read_window import ReadWindow, reads_between
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.clock import Clock

FORGET_AFTER_S = 3600.0
"""Real seconds of silence after which a client that does not watch is forgotten."""
MAX_EARLY_S = 0.1
"""A client may seem to have applied a revision so long before it was published: two clocks were read in turn."""
_READ, _FAILED_READ = ReadTally(reads=1, failed=0), ReadTally(reads=1, failed=1)
_RANK = {role: number for number, role in enumerate(ClientRole)}


@dataclass(slots=True)
class _Known:
    """What is kept of a client. Times are monotonic; `unsafe_since` None: it does not report a SAFE tier."""

    entry: FleetEntry
    joined_at: float
    heard_at: float
    unsafe_since: float | None = None
    present: bool = True
    applied: tuple[int, int] | None = None


class _Lag(NamedTuple):
    """How many versions a revision is behind the head, and since when there has been a newer one (None: never)."""

    versions: int
    since: float | None


class Fleet:
    """Every client that reported within the last hour or watches now."""

    def __init__(self, *, events: EventBus, clock: Clock, head: PolicyRef, max_clients: int) -> None:
        """Starts without clients, while `head` is served.

        Above `max_clients` the one that has been silent longest is forgotten first.
        """
        self._events, self._clock, self._max_clients = events, clock, max_clients
        self._known: dict[str, _Known] = {}
        self._ordered: list[str] | None = None
        self._publications = Publications(head, clock.monotonic())
        self._reads = ReadWindow()
        self._watch_ends: Counter[str] = Counter()
        events.subscribe(self._follow)

    def report(self, client: ClientInfo, status: ClientStatus) -> None:
        """Keeps what a client says."""
        self._take(client, status, opened=0)

    def watch_opened(self, client: ClientInfo, status: ClientStatus | None) -> None:
        """Notes a watch, and what the client said when it opened it; None: nothing."""
        self._take(client, status, opened=1)

    def watch_closed(self, instance_id: str) -> None:
        """Notes the end of a watch of a client."""
        known = self._known.get(instance_id)
        if known is None or not known.entry.watches:
            return
        known.entry = replace(known.entry, watches=known.entry.watches - 1)
        if not known.entry.watches:
            known.present = False
            self._events.emit(ClientChanged(entry=known.entry, change=ClientChange.LEFT))

    def watch_ended(self, cause: WatchEnd) -> None:
        """Counts the end of a watch, whoever had opened it."""
        self._watch_ends[cause.value] += 1

    @property
    def watch_ends(self) -> Mapping[str, int]:
        """Watches that ended since the start, by cause."""
        return dict(self._watch_ends)

    def policy_read(self, monotonic: float, *, failed: bool) -> None:
        """Counts a call of GetPolicy for the current policy."""
        self._reads.note(monotonic, _FAILED_READ if failed else _READ)

    def reads(self, monotonic: float) -> ReadTally:
        """Returns the policy reads of the last five minutes."""
        return self._reads.tally(monotonic)

    def entries(self) -> list[FleetEntry]:
        """Returns the clients by role, then name, then instance."""
        self._forget_silent(self._clock.monotonic())
        return [self._known[instance_id].entry for instance_id in self._in_order()]

    def views(self, monotonic: float, head: PolicyRef) -> tuple[ClientView, ...]:
        """Returns the clients in the same order, compared with the head."""
        self._forget_silent(monotonic)
        # Most clients have applied the same few revisions: each is compared with the head once.
        lags: dict[tuple[int, int] | None, _Lag] = {}
        views = []
        clients = self._known
        for instance_id in self._in_order():
            known = clients[instance_id]
            lag = lags.get(known.applied)
            if lag is None:
                lag = lags[known.applied] = self._lag(known.entry.status.applied, head)
            views.append(_view(known, lag, monotonic))
        return tuple(views)

    # What a client says

    def _take(self, client: ClientInfo, said: ClientStatus | None, *, opened: int) -> None:
        monotonic = self._clock.monotonic()
        # Popped and set again: the dict stays in the order of last reports.
        before = self._known.pop(client.instance_id, None)
        known = _known_after(before, client, said, opened=opened, now=self._clock.now(), monotonic=monotonic)
        self._known[client.instance_id] = known
        if before is None or before.entry.client != client:
            self._ordered = None
        self._events.emit(*self._news(before, known, monotonic))
        self._bound()

    def _news(self, before: _Known | None, known: _Known, monotonic: float) -> list[Event]:
        if before is None:
            return [ClientChanged(entry=known.entry, change=ClientChange.JOINED)]
        old, new = before.entry.status, known.entry.status
        between = reads_between(old.counters, new.counters, monotonic - before.heard_at)
        if between.reads:
            self._reads.note(monotonic, between)
        changes = []
        if known.present and not before.present:
            changes.append(ClientChange.JOINED)
        if new.applied != old.applied and new.applied is not None:
            changes.append(ClientChange.APPLIED)
        if new.tier is not old.tier:
            changes.append(ClientChange.TIER)
        news: list[Event] = [ClientChanged(entry=known.entry, change=change) for change in changes]
        propagation_s = self._propagation_s(old, known, monotonic)
        if propagation_s is not None:
            news.append(PolicyApplied(entry=known.entry, propagation_s=propagation_s))
        return news

    def _propagation_s(self, old: ClientStatus, known: _Known, monotonic: float) -> float | None:
        new = known.entry.status
        if new.applied is None or new.applied_for_s is None or (old.applied and new.applied <= old.applied):
            return None
        published_at = self._publications.at(new.applied)
        # Whoever came later could not have had it sooner.
        if published_at is None or published_at <= known.joined_at:
            return None
        taken_s = monotonic - new.applied_for_s - published_at
        return max(0.0, taken_s) if taken_s >= -MAX_EARLY_S else None

    def _follow(self, event: Event) -> None:
        if isinstance(event, PolicyPublished):
            self._publications.note(event.after.ref, self._clock.monotonic())

    # What is known of the clients

    def _in_order(self) -> list[str]:
        if self._ordered is None:
            self._ordered = [known.entry.client.instance_id for known in sorted(self._known.values(), key=_order)]
        return self._ordered

    def _lag(self, applied: PolicyRef | None, head: PolicyRef) -> _Lag:
        behind = applied is None or applied < head
        since = self._publications.newer_since(applied) if behind else None
        return _Lag(versions=versions_behind(applied, head), since=since)

    def _forget_silent(self, monotonic: float) -> None:
        silent = []
        for key, known in self._known.items():
            if monotonic - known.heard_at <= FORGET_AFTER_S:
                # They are in the order of their last reports: the others are no older.
                break
            if not known.entry.watches:
                silent.append(key)
        for key in silent:
            self._forget(key)

    def _bound(self) -> None:
        while len(self._known) > self._max_clients:
            silent = (key for key, known in self._known.items() if not known.entry.watches)
            # Nobody who watches is pushed out by a newcomer.
            self._forget(next(silent, next(reversed(self._known))))

    def _forget(self, key: str) -> None:
        known = self._known.pop(key)
        self._ordered = None
        self._events.emit(ClientChanged(entry=known.entry, change=ClientChange.FORGOTTEN))


def _known_after(
    before: _Known | None,
    client: ClientInfo,
    said: ClientStatus | None,
    *,
    opened: int,
    now: datetime,
    monotonic: float,
) -> _Known:
    if before is None:
        entry = FleetEntry(client=client, status=said or ClientStatus(), reported_at=now, watches=opened)
        known = _Known(entry=entry, joined_at=monotonic, heard_at=monotonic)
    else:
        status, watches = said or before.entry.status, before.entry.watches + opened
        known = replace(
            before,
            entry=FleetEntry(client=client, status=status, reported_at=now, watches=watches),
            heard_at=monotonic if said else before.heard_at,
            present=before.present or watches > 0,
        )
    applied = known.entry.status.applied
    known.applied = (applied.epoch, applied.version) if applied else None
    if not known.entry.status.tier.is_safe:
        known.unsafe_since = None
    elif known.unsafe_since is None:
        known.unsafe_since = monotonic
    return known


def _view(known: _Known, lag: _Lag, monotonic: float) -> ClientView:
    report_age_s, age_s = monotonic - known.heard_at, known.entry.status.age_s
    return ClientView(
        entry=known.entry,
        versions_behind=lag.versions,
        behind_for_s=0.0 if lag.since is None else monotonic - max(lag.since, known.joined_at),
        unsafe_for_s=0.0 if known.unsafe_since is None else monotonic - known.unsafe_since,
        age_s=None if age_s is None else age_s + report_age_s,
        report_age_s=report_age_s,
    )


def _order(known: _Known) -> tuple[int, str, str]:
    client = known.entry.client
    return _RANK[client.role], client.name, client.instance_id


def versions_behind(applied: PolicyRef | None, head: PolicyRef) -> int:
    """Returns how many versions a client is behind the head, 0 when it is ahead. No policy is version 0.

    In an older epoch it lacks all versions of the head's, and the change of epoch itself.
    """
    if applied is None:
        return head.version
    if applied.epoch == head.epoch:
        return max(0, head.version - applied.version)
    return head.version + 1 if applied.epoch < head.epoch else 0

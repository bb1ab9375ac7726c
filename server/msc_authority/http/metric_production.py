"""What an authority in production stands on, as samples of the metrics. Pure, as `metric_samples` is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from msc_authority.app.access import (
    CertificateExpired,
    NotListed,
    Role,
    RoleMissing,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
)
from msc_authority.app.admission import RATE_LIMITED, STREAM_LIMIT_REACHED
from msc_authority.app.cache_keeper import ReadStep
from msc_authority.app.events import LeadershipCause
from msc_authority.app.observation import Observation, Standing
from msc_authority.app.production import CacheSigns, DoorTally, StoreSigns, UpkeepSigns
from msc_authority.core.overrides import Override, OverrideKind
from msc_authority.http import metric_table as table
from msc_authority.http.metric_table import Metric
from msc_authority.ports.cache import Before, CacheFault

Sample = tuple[Metric, tuple[str, ...], float | None]

_REFUSED = (TokenMissing, TokenInvalid, TokenExpired, TokenRevoked, CertificateExpired, RoleMissing, NotListed)
REFUSALS = (*(kind.reason for kind in _REFUSED), RATE_LIMITED, STREAM_LIMIT_REACHED)
"""Every reason for which the door turns somebody away."""


def production_samples(observed: Observation) -> Iterator[Sample]:
    """Yields what is seen of leadership, door, cache, store, upkeep and persons."""
    production = observed.production
    return chain(
        _standing(observed.standing),
        _door(production.door),
        _cache(production.cache) if production.cache is not None else (),
        _store(production.store),
        _upkeep(production.upkeep),
        _overrides(observed.overrides),
    )


def _standing(standing: Standing) -> Iterator[Sample]:
    yield table.LEADER, (), standing.leading
    yield table.LEADERSHIP_TERM, (), standing.term
    yield table.LEADERLESS, (), standing.leaderless_s
    yield table.LEASE_AGE, (), standing.lease_age_s
    yield from _counted(table.LEADERSHIP_CHANGES, LeadershipCause, standing.changes)
    yield table.COMMITS_FENCED, (), standing.commits_fenced
    alive = sum(replica.alive for replica in standing.replicas)
    yield table.REPLICAS, ("alive",), alive
    yield table.REPLICAS, ("silent",), len(standing.replicas) - alive
    yield table.SENT_AWAY, (), standing.sent_away


def _door(door: DoorTally) -> Iterator[Sample]:
    yield from _counted(table.REFUSALS, REFUSALS, door.refused)
    yield from _counted(table.STREAMS, Role, door.streams)


def _cache(cache: CacheSigns) -> Iterator[Sample]:
    for step in ReadStep:
        yield table.POLICY_SOURCE, (step,), step == cache.source
    yield from _counted(table.SOURCE_READS, ReadStep, cache.looks)
    yield from _counted(table.SOURCE_CHANGES, ReadStep, cache.changes)
    yield table.CACHE_UP, (), cache.failing_for_s is None
    yield table.CACHE_FAILING, (), cache.failing_for_s or 0.0
    yield from _counted(table.CACHE_FAULTS, CacheFault, cache.faults)
    yield table.CACHE_RECOVERIES, (), cache.recoveries
    yield from _counted(table.CACHE_PUTS, Before, cache.found)
    yield from _counted(table.CACHE_OVERWRITTEN, Before, cache.overwritten)
    yield table.CACHE_NOT_TAKEN, (), cache.not_taken


def _store(store: StoreSigns) -> Iterator[Sample]:
    yield table.STORE_LOST, (), store.lost
    yield table.STORE_UNAVAILABLE, (), store.unavailable
    yield table.STORE_REPEATED, (), store.repeated
    yield table.STORE_LISTENING, (), store.listening


def _upkeep(upkeep: UpkeepSigns) -> Iterator[Sample]:
    yield table.UPKEEP, ("done",), upkeep.rounds
    yield table.UPKEEP, ("failed",), upkeep.failures
    yield table.UPKEEP_AGE, (), upkeep.done_ago_s
    yield table.BACKUP_AGE, (), upkeep.backup_ago_s
    yield table.PRUNED_ROWS, (), upkeep.pruned_rows
    yield table.AUDIT_ROWS, (), upkeep.audit_rows
    if upkeep.audit_rows is not None:
        yield table.AUDIT_INTACT, (), not upkeep.audit_damage


def _overrides(overrides: Iterable[Override]) -> Iterator[Sample]:
    return _counted(table.OVERRIDES, OverrideKind, Counter(str(override.kind) for override in overrides))


def _counted(metric: Metric, known: Iterable[str], counts: Mapping[str, int]) -> Iterator[Sample]:
    # What has not happened yet is 0 from the start: a counter that appears with 1 has not increased.
    for name in dict.fromkeys((*map(str, known), *counts)):
        yield metric, (name,), counts.get(name, 0)

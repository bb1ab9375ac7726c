"""What an authority in production stands on, as values: its door, the cache, the store, and the daily upkeep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorTally:
    """Who was turned away since this process started, by reason, and within five minutes; and who is in."""

    refused: Mapping[str, int] = field(default_factory=dict)
    refused_recently: int = 0
    most_refused: str = ""
    """The most frequent reason since the start; empty: nobody was refused."""
    streams: Mapping[str, int] = field(default_factory=dict)
    """Streams that are open, by the greatest role of whoever opened them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSigns:
    """The cache beside the store. Counts are since this process started, and by the names of their enums."""

    failing_for_s: float | None = None
    """How long it has not been usable; None: it is."""
    fault: str = ""
    """The newest failure, in words; empty: there was none."""
    source: str = ""
    """Where the policy that is served is confirmed now."""
    looks: Mapping[str, int] = field(default_factory=dict)
    """Looks at the policy, about one a second, by where it was confirmed."""
    changes: Mapping[str, int] = field(default_factory=dict)
    """How often it began to be confirmed there."""
    faults: Mapping[str, int] = field(default_factory=dict)
    found: Mapping[str, int] = field(default_factory=dict)
    overwritten: Mapping[str, int] = field(default_factory=dict)
    not_taken: int = 0
    recoveries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSigns:
    """The store. Counts are since this process started. `listening` None: it tells nobody of new heads."""

    lost: int = 0
    unavailable: int = 0
    repeated: int = 0
    listening: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepSigns:
    """The daily upkeep, which only the leader does. Counts are since this process started.

    `done_ago_s` None: it was not done here. `audit_rows` None: the audit log was not followed here.
    """

    rounds: int = 0
    failures: int = 0
    pruned_rows: int = 0
    done_ago_s: float | None = None
    audit_rows: int | None = None
    audit_damage: str = ""
    """Where its chain did not hold when it was followed last, in words; empty: it held."""
    backup_ago_s: float | None = None
    """Since the last backup of the database, made by whomever; None: none is known of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Production:
    """All of it. `cache` None: there is none."""

    door: DoorTally = field(default_factory=DoorTally)
    cache: CacheSigns | None = None
    store: StoreSigns = field(default_factory=StoreSigns)
    upkeep: UpkeepSigns = field(default_factory=UpkeepSigns)

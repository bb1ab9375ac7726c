"""Everything that is measured of the authority at one instant. Metrics, alerts and pages all look at this value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from msc_authority.app.broker import Freshness
from msc_authority.app.clients import FleetEntry
from msc_authority.app.production import Production
from msc_authority.app.signals import SignalActivity
from msc_authority.core.overrides import Override
from msc_authority.core.policy import RiskMode
from msc_authority.ports.policies import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationTally:
    """Evaluations since this process started, by trigger. `last_failure` is empty when the newest one succeeded."""

    done: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    last_failure: str = ""
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalTally:
    """Rows that came in since this process started. `refused` is by code; `refused_recently` within five minutes."""

    accepted: int = 0
    duplicates: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    refused_recently: int = 0
    last_refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTally:
    """Policy reads of the last five minutes: those of the clients, as reported, and calls of GetPolicy.

    A client's read counts as failed when it fell back: it was answered in another tier than FRESH.
    """

    reads: int = 0
    failed: int = 0

    @property
    def failed_fraction(self) -> float | None:
        """Share of the failed ones; None: there were no reads."""
        return self.failed / self.reads if self.reads else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """One client compared with the head. Ages and spans are real seconds.

    `age_s` is the age of what it acts on by now, estimated from its last report; None: it never said.
    `behind_for_s` is how long it has been behind the head, `unsafe_for_s` how long it has reported a SAFE tier.
    """

    entry: FleetEntry
    versions_behind: int
    behind_for_s: float
    unsafe_for_s: float
    age_s: float | None
    report_age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeShares:
    """Seconds of the authority's clock spent in each mode since `since`; an instant without policy counts nowhere."""

    since: datetime
    seconds: Mapping[RiskMode, float]

    def fraction(self, mode: RiskMode) -> float | None:
        """Share of a mode; None: there was no policy in that time."""
        total = sum(self.seconds.values())
        return self.seconds.get(mode, 0.0) / total if total > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaView:
    """One of several authorities on the store. `alive`: it was heard of lately; `here`: it is the one that looks."""

    server_id: str
    address: str
    watchers: int
    started_at: datetime
    seen_ago_s: float
    alive: bool
    leads: bool
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """This authority among others on the store. `leader_address` empty: nobody leads, as far as is known.

    `changes` counts, since this process started, how often it began to lead and why it ceased to.
    """

    leading: bool = True
    term: int = 0
    leader_address: str = ""
    changes: Mapping[str, int] = field(default_factory=dict)
    sent_away: int = 0
    """Watchers that were asked to go to other replicas since this process started."""
    replicas: tuple[ReplicaView, ...] = ()
    lease_age_s: float | None = None
    """Since the store was last asked who leads, and said so; None: there is no lease, or it never did."""
    leaderless_s: float = 0.0
    """How long nobody has led, as far as is known here."""
    commits_fenced: int = 0
    """How often the store refused what this process wrote, because another had begun to lead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The authority at one instant.

    `at` is an instant of its clock (simulated time in a simulation), and so is everything that is a datetime.
    `monotonic` and everything in seconds that is not about policy history is real time.
    """

    at: datetime
    monotonic: float
    server_id: str
    started_at: datetime
    uptime_s: float
    head: Head
    freshness: Freshness
    policy_unavailable_s: float
    """How long there has been no policy that could be vouched for: none at all, none confirmed by the store, or none
    that is still valid. Counted from this process's start at the earliest."""
    risk_mode_since: datetime | None
    trading_state_since: datetime | None
    mode_changes: int
    """Changes of the risk mode since this process started."""
    mode_changes_last_hour: int
    mode_shares: ModeShares
    next_evaluation_in_s: float
    evaluation_overdue_s: float
    """How long ago the next evaluation should have succeeded; not above 0: it is not due. Counted from this process's
    start at the earliest."""
    evaluations: EvaluationTally
    journal: JournalTally
    signals: SignalActivity
    reads: ReadTally
    clients: tuple[ClientView, ...]
    watchers: int
    watch_ends: Mapping[str, int]
    """Watches that ended since this process started, by cause."""
    integrity_errors: int
    """Contradictions between the store and the head since this process started."""
    integrity_error: str = ""
    """The newest of them, in words, if it is of the last five minutes; empty: there was none."""
    overrides: tuple[Override, ...] = ()
    """What persons have put in force, the oldest first."""
    loop_lag_s: float
    loop_tasks: int | None = None
    """Tasks on the event loop; None: they were not counted yet."""
    draining: bool
    standing: Standing = Standing()
    production: Production = field(default_factory=Production)

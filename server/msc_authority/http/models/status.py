"""The authority at one glance."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from msc_authority.app.alerts.conditions import reporting_clients
from msc_authority.app.alerts.values import Alert, AlertState, Severity
from msc_authority.app.broker import Current, Freshness
from msc_authority.app.insight import Evaluations, Insight
from msc_authority.app.observation import ClientView, ModeShares, Observation, ReplicaView, Standing
from msc_authority.app.production import CacheSigns
from msc_authority.app.signals import SignalTally
from msc_authority.core.policy import RiskMode
from msc_authority.http.models.basics import Answer, Count, Instant, RefAnswer
from msc_authority.http.models.evaluations import EvaluationAnswer, FailureAnswer, HealthReport
from msc_authority.http.models.policies import PolicyAnswer

_MOVED_BY_TIME_ALONE = {"time", "freshness", "risk_mode_for_s", "mode_shares", "next_evaluation_in_s"}


class FreshnessAnswer(Answer):
    """How far the policy can be vouched for."""

    replica_age_s: Annotated[float, Field(description="Real seconds since the store last confirmed it.")]
    ttl_s: Annotated[
        float | None,
        Field(description="Real seconds it is still valid, also in a simulation; negative: over; null: no policy."),
    ]

    @classmethod
    def of(cls, freshness: Freshness) -> Self:
        """Returns the answer for a freshness."""
        return cls(replica_age_s=freshness.replica_age_s, ttl_s=freshness.ttl_s)


class SharesAnswer(Answer):
    """Share of the time in each mode. null: there was no policy in that time."""

    since: Instant
    defensive_fraction: float | None
    normal_fraction: float | None
    aggressive_fraction: float | None

    @classmethod
    def of(cls, shares: ModeShares) -> Self:
        """Returns the answer for the shares."""
        return cls(
            since=shares.since,
            defensive_fraction=shares.fraction(RiskMode.DEFENSIVE),
            normal_fraction=shares.fraction(RiskMode.NORMAL),
            aggressive_fraction=shares.fraction(RiskMode.AGGRESSIVE),
        )


class ClientCounts(Answer):
    """The fleet in numbers."""

    total: Annotated[Count, Field(description="Clients that watch, or reported within 90 s.")]
    by_tier: Annotated[dict[str, int], Field(description="Clients by how much they trust the policy they act on.")]
    behind: Annotated[Count, Field(description="Clients that act on an older policy than the newest.")]

    @classmethod
    def of(cls, views: Sequence[ClientView]) -> Self:
        """Returns the numbers of a fleet."""
        return cls(
            total=len(views),
            by_tier=dict(Counter(view.entry.status.tier.name for view in views)),
            behind=sum(view.versions_behind > 0 for view in views),
        )


class SignalCounts(Answer):
    """What executors did with entry signals in the last hour."""

    seen_last_hour: Count
    blocked_last_hour: Count
    blocked_fraction: Annotated[float | None, Field(description="Share of the blocked ones; null: no signals.")]
    blocked_by_reason: Annotated[dict[str, int], Field(description="Blocked ones of the last hour by reason.")]

    @classmethod
    def of(cls, tally: SignalTally) -> Self:
        """Returns the numbers of a tally."""
        by_reason: Counter[str] = Counter()
        for (_, reason), count in tally.blocked.items():
            by_reason[reason] += count
        return cls(
            seen_last_hour=tally.seen_total,
            blocked_last_hour=tally.blocked_total,
            blocked_fraction=tally.blocked_fraction,
            blocked_by_reason=dict(by_reason.most_common()),
        )


class AlertCounts(Answer):
    """The alerts in numbers."""

    firing: Count
    critical: Annotated[Count, Field(description="Those of the firing ones that are critical.")]

    @classmethod
    def of(cls, alerts: Sequence[Alert]) -> Self:
        """Returns the numbers of alerts."""
        firing = [alert for alert in alerts if alert.state is AlertState.FIRING]
        return cls(firing=len(firing), critical=sum(alert.severity is Severity.CRITICAL for alert in firing))


class ReplicaAnswer(Answer):
    """One of several authorities on the same database."""

    server_id: Annotated[str, Field(description="Names one start of it.")]
    address: Annotated[str, Field(description="Where it speaks gRPC, as host:port.")]
    watchers: Annotated[Count, Field(description="Watches open on it when it was last heard of.")]
    started_at: datetime
    alive: Annotated[bool, Field(description="It was heard of within the last seconds.")]
    leads: Annotated[bool, Field(description="It evaluates; at most one does.")]
    here: Annotated[bool, Field(description="It gives this answer.")]

    @classmethod
    def of(cls, view: ReplicaView) -> Self:
        """Returns the answer for a replica."""
        return cls(
            server_id=view.server_id,
            address=view.address,
            watchers=view.watchers,
            started_at=view.started_at,
            alive=view.alive,
            leads=view.leads,
            here=view.here,
        )


class LeaderAnswer(Answer):
    """Who evaluates."""

    here: Annotated[bool, Field(description="This authority does.")]
    address: Annotated[str | None, Field(description="Where the one that does speaks gRPC; null: nobody does.")]
    term: Annotated[Count, Field(description="Grows by one whenever another begins to.")]
    changes: Annotated[dict[str, int], Field(description="Changes seen from here since its start, by cause.")]
    commits_fenced: Annotated[
        Count, Field(description="Commits from here that the store refused because another had begun to lead.")
    ]

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """Returns the answer for a standing."""
        return cls(
            here=standing.leading,
            address=standing.leader_address or None,
            term=standing.term,
            changes=dict(standing.changes),
            commits_fenced=standing.commits_fenced,
        )


class CacheAnswer(Answer):
    """The cache beside the database."""

    usable: Annotated[bool, Field(description="It answers, and takes what is put there.")]
    fault: Annotated[str | None, Field(description="Why it is not usable; null: it is.")]
    source: Annotated[
        str, Field(description="What confirms the policy that is served: database, cache, or nobody (last known).")
    ]

    @classmethod
    def of(cls, signs: CacheSigns) -> Self:
        """Returns the answer for what is seen of it."""
        usable = signs.failing_for_s is None
        return cls(usable=usable, fault=None if usable else signs.fault, source=signs.source)


class VersionsAnswer(Answer):
    """What runs here."""

    msc: str
    python: str
    contract: Annotated[str, Field(description="Package of the gRPC contract.")]


class StatusAnswer(Answer):
    """The authority at one glance."""

    server_id: Annotated[str, Field(description="Names one start of the authority.")]
    time: Annotated[datetime, Field(description="Instant of the newest observation, at most about a second ago.")]
    policy: Annotated[PolicyAnswer | None, Field(description="The policy in force; null: there is none yet.")]
    head: RefAnswer
    freshness: FreshnessAnswer
    risk_mode_since: Instant | None
    risk_mode_for_s: Annotated[float | None, Field(description="Seconds in the present risk mode.")]
    trading_state_since: Instant | None
    mode_shares: SharesAnswer
    health: HealthReport | None
    next_evaluation_in_s: Annotated[float, Field(description="Seconds until the next scheduled evaluation.")]
    last_evaluation: EvaluationAnswer | None
    last_failure: Annotated[FailureAnswer | None, Field(description="The newest evaluation, if it failed.")]
    leader: LeaderAnswer
    replicas: Annotated[
        list[ReplicaAnswer], Field(description="The authorities on this database that were heard of, by address.")
    ]
    cache: Annotated[CacheAnswer | None, Field(description="The cache beside the database; null: there is none.")]
    watchers: Annotated[Count, Field(description="Watches open here.")]
    clients: ClientCounts
    signals: SignalCounts
    alerts: AlertCounts
    versions: VersionsAnswer
    store_unavailable: Annotated[
        bool,
        Field(
            description="The database did not answer, or refused: health, last_evaluation and last_failure are unknown."
        ),
    ]

    @classmethod
    def of(cls, insight: Insight, evaluations: Evaluations | None, versions: VersionsAnswer) -> Self:
        """Returns the answer as things are now. `evaluations` None: the store did not say."""
        seen, current = insight.observation, insight.current
        return cls.model_validate(
            _of_policy(current, seen)
            | _of_evaluations(evaluations)
            | {
                "server_id": seen.server_id,
                "time": seen.at,
                "freshness": FreshnessAnswer.of(insight.freshness()),
                "next_evaluation_in_s": insight.next_evaluation_in_s(),
                "mode_shares": SharesAnswer.of(seen.mode_shares),
                "leader": LeaderAnswer.of(seen.standing),
                "replicas": [ReplicaAnswer.of(view) for view in seen.standing.replicas],
                "cache": CacheAnswer.of(seen.production.cache) if seen.production.cache else None,
                "watchers": seen.watchers,
                "clients": ClientCounts.of([view for _, view in reporting_clients(seen)]),
                "signals": SignalCounts.of(seen.signals.last_hour),
                "alerts": AlertCounts.of(insight.alerts),
                "versions": versions,
            }
        )

    @property
    def etag(self) -> str:
        """Weak tag over everything but what time alone moves."""
        document = self.model_dump_json(exclude=_MOVED_BY_TIME_ALONE)
        return f'W/"{hashlib.sha256(document.encode()).hexdigest()[:32]}"'


def _of_policy(current: Current, seen: Observation) -> dict[str, object]:
    since = seen.risk_mode_since
    policy = current.head.policy
    return {
        "policy": PolicyAnswer.of(policy) if policy else None,
        "head": RefAnswer.of_head(current.head),
        "risk_mode_since": since,
        "risk_mode_for_s": (seen.at - since).total_seconds() if since else None,
        "trading_state_since": seen.trading_state_since,
    }


def _of_evaluations(evaluations: Evaluations | None) -> dict[str, object]:
    latest = evaluations.latest if evaluations else None
    failure = evaluations.failure if evaluations else None
    return {
        "health": HealthReport.of(latest.verdict) if latest and latest.verdict else None,
        "last_evaluation": EvaluationAnswer.of(latest) if latest else None,
        "last_failure": FailureAnswer.of(failure) if failure else None,
        "store_unavailable": evaluations is None,
    }

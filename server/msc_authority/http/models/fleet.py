"""Who follows the policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field

from msc_authority.app.clients import ClientCounters, FleetEntry
from msc_authority.app.events import ClientChanged
from msc_authority.app.fleet import versions_behind
from msc_authority.app.observation import ClientView
from msc_authority.http.models.basics import Answer, Count, Instant, PlainRef, RefAnswer
from msc_authority.ports.policies import Head

RoleName = Literal["EXECUTOR", "ORCHESTRATOR", "RISK_GUARD", "OTHER"]
TierName = Literal["UNSPECIFIED", "FRESH", "STALE", "SAFE_EXPIRED", "SAFE_NONE"]
ClientChangeName = Literal["joined", "left", "applied", "tier", "forgotten"]


class CountersAnswer(Answer):
    """Counters of a client since its start, as it reported them."""

    applied: Annotated[Count, Field(description="Policies applied.")]
    rejected: Annotated[Count, Field(description="Policies refused.")]
    reconnects: Count
    watchdog_timeouts: Annotated[Count, Field(description="Watches given up because they were silent.")]
    gaps: Annotated[Count, Field(description="Versions that were skipped.")]
    callback_errors: Count
    reads: Annotated[Count, Field(description="Reads of the policy by the program it lives in.")]
    fallback_reads: Annotated[Count, Field(description="Reads answered in another tier than FRESH.")]
    reconnect_causes: Annotated[dict[str, int], Field(description="Reconnects by cause.")]

    @classmethod
    def of(cls, counters: ClientCounters) -> Self:
        """Returns the answer for a client's counters."""
        return cls(
            applied=counters.applied,
            rejected=counters.rejected,
            reconnects=counters.reconnects,
            watchdog_timeouts=counters.watchdog_timeouts,
            gaps=counters.gaps,
            callback_errors=counters.callback_errors,
            reads=counters.reads,
            fallback_reads=counters.fallback_reads,
            reconnect_causes=dict(counters.reconnect_causes),
        )


class ClientAnswer(Answer):
    """One client process, and how it compares with the newest policy."""

    instance_id: Annotated[str, Field(description="Unique for one start of the process.")]
    name: str
    role: RoleName
    sdk: Annotated[str, Field(description="Library and version it uses.")]
    started_at: Instant | None
    tier: Annotated[TierName, Field(description="How much it trusts the policy it acts on.")]
    applied: Annotated[PlainRef | None, Field(description="The policy it acts on; null: none.")]
    age_s: Annotated[float | None, Field(description="Age of what it acts on, seconds; null: it never said.")]
    last_error: str
    counters: CountersAnswer
    reported_at: Annotated[datetime, Field(description="Instant of its last report.")]
    report_age_s: Annotated[float | None, Field(description="Age of that report, seconds; null in events.")]
    watching: Annotated[bool, Field(description="Whether it has a watch open here.")]
    versions_behind: Annotated[
        Count,
        Field(
            description="Versions between what it acts on and the newest; in an older epoch all and one for its change."
        ),
    ]
    behind_for_s: Annotated[float | None, Field(description="Seconds it has been behind; null in events.")]

    @classmethod
    def of(cls, view: ClientView) -> Self:
        """Returns the answer for a client that was compared with the head."""
        return cls.model_validate(
            _fields(view.entry)
            | {
                "age_s": view.age_s,
                "report_age_s": view.report_age_s,
                "versions_behind": view.versions_behind,
                "behind_for_s": view.behind_for_s,
            }
        )


class ClientEvent(ClientAnswer):
    """A client is not as it was."""

    change: ClientChangeName

    @classmethod
    def of_event(cls, event: ClientChanged, head: Head) -> Self:
        """Returns the answer for a change. How long things have been so was not measured at this instant."""
        behind = versions_behind(event.entry.status.applied, head.ref)
        return cls.model_validate(
            _fields(event.entry)
            | {
                "age_s": event.entry.status.age_s,
                "report_age_s": None,
                "versions_behind": behind,
                "behind_for_s": None,
                "change": event.change.value,
            }
        )


def _fields(entry: FleetEntry) -> dict[str, object]:
    client, status = entry.client, entry.status
    return {
        "instance_id": client.instance_id,
        "name": client.name,
        "role": client.role.name,
        "sdk": client.sdk,
        "started_at": client.started_at,
        "tier": status.tier.name,
        "applied": PlainRef.of(status.applied) if status.applied else None,
        "last_error": status.last_error,
        "counters": CountersAnswer.of(status.counters),
        "reported_at": entry.reported_at,
        "watching": entry.watches > 0,
    }


class ClientsAnswer(Answer):
    """The fleet, by role, then name."""

    head: RefAnswer
    clients: list[ClientAnswer]

    @classmethod
    def of(cls, head: Head, views: Sequence[ClientView]) -> Self:
        """Returns the answer for the fleet."""
        return cls(head=RefAnswer.of_head(head), clients=[ClientAnswer.of(view) for view in views])

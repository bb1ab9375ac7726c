"""Who follows the policy, those in trouble first; and what a person should look at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from msc_authority.app.alerts.conditions import ended_clients
from msc_authority.app.alerts.links import on_the_page
from msc_authority.app.alerts.values import Alert, AlertState, Severity
from msc_authority.app.clients import ClientTier
from msc_authority.app.observation import ClientView, Observation
from msc_authority.http.dashboard.policy_view import Instant, instant, name_of, steady
from msc_authority.http.dashboard.text import UNKNOWN, plural, words

CLIENTS_SHOWN = 60
ALERTS_SHOWN = 30
BEHIND_AFTER_S = 3.0
"""A client is not called behind while a publication is on its way."""
SILENT_AFTER_S = 60.0


class Standing(IntEnum):
    """How a client stands; a smaller number is worse."""

    BAD = 0
    DOUBTFUL = 1
    GOOD = 2
    ENDED = 3
    """It is gone: nobody waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRow:
    """One client. `age_since` and `reported` are instants in the server's monotonic seconds."""

    instance_id: str
    name: str
    role: str
    sdk: str
    applied: str
    tier: str
    standing: Standing
    remark: str
    age_since: float | None
    reported: float | None
    watching: bool
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """The clients, those in trouble first. `left_out` are in order or have ended, and are not shown."""

    rows: tuple[ClientRow, ...] = ()
    total: int = 0
    in_trouble: int = 0
    in_doubt: int = 0
    ended: int = 0
    left_out: int = 0
    watchers: int = 0
    head: str = ""


def fleet(seen: Observation, before: FleetView | None = None) -> FleetView:
    """Returns the clients as of now."""
    known = {row.instance_id: row for row in before.rows} if before else {}
    ended = ended_clients(seen.clients)
    rows = [_row(view, seen.monotonic, known.get(view.entry.client.instance_id), ended) for view in seen.clients]
    rows.sort(key=lambda row: (row.standing, row.role, row.name, row.instance_id))
    return FleetView(
        rows=tuple(rows[:CLIENTS_SHOWN]),
        total=len(rows),
        ended=len(ended),
        in_trouble=sum(row.standing is Standing.BAD for row in rows),
        in_doubt=sum(row.standing is Standing.DOUBTFUL for row in rows),
        left_out=max(0, len(rows) - CLIENTS_SHOWN),
        watchers=seen.watchers,
        head=name_of(seen.head.ref) if seen.head.policy else "",
    )


def _row(view: ClientView, now: float, before: ClientRow | None, ended: frozenset[str]) -> ClientRow:
    client, status = view.entry.client, view.entry.status
    standing, remark = (Standing.ENDED, "ended") if client.instance_id in ended else _judged(view)
    return ClientRow(
        instance_id=client.instance_id,
        name=client.name or client.instance_id,
        role=words(client.role),
        sdk=client.sdk,
        applied=name_of(status.applied) if status.applied else "none",
        tier=UNKNOWN if status.tier is ClientTier.UNSPECIFIED else status.tier,
        standing=standing,
        remark=remark,
        age_since=steady(None if view.age_s is None else now - view.age_s, before.age_since if before else None),
        reported=steady(now - view.report_age_s, before.reported if before else None),
        watching=view.entry.watches > 0,
        last_error=status.last_error,
    )


def _judged(view: ClientView) -> tuple[Standing, str]:
    tier = view.entry.status.tier
    if tier in (ClientTier.SAFE_EXPIRED, ClientTier.SAFE_NONE):
        return Standing.BAD, "safe: opens nothing"
    if view.versions_behind > 0 and view.behind_for_s > BEHIND_AFTER_S:
        return Standing.BAD, f"{plural(view.versions_behind, 'version')} behind"
    if view.report_age_s > SILENT_AFTER_S:
        return Standing.DOUBTFUL, "silent"
    if tier is ClientTier.STALE:
        return Standing.DOUBTFUL, "stale: reduces only"
    return (Standing.DOUBTFUL, "says nothing yet") if tier is ClientTier.UNSPECIFIED else (Standing.GOOD, "in step")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """One alert."""

    key: str
    code: str
    subject: str
    severity: str
    state: str
    title: str
    text: str
    advice: str
    link: str
    since: Instant

    @property
    def mark(self) -> str:
        """How grave it is, and that it does not fire yet; or that it is over."""
        if self.state == AlertState.RESOLVED:
            return self.state
        return self.severity if self.state == AlertState.FIRING else f"{self.severity}, {self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsView:
    """What fires, what is about to, and what was resolved lately. `left_out` are not shown."""

    rows: tuple[AlertRow, ...] = ()
    left_out: int = 0
    critical: int = 0
    warning: int = 0

    @property
    def announcement(self) -> str:
        """The sentence that screen readers are told when it changes."""
        firing = [row for row in self.rows if row.state == AlertState.FIRING]
        named = "; ".join(f"{row.severity}: {row.title}{f' ({row.subject})' if row.subject else ''}" for row in firing)
        return f"{plural(len(firing), 'alert')} firing. {named}" if firing else "No alert is firing."


def alerts(found: tuple[Alert, ...]) -> AlertsView:
    """Returns the alerts in the board's order."""
    firing = [alert for alert in found if alert.state is AlertState.FIRING]
    return AlertsView(
        rows=tuple(_alert(alert) for alert in found[:ALERTS_SHOWN]),
        left_out=max(0, len(found) - ALERTS_SHOWN),
        critical=sum(alert.severity is Severity.CRITICAL for alert in firing),
        warning=sum(alert.severity is Severity.WARNING for alert in firing),
    )


def _alert(alert: Alert) -> AlertRow:
    since = {
        AlertState.PENDING: alert.pending_since,
        AlertState.FIRING: alert.firing_since,
        AlertState.RESOLVED: alert.resolved_at,
    }[alert.state]
    return AlertRow(
        key=f"{alert.code}/{alert.subject}",
        code=alert.code,
        subject=alert.subject,
        severity=str(alert.severity),
        state=str(alert.state),
        title=alert.title,
        text=alert.text,
        advice=alert.advice,
        link=on_the_page(alert.anchor),
        since=instant(since or alert.pending_since),
    )

"""The whole page as one immutable value, built once for everybody who looks. What did not change is the same object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter

from msc_authority.app.modes import ModeSpan
from msc_authority.app.trace import EquityTrace
from msc_authority.http.dashboard.activity_view import Activity, activity
from msc_authority.http.dashboard.chart_view import Chart, chart
from msc_authority.http.dashboard.facts import Facts
from msc_authority.http.dashboard.fleet_view import AlertsView, FleetView, alerts, fleet
from msc_authority.http.dashboard.health_view import Health, SharesView, health, measured, mode_shares
from msc_authority.http.dashboard.override_view import Offers, OverridesView, offers, overrides
from msc_authority.http.dashboard.policy_view import (
    Headline,
    HistoryRow,
    LimitsView,
    Schedule,
    headline,
    history,
    limits_of,
    schedule,
)
from msc_authority.http.dashboard.strategy_view import Strategies, strategies
from msc_authority.http.dashboard.text import clock_time, iso

CHART_EVERY_S = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """When the values are from. `monotonic` is in the server's seconds, to which ages and countdowns relate."""

    at: str
    iso: str
    monotonic: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Charted:
    """What the chart was made of, and when, in the server's monotonic seconds."""

    trace: EquityTrace
    spans: tuple[ModeSpan, ...]
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The sections of the page. Each is sent only when it changed."""

    pulse: Pulse
    headline: Headline
    limits: LimitsView
    schedule: Schedule
    alerts: AlertsView
    overrides: OverridesView
    offers: Offers
    chart: Chart
    health: Health
    strategies: Strategies
    activity: Activity
    fleet: FleetView
    shares: SharesView
    history: tuple[HistoryRow, ...]
    measured: tuple[tuple[str, str], ...]
    drawdown_line_pct: float | None
    server: str
    charted: Charted


SECTIONS = (
    "pulse",
    "headline",
    "limits",
    "schedule",
    "alerts",
    "overrides",
    "offers",
    "chart",
    "health",
    "strategies",
    "activity",
    "fleet",
    "shares",
    "history",
    "measured",
    "drawdown_line_pct",
    "server",
)


def build(facts: Facts, before: View | None = None) -> View:
    """Returns the page as it is now; sections that are as in `before` are the very same objects."""
    seen, policy = facts.observation, facts.current.head.policy
    drawn, charted = _chart(facts, before)
    fresh = View(
        pulse=Pulse(at=clock_time(seen.at), iso=iso(seen.at), monotonic=round(seen.monotonic, 2)),
        headline=headline(facts, before.headline if before else None),
        limits=limits_of(policy.content if policy else None),
        schedule=schedule(facts, before.schedule if before else None),
        alerts=alerts(facts.alerts),
        overrides=overrides(facts),
        offers=offers(facts),
        chart=drawn,
        health=health(facts),
        strategies=strategies(facts),
        activity=activity(seen.signals),
        fleet=fleet(seen, before.fleet if before else None),
        shares=mode_shares(seen.mode_shares, seen.at),
        history=history(facts.kept.revisions),
        measured=measured(facts),
        server=seen.server_id,
        drawdown_line_pct=_drawdown_line(facts),
        charted=charted,
    )
    return _sharing(fresh, before) if before else fresh


def changed_sections(before: View | None, after: View) -> frozenset[str]:
    """Returns the names of the sections that are not the same objects."""
    return frozenset(name for name in SECTIONS if before is None or _get(name, before) is not _get(name, after))


def _get(name: str, view: View) -> object:
    return attrgetter(name)(view)


def _sharing(fresh: View, before: View) -> View:
    pairs = ((name, _get(name, before), _get(name, fresh)) for name in SECTIONS)
    kept: dict[str, object] = {name: old for name, old, new in pairs if old == new}
    with_kept: Callable[..., View] = replace
    return with_kept(fresh, **kept)


def _chart(facts: Facts, before: View | None) -> tuple[Chart, Charted]:
    seen = facts.observation
    charted = Charted(trace=facts.trace, spans=facts.spans, at=seen.monotonic)
    if before is not None and not _worth_drawing(charted, before.charted):
        return before.chart, before.charted
    return chart(facts.trace, facts.spans, seen.at), charted


def _worth_drawing(new: Charted, last: Charted) -> bool:
    # A change of the policy is drawn at once; equity moves all the time, and a chart is the heaviest section.
    if new.spans != last.spans:
        return True
    return new.trace is not last.trace and (new.at - last.at >= CHART_EVERY_S or not last.trace.points)


def _drawdown_line(facts: Facts) -> float | None:
    entry = facts.kept.evaluations.latest
    metrics = entry.verdict.metrics if entry is not None and entry.verdict is not None else ()
    return next((metric.threshold for metric in metrics if metric.name == "drawdown_pct"), None)

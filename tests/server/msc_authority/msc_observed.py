"""An authority as it is observed on a calm day: each value with overrides; and answers of one that stands still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msc_builders import START, at, changed
from msc_live import a_head

from msc_authority.app.acts import Act
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import Alert, AlertState, Severity
from msc_authority.app.broker import Current, Freshness
from msc_authority.app.clients import ClientInfo, ClientRole, ClientStatus, ClientTier, FleetEntry
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.events import EventBus, Listener
from msc_authority.app.insight import Evaluations
from msc_authority.app.modes import ModeSpan
from msc_authority.app.observation import (
    ClientView,
    EvaluationTally,
    JournalTally,
    ModeShares,
    Observation,
    ReadTally,
)
from msc_authority.app.operate import ActOutcome
from msc_authority.app.signals import SignalActivity
from msc_authority.app.trace import EquityTrace
from msc_authority.core.evaluation import StrategyRanking, SuppliedMetrics
from msc_authority.core.overrides import Override
from msc_authority.core.policy import PolicyRef, RiskMode
from msc_authority.ports.policies import Revision

OBSERVED_AT = at(10)


def an_observation(**overrides: object) -> Observation:
    """Ten minutes after START, with a policy in mode NORMAL from then and nobody there."""
    observation = Observation(
        at=OBSERVED_AT,
        monotonic=1600.0,
        server_id="authority-1",
        started_at=START,
        uptime_s=600.0,
        head=a_head(),
        freshness=Freshness(replica_age_s=0.4, ttl_s=3000.0),
        policy_unavailable_s=0.0,
        risk_mode_since=START,
        trading_state_since=START,
        mode_changes=1,
        mode_changes_last_hour=1,
        mode_shares=ModeShares(since=START - timedelta(days=30), seconds={RiskMode.NORMAL: 600.0}),
        next_evaluation_in_s=1200.0,
        evaluation_overdue_s=-1200.0,
        evaluations=EvaluationTally(done={"start": 1}),
        journal=JournalTally(),
        signals=SignalActivity(),
        reads=ReadTally(),
        clients=(),
        watchers=0,
        watch_ends={},
        integrity_errors=0,
        loop_lag_s=0.001,
        draining=False,
    )
    return changed(observation, overrides)


def a_client(name: str = "executor-1", instance_id: str = "", **status: object) -> ClientView:
    """An executor that watches and acts on the head, fresh."""
    entry = FleetEntry(
        client=ClientInfo(instance_id=instance_id or f"{name}-i", name=name, role=ClientRole.EXECUTOR),
        status=changed(ClientStatus(tier=ClientTier.FRESH, applied=PolicyRef(7, 1), age_s=0.5), status),
        reported_at=OBSERVED_AT,
        watches=1,
    )
    return ClientView(entry=entry, versions_behind=0, behind_for_s=0.0, unsafe_for_s=0.0, age_s=0.7, report_age_s=0.2)


def an_alert(code: str = "CLIENT_SAFE", **overrides: object) -> Alert:
    """A critical alert about a client, firing."""
    alert = Alert(
        code=code,
        subject="executor-1",
        severity=Severity.CRITICAL,
        state=AlertState.FIRING,
        title="A client acts on safe defaults",
        text="executor-1 acts on safe defaults (SAFE_NONE)",
        advice="Run `msc clients`.",
        anchor="alert-client-safe",
        value=4.0,
        pending_since=START,
        firing_since=at(1),
    )
    return changed(alert, overrides)


@dataclass
class StillInsight:
    """Answers that are set by hand. What is asked of a store comes from `latest`, or is `error`."""

    observation: Observation = field(default_factory=an_observation)
    alerts: tuple[Alert, ...] = ()
    links: Links = field(default_factory=lambda: Links("https://msc.example"))
    latest: Evaluations = field(default_factory=lambda: Evaluations(latest=None, failure=None))
    error: Exception | None = None
    events: EventBus = field(default_factory=EventBus)
    trace: EquityTrace = field(default_factory=EquityTrace)
    mode_spans: tuple[ModeSpan, ...] = ()
    overrides: tuple[Override, ...] = ()

    @property
    def current(self) -> Current:
        return Current(head=self.observation.head, changed_fields=(), confirmed_at=self.observation.monotonic)

    def freshness(self) -> Freshness:
        return self.observation.freshness

    def next_evaluation_in_s(self) -> float:
        return self.observation.next_evaluation_in_s

    async def evaluations(self) -> Evaluations:
        if self.error:
            raise self.error
        return self.latest

    async def history(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        return []

    async def strategies(self) -> tuple[list[StrategyRanking], datetime | None]:
        return [], None

    async def evaluate(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        raise AssertionError("nobody is to evaluate here")

    async def evaluated_behind_acts(self) -> EvaluationOutcome | None:
        return None

    async def preview(self, *, requested_by: str, reason: str) -> EvaluationOutcome:
        raise AssertionError("nobody is to evaluate here")

    async def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        raise AssertionError("nobody is to evaluate here")

    async def overrides_now(self) -> tuple[Override, ...]:
        return self.overrides

    async def act(self, act: Act, *, actor: str, reason: str, request_id: str) -> ActOutcome:
        raise AssertionError("nobody is to act here")

    async def preview_act(self, act: Act, *, actor: str, reason: str) -> ActOutcome:
        raise AssertionError("nobody is to act here")

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self.events.subscribe(listener)

"""Looks at everything that lives in the authority and says in one value how it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from msc_authority.app.broker import Broker, Freshness
from msc_authority.app.events import EvaluationBroken, EvaluationDone, Event, EventBus, IntegrityBroken, RiskModeChanged
from msc_authority.app.observation import (
    ClientView,
    EvaluationTally,
    JournalTally,
    ModeShares,
    Observation,
    ReadTally,
    Standing,
)
from msc_authority.app.production import Production
from msc_authority.app.signals import SignalActivity
from msc_authority.app.vitals import UNCONFIRMED_AFTER_S
from msc_authority.core.overrides import Override
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.clock import Clock
from msc_authority.ports.policies import Head

SHARES_OVER = timedelta(days=30)
HOUR = timedelta(hours=1)
INTEGRITY_SHOWN_FOR_S = 300.0


class Followers(Protocol):
    """Who follows the policy. See `msc_authority.app.fleet.Fleet`."""

    @property
    def watch_ends(self) -> Mapping[str, int]:
        """Watches that ended since the start, by cause."""
        ...

    def views(self, monotonic: float, head: PolicyRef) -> tuple[ClientView, ...]:
        """Returns the clients compared with the head."""
        ...

    def reads(self, monotonic: float) -> ReadTally:
        """Returns the policy reads of the last five minutes."""
        ...


class Signals(Protocol):
    """What executors did with signals. See `msc_authority.app.activity.Activity`."""

    def snapshot(self, now: datetime) -> SignalActivity:
        """Returns it as of `now`."""
        ...


class Rows(Protocol):
    """What came into the journal. See `msc_authority.app.journal_tally.RowCounter`."""

    def snapshot(self, monotonic: float) -> JournalTally:
        """Returns the counts as of the monotonic time."""
        ...


class Modes(Protocol):
    """What was in force when. See `msc_authority.app.modes.ModeTimeline`."""

    @property
    def risk_mode_since(self) -> datetime | None:
        """Since when the present risk mode has been in force; None: there is none."""
        ...

    @property
    def trading_state_since(self) -> datetime | None:
        """Since when the present trading state has been in force; None: there is none."""
        ...

    def shares(self, now: datetime, over: timedelta) -> ModeShares:
        """Returns the time in each mode over the last days."""
        ...

    def changes_within(self, now: datetime, span: timedelta) -> int:
        """Returns how often the risk mode changed in the time before `now`."""
        ...


class Persons(Protocol):
    """What persons have put in force. See `msc_authority.app.in_force.InForce`."""

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The overrides, the oldest first."""
        ...


class Schedule(Protocol):
    """When evaluations are due. See `msc_authority.app.scheduler.Scheduler`."""

    def next_in_s(self) -> float:
        """Returns the seconds until the next scheduled evaluation."""
        ...


class Pulse(Protocol):
    """How the process feels. See `msc_authority.app.vitals.Vitals`."""

    @property
    def loop_lag_s(self) -> float:
        """How late the event loop was at the last pulse."""
        ...

    @property
    def loop_tasks(self) -> int | None:
        """Tasks on the event loop at the last pulse; None: there was none yet."""
        ...


class Observer:
    """Makes observations on the authority's event loop, and counts what it hears of between them."""

    def __init__(
        self,
        *,
        broker: Broker,
        fleet: Followers,
        schedule: Schedule,
        pulse: Pulse,
        signals: Signals,
        rows: Rows,
        modes: Modes,
        in_force: Persons,
        events: EventBus,
        clock: Clock,
        server_id: str,
        period_s: float,
        speed: float = 1.0,
        standing: Callable[[], Standing] = Standing,
        production: Callable[[], Production] = Production,
    ) -> None:
        """Takes what it looks at, and makes the first observation.

        `period_s` is the real time between evaluations, `speed` how many seconds of the clock's instants pass in one.
        """
        self._broker, self._fleet, self._schedule, self._pulse = broker, fleet, schedule, pulse
        self._signals, self._rows, self._modes, self._in_force = signals, rows, modes, in_force
        self._clock, self._server_id, self._period_s, self._speed = clock, server_id, period_s, speed
        self._standing, self._production = standing, production
        self._started_at, self._began = clock.now(), clock.monotonic()
        self._without_policy_since: float | None = self._began
        self._heard = _Heard(clock)
        events.subscribe(self._heard)
        self._latest = self.observe()

    @property
    def latest(self) -> Observation:
        """The newest observation. May be read from any thread."""
        return self._latest

    def observe(self) -> Observation:
        """Returns how everything is now, and keeps it as the latest."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        head, freshness, heard = self._broker.current.head, self._broker.freshness(), self._heard
        uptime_s = monotonic - self._began
        self._latest = Observation(
            at=now,
            monotonic=monotonic,
            server_id=self._server_id,
            started_at=self._started_at,
            uptime_s=uptime_s,
            head=head,
            freshness=freshness,
            policy_unavailable_s=self._unavailable_s(head, freshness, monotonic),
            risk_mode_since=self._modes.risk_mode_since,
            trading_state_since=self._modes.trading_state_since,
            mode_changes=heard.mode_changes,
            mode_changes_last_hour=self._modes.changes_within(now, HOUR),
            mode_shares=self._modes.shares(now, SHARES_OVER),
            next_evaluation_in_s=self._schedule.next_in_s(),
            evaluation_overdue_s=overdue_s(self._unevaluated_s(head, now), self._period_s, uptime_s),
            evaluations=heard.evaluations(),
            journal=self._rows.snapshot(monotonic),
            signals=self._signals.snapshot(now),
            reads=self._fleet.reads(monotonic),
            clients=self._fleet.views(monotonic, head.ref),
            watchers=self._broker.watchers,
            watch_ends=self._fleet.watch_ends,
            integrity_errors=heard.integrity_errors,
            integrity_error=heard.integrity_error(monotonic),
            overrides=self._in_force.overrides,
            loop_lag_s=self._pulse.loop_lag_s,
            loop_tasks=self._pulse.loop_tasks,
            draining=self._broker.draining,
            standing=self._standing(),
            production=self._production(),
        )
        return self._latest

    def _unavailable_s(self, head: Head, freshness: Freshness, monotonic: float) -> float:
        if head.policy is not None:
            self._without_policy_since = None
            return unvouched_s(freshness, monotonic - self._began)
        if self._without_policy_since is None:
            self._without_policy_since = monotonic
        return monotonic - self._without_policy_since

    def _unevaluated_s(self, head: Head, now: datetime) -> float:
        # Where none has ever succeeded, silence is counted from the start.
        return (now - (head.evaluated_at or self._started_at)).total_seconds() / self._speed


class _Heard:
    """Counts events."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._done: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._last_failure = ""
        self._failing_since: datetime | None = None
        self._integrity: tuple[str, float] | None = None
        self.mode_changes = 0
        self.integrity_errors = 0

    def __call__(self, event: Event) -> None:
        match event:
            case EvaluationDone():
                self._done[event.entry.trigger] += 1
                self._last_failure, self._failing_since = "", None
            case EvaluationBroken():
                self._failed[event.trigger] += 1
                self._last_failure = event.text
                self._failing_since = self._failing_since or self._clock.now()
            case IntegrityBroken():
                self.integrity_errors += 1
                self._integrity = (event.text, self._clock.monotonic())
            case RiskModeChanged(before=before) if before is not None:
                self.mode_changes += 1
            case _:
                pass

    def evaluations(self) -> EvaluationTally:
        return EvaluationTally(
            done=dict(self._done),
            failed=dict(self._failed),
            last_failure=self._last_failure,
            failing_since=self._failing_since,
        )

    def integrity_error(self, monotonic: float) -> str:
        if self._integrity is None or monotonic - self._integrity[1] > INTEGRITY_SHOWN_FOR_S:
            return ""
        return self._integrity[0]


def unvouched_s(freshness: Freshness, uptime_s: float) -> float:
    """Returns how long a policy has been unconfirmed, or past its validity, in a process so old; 0: it is good."""
    unconfirmed_s = freshness.replica_age_s if freshness.replica_age_s > UNCONFIRMED_AFTER_S else 0.0
    expired_s = -freshness.ttl_s if freshness.ttl_s is not None else 0.0
    # What was so before this process started is not its failure: it has not had the time to mend it.
    return min(max(unconfirmed_s, expired_s, 0.0), uptime_s)


def overdue_s(unevaluated_s: float, period_s: float, uptime_s: float) -> float:
    """Returns how late an evaluation is when the last success is so long ago; not above 0: it is not due yet."""
    return min(unevaluated_s - period_s, uptime_s)

"""The live authority's answers, for threads and event loops other than its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Generic, Protocol, TypeVar

from msc_authority.app.acts import Act
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import Alert
from msc_authority.app.broker import Broker, Current, Draining, Freshness
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.events import EvaluationBroken, EvaluationDone, Event, EventBus, Listener, PolicyPublished
from msc_authority.app.insight import Evaluations
from msc_authority.app.modes import ModeSpan
from msc_authority.app.observation import Observation
from msc_authority.app.operate import ActOutcome
from msc_authority.app.scheduler import Scheduler
from msc_authority.app.trace import EquityTrace
from msc_authority.app.work import Worker
from msc_authority.core.evaluation import StrategyRanking, SuppliedMetrics
from msc_authority.core.overrides import Override
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationLog
from msc_authority.ports.policies import PolicyStore, Revision

_T = TypeVar("_T")

REMEMBERED_S = 1.0
"""How long what the store said of evaluations is told again. Another process may write; ours is heard of at once."""


class Observes(Protocol):
    """Has the newest observation. See `msc_authority.app.observer.Observer`."""

    @property
    def latest(self) -> Observation:
        """The newest observation."""
        ...


class HasAlerts(Protocol):
    """Has the alerts. See `msc_authority.app.alerts.board.Board`."""

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts, in their order."""
        ...


class HasTrace(Protocol):
    """Has the trace of equity. See `msc_authority.app.trace.EquityTracer`."""

    @property
    def trace(self) -> EquityTrace:
        """The newest trace."""
        ...


class HasSpans(Protocol):
    """Has what was in force when. See `msc_authority.app.modes.ModeTimeline`."""

    @property
    def spans(self) -> tuple[ModeSpan, ...]:
        """The spans, oldest first."""
        ...


class HasOverrides(Protocol):
    """Has the overrides. See `msc_authority.app.in_force.InForce`."""

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The overrides in force, the oldest first."""
        ...


class DoesActs(Protocol):
    """Does what persons say, on the authority's loop. See `msc_authority.app.operations.Operations`."""

    async def overrides(self) -> tuple[Override, ...]:
        """Returns those in force, as the store has them."""
        ...

    async def act(self, act: Act, *, actor: str, reason: str, request_id: str) -> ActOutcome:
        """Does it."""
        ...

    async def preview(self, act: Act, *, actor: str, reason: str) -> ActOutcome:
        """Says what it would come to."""
        ...


class LiveInsight:
    """Implements `msc_authority.app.insight.Insight`. Made on the authority's event loop, used from any thread."""

    def __init__(
        self,
        *,
        broker: Broker,
        scheduler: Scheduler,
        observer: Observes,
        board: HasAlerts,
        tracer: HasTrace,
        timeline: HasSpans,
        in_force: HasOverrides,
        operations: DoesActs,
        links: Links,
        policies: PolicyStore,
        log: EvaluationLog,
        worker: Worker,
        events: EventBus,
        clock: Clock,
    ) -> None:
        """Belongs to the running event loop. `worker` runs what is asked of the store."""
        self._loop = asyncio.get_running_loop()
        self._broker, self._scheduler, self._events = broker, scheduler, events
        self._operations = operations
        self._observer, self._board, self._tracer, self._timeline = observer, board, tracer, timeline
        self._in_force, self._links = in_force, links
        self._policies, self._worker = policies, worker
        self._evaluations = _Remembered(partial(_evaluations, log), worker, clock)
        self._strategies = _Remembered(log.strategies, worker, clock)
        events.subscribe(self._forget)

    @property
    def current(self) -> Current:
        """The head as it is served now."""
        return self._broker.current

    def freshness(self) -> Freshness:
        """How far the head can be vouched for now."""
        return self._broker.freshness()

    def next_evaluation_in_s(self) -> float:
        """Seconds until the next scheduled evaluation."""
        return self._scheduler.next_in_s()

    @property
    def observation(self) -> Observation:
        """The newest observation, at most about a second old."""
        return self._observer.latest

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Alerts: firing first, critical before warning, then pending, then resolved lately; newest first in each."""
        return self._board.alerts

    @property
    def links(self) -> Links:
        """Where alerts say that more is to be read."""
        return self._links

    @property
    def trace(self) -> EquityTrace:
        """Equity, drawdown and each strategy's result over the last days, at most a few seconds old."""
        return self._tracer.trace

    @property
    def mode_spans(self) -> tuple[ModeSpan, ...]:
        """What was in force over the same days, oldest first."""
        return self._timeline.spans

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What persons have put in force, the oldest first, at most a few seconds old."""
        return self._in_force.overrides

    async def evaluations(self) -> Evaluations:
        """The newest evaluations, as of at most a second ago. Raises StoreUnavailable."""
        return await self._evaluations.get()

    async def history(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        """Revisions older than `before` (None: from the newest), newest first. Raises StoreUnavailable."""
        return await self._worker.run(partial(self._policies.revisions, before, limit))

    async def strategies(self) -> tuple[list[StrategyRanking], datetime | None]:
        """The ranking of the newest evaluation and its instant. Raises StoreUnavailable."""
        return await self._strategies.get()

    async def evaluate(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        """Evaluates now and commits. Raises TooManyEvaluations, EvaluationFailed, StoreUnavailable, Draining."""
        return await self._there(
            partial(self._scheduler.evaluate, request_id=request_id, requested_by=requested_by, reason=reason)
        )

    async def evaluated_behind_acts(self) -> EvaluationOutcome | None:
        """Returns what the evaluation behind the newest act came to, once it is made; None: there was no act here.
        Raises as `evaluate` does.
        """
        return await self._there(self._scheduler.evaluated_soon)

    async def preview(self, *, requested_by: str, reason: str) -> EvaluationOutcome:
        """Says what an evaluation would decide now. Writes nothing. Raises StoreUnavailable, Draining."""
        return await self._there(partial(self._scheduler.preview, requested_by=requested_by, reason=reason))

    async def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        """Judges supplied metrics. Writes nothing. Raises InvalidMetric, StoreUnavailable, Draining."""
        return await self._there(partial(self._scheduler.what_if, supplied))

    async def overrides_now(self) -> tuple[Override, ...]:
        """What persons have put in force, as the store has it. Raises StateUnreadable, StoreUnavailable, Draining."""
        return await self._there(self._operations.overrides)

    async def act(self, act: Act, *, actor: str, reason: str, request_id: str) -> ActOutcome:
        """Does what a person says, at once. Raises ActRefused in its kinds, TooManyActs, StoreError, Draining."""
        return await self._there(partial(self._operations.act, act, actor=actor, reason=reason, request_id=request_id))

    async def preview_act(self, act: Act, *, actor: str, reason: str) -> ActOutcome:
        """Says what it would come to. Writes nothing. Raises as `act` does."""
        return await self._there(partial(self._operations.preview, act, actor=actor, reason=reason))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with every later event, on the authority's thread. Returns what ends that."""
        return self._events.subscribe(listener, patient=True)

    def _forget(self, event: Event) -> None:
        if isinstance(event, EvaluationDone | EvaluationBroken | PolicyPublished):
            self._evaluations.forget()
            self._strategies.forget()

    async def _there(self, call: Callable[[], Coroutine[None, None, _T]]) -> _T:
        if self._loop.is_closed():
            raise Draining("the authority has stopped")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self._loop))


def _evaluations(log: EvaluationLog) -> Evaluations:
    return Evaluations(latest=log.latest(), failure=log.latest_failure())


@dataclass(frozen=True, slots=True)
class _Kept(Generic[_T]):
    value: _T
    read_at: float
    generation: int


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception
    at: float


class _Remembered(Generic[_T]):
    """What the store said, told again for a moment: many who ask cost one read. Threads may share it.

    Who asks while it is being read gets what that led to, an error included: a store that takes its time to fail must
    not make a queue of those who wait for it.
    """

    def __init__(self, read: Callable[[], _T], worker: Worker, clock: Clock) -> None:
        self._read, self._worker, self._clock = read, worker, clock
        self._reading = threading.Lock()
        self._generation = 0
        self._kept: _Kept[_T] | None = None
        self._failed: _Failed | None = None

    def forget(self) -> None:
        # What is being read while this is called may be from before.
        self._generation += 1

    async def get(self) -> _T:
        asked_at, generation = self._clock.monotonic(), self._generation
        kept = self._fresh()
        return kept.value if kept else await self._worker.run(partial(self._read_once, asked_at, generation))

    def _fresh(self) -> _Kept[_T] | None:
        kept = self._kept
        if kept is None or kept.generation != self._generation:
            return None
        return kept if self._clock.monotonic() - kept.read_at < REMEMBERED_S else None

    def _read_once(self, asked_at: float, generation: int) -> _T:
        with self._reading:
            kept, failed = self._fresh(), self._failed
            if kept is not None:
                return kept.value
            if failed is not None and failed.at > asked_at:
                raise failed.error
            try:
                value = self._read()
            except Exception as error:
                self._failed = _Failed(error, self._clock.monotonic())
                raise
            self._kept, self._failed = _Kept(value, self._clock.monotonic(), generation), None
            return value

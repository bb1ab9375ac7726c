"""Evaluates at start, every period, and on demand. One evaluation at a time; a failed one changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

from msc_authority.app.broker import Broker
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.events import EvaluationBroken, EvaluationDone, EventBus
from msc_authority.app.rates import RateLimited
from msc_authority.app.timing import Timer, pause
from msc_authority.app.work import Worker
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.ports import Clock

MAX_WAITING = 16
"""Evaluations that may wait for their turn. More would only evaluate the same facts again."""


class TooManyEvaluations(RateLimited):
    """Enough evaluations are waiting already."""


class Evaluates(Protocol):
    """Makes evaluations; blocking. See `msc_authority.app.evaluate.Evaluator`."""

    def evaluate(
        self, *, trigger: str, request_id: str = "", requested_by: str = "", reason: str = ""
    ) -> EvaluationOutcome:
        """Evaluates and commits."""
        ...

    def preview(self, *, requested_by: str = "", reason: str = "") -> EvaluationOutcome:
        """Evaluates and writes nothing."""
        ...

    def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        """Judges supplied metrics and writes nothing."""
        ...


class Scheduler:
    """Runs evaluations on a thread and publishes what they lead to."""

    def __init__(
        self,
        *,
        evaluator: Evaluates,
        broker: Broker,
        events: EventBus,
        clock: Clock,
        timer: Timer,
        worker: Worker,
        previews: Worker,
        period_s: float,
    ) -> None:
        """`worker` has one thread, for evaluations that commit; `previews` runs those that write nothing."""
        self._evaluator, self._broker, self._events = evaluator, broker, events
        self._clock, self._timer, self._worker, self._previews = clock, timer, worker, previews
        self._period_s = period_s
        self._began = clock.monotonic()
        self._open: set[asyncio.Task[EvaluationOutcome]] = set()

    def next_in_s(self) -> float:
        """Returns the seconds until the next scheduled evaluation."""
        elapsed = self._clock.monotonic() - self._began
        return (math.floor(elapsed / self._period_s) + 1) * self._period_s - elapsed

    async def run(self) -> None:
        """Evaluates now and at every period from now on, until cancelled. Periods that were missed are not made up."""
        self._began = self._clock.monotonic()
        await self._attempt("start")
        while True:
            await pause(self._timer, self.next_in_s())
            await self._attempt("schedule")

    async def _attempt(self, trigger: str) -> None:
        # Told as an event where it happened; the schedule goes on.
        with contextlib.suppress(Exception):
            await self._evaluate(partial(self._evaluator.evaluate, trigger=trigger), trigger)

    def evaluate_soon(self, trigger: str) -> None:
        """Has an evaluation made as soon as it is its turn. What goes wrong is told as an event.

        Where enough are waiting already, one of those does: it sees what this one would.
        """
        if len(self._open) > MAX_WAITING:
            return
        task = asyncio.create_task(self._evaluate(partial(self._evaluator.evaluate, trigger=trigger), trigger))
        self._open.add(task)
        task.add_done_callback(self._closed)

    async def evaluate(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        """Evaluates now. Runs to its end even if the caller goes away.

        Raises:
            TooManyEvaluations: too many are waiting already.
            EvaluationFailed: it could not be made; the policy was kept.
            StoreUnavailable: the store cannot be reached.
        """
        if len(self._open) > MAX_WAITING:
            raise TooManyEvaluations(f"{MAX_WAITING} evaluations are waiting already")
        trigger = "request"
        call = partial(
            self._evaluator.evaluate, trigger=trigger, request_id=request_id, requested_by=requested_by, reason=reason
        )
        task = asyncio.create_task(self._evaluate(call, trigger))
        self._open.add(task)
        task.add_done_callback(self._closed)
        return await asyncio.shield(task)

    async def preview(self, *, requested_by: str, reason: str) -> EvaluationOutcome:
        """Says what an evaluation would decide now. Writes nothing."""
        return await self._previews.run(partial(self._evaluator.preview, requested_by=requested_by, reason=reason))

    async def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        """Says what the policy would be under the supplied metrics. Writes nothing."""
        return await self._previews.run(partial(self._evaluator.what_if, supplied))

    async def _evaluate(self, call: Callable[[], EvaluationOutcome], trigger: str) -> EvaluationOutcome:
        began_at, began = self._clock.now(), self._clock.monotonic()
        try:
            outcome = await self._worker.run(call)
        except Exception as error:
            self._events.emit(EvaluationBroken(trigger=trigger, text=str(error)))
            raise
        changed = tuple(change.field for change in outcome.changes)
        self._broker.publish(outcome.head, confirmed_at=began, changed_fields=changed)
        if outcome.entry.started_at >= began_at:
            self._events.emit(EvaluationDone(entry=outcome.entry))
        return outcome

    def _closed(self, task: asyncio.Task[EvaluationOutcome]) -> None:
        self._open.discard(task)
        if not task.cancelled():
            # The caller may be gone. What went wrong was told as an event.
            task.exception()

"""Evaluates a period after the last evaluation, and on demand, where this process leads. One evaluation at a time.

The last evaluation is that of the store, whoever made it: another leader neither adds nor skips one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Protocol

from msc_authority.app.broker import Broker
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.events import EvaluationBroken, EvaluationDone, EventBus
from msc_authority.app.leadership import Leads, NotLeader, SoleLeader
from msc_authority.app.rates import RateLimited
from msc_authority.app.timing import Timer
from msc_authority.app.work import Worker
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.ports.clock import Clock
from msc_authority.ports.store import Fenced, StoreUnavailable

FIRST_RETRY_S = 1.0
MAX_RETRY_S = 60.0
"""Pause behind an evaluation that the store was away for; longer each time that it fails again."""
LOOK_AGAIN_S = 1.0
"""How often it is looked whether the store is back."""
LONGEST_PAUSE_S = 10.0
"""How often it is looked whether something has become due: a restored database has no policy, and nobody says so."""
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


class HasItMade(Protocol):
    """Has another process evaluate. See `msc_authority.app.demands.Demands`."""

    def by_leader(self, *, request_id: str, requested_by: str, reason: str) -> Coroutine[None, None, EvaluationOutcome]:
        """Returns what the leader's evaluation led to."""
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
        speed: float = 1.0,
        leads: Leads | None = None,
        elsewhere: HasItMade | None = None,
    ) -> None:
        """`worker` has one thread, for evaluations that commit; `previews` runs those that write nothing.

        `period_s` is real time, and `speed` how many seconds of the clock's instants pass in a real one. `leads` None:
        this process does. `elsewhere` has evaluations made while it does not.
        """
        self._evaluator, self._broker, self._events = evaluator, broker, events
        self._clock, self._timer, self._worker, self._previews = clock, timer, worker, previews
        self._period_s, self._speed = period_s, speed
        self._leads, self._elsewhere = leads or SoleLeader(), elsewhere
        self._not_before = 0.0
        self._missed_at: float | None = None
        self._retry_s = FIRST_RETRY_S
        self._open: set[asyncio.Task[EvaluationOutcome]] = set()
        self._soon: asyncio.Task[EvaluationOutcome] | None = None
        self._newest_soon: asyncio.Task[EvaluationOutcome] | None = None
        self._behind_it = ""

    def next_in_s(self) -> float:
        """Returns the seconds until the next scheduled evaluation, here or wherever the leader is; 0: it is due."""
        evaluated_at = self._broker.current.head.evaluated_at
        waited_s = self._not_before - self._clock.monotonic() if self._leads.leading else 0.0
        if evaluated_at is None:
            return max(0.0, waited_s)
        since_s = (self._clock.now() - evaluated_at).total_seconds() / self._speed
        # Whatever was done to the clock, nobody waits longer than a period.
        return max(0.0, min(self._period_s, self._period_s - since_s), waited_s)

    async def run(self) -> None:
        """Evaluates whenever an evaluation is due and this process leads, until cancelled.

        One that is due when it begins to lead is made at once, and one that the store was away for when it is back;
        others that were missed are not made up for.
        """
        trigger = "start"
        while True:
            if not self._leads.leading:
                await self._leads.changes()
                self._not_before, self._missed_at, trigger = 0.0, None, "start"
            elif (due_in_s := self.next_in_s()) > 0:
                trigger = "schedule"
                await self._pause(min(due_in_s, LONGEST_PAUSE_S))
            elif self._store_is_away():
                await self._pause(LOOK_AGAIN_S)
            else:
                await self._attempt(trigger)

    async def _pause(self, delay_s: float) -> None:
        # Whoever ceases to lead and begins again has to look anew at what is due.
        change = asyncio.ensure_future(self._leads.changes())

        def over() -> None:
            change.cancel()

        cancel = self._timer.after(delay_s, over)
        try:
            # It listens from the next turn of the loop on: what changed until then, it would miss.
            await asyncio.sleep(0)
            if self._leads.leading:
                await asyncio.wait([change])
        finally:
            cancel()
            over()

    async def _attempt(self, trigger: str) -> None:
        # A failed one waits for the next period, too, unless it was the store that was away.
        self._not_before = self._clock.monotonic() + self._period_s
        self._missed_at = None
        # Told as an event where it happened; the schedule goes on.
        with contextlib.suppress(Exception):
            try:
                await self._evaluate(partial(self._evaluator.evaluate, trigger=trigger), trigger)
                self._retry_s = FIRST_RETRY_S
                # From here on it is the head that says when: also one that another lineage begins with.
                self._not_before = self._clock.monotonic() + min(MAX_RETRY_S, self._period_s)
            except StoreUnavailable:
                self._make_up()
                raise

    def _make_up(self) -> None:
        # By the next period the policy would be at its end.
        self._missed_at = self._clock.monotonic()
        self._not_before = self._missed_at + min(self._retry_s, self._period_s)
        self._retry_s = min(MAX_RETRY_S, self._retry_s * 2)

    def _store_is_away(self) -> bool:
        return self._missed_at is not None and self._broker.current.confirmed_at <= self._missed_at

    def evaluate_soon(self, trigger: str) -> None:
        """Has an evaluation made as soon as it is its turn. What goes wrong is told as an event.

        While one is under way, wherever it is made, one behind it does for all that are asked for meanwhile: it sees
        what each of them would. Many that wait for a new leader would keep it from what else it is asked for.
        """
        if self._soon is not None:
            self._behind_it = trigger
            return
        self._behind_it = ""
        if not self._leads.leading and self._elsewhere is not None:
            call = self._elsewhere.by_leader(request_id="", requested_by="", reason=trigger)
        else:
            call = self._evaluate(partial(self._evaluator.evaluate, trigger=trigger), trigger)
        self._soon = self._newest_soon = asyncio.create_task(call)
        self._soon.add_done_callback(self._soon_made)

    def _soon_made(self, task: asyncio.Task[EvaluationOutcome]) -> None:
        self._soon = None
        if task.cancelled():
            return
        # What went wrong was told as an event.
        task.exception()
        if self._behind_it:
            self.evaluate_soon(self._behind_it)

    async def evaluated_soon(self) -> EvaluationOutcome | None:
        """Returns what the evaluation behind everything that had one made soon came to, once it is made; None: nothing
        had. Raises as `evaluate` does.
        """
        if self._soon is not None and self._behind_it:
            await asyncio.wait([self._soon])
        return None if self._newest_soon is None else await asyncio.shield(self._newest_soon)

    async def evaluate(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        """Evaluates now, or has the leader do it. Runs to its end even if the caller goes away.

        Raises:
            TooManyEvaluations: too many are waiting already.
            EvaluationFailed: it could not be made; the policy was kept.
            NotLeader: this process does not lead, and the leader did not answer.
            StoreUnavailable: the store cannot be reached.
        """
        if not self._leads.leading and self._elsewhere is not None:
            return await self._elsewhere.by_leader(request_id=request_id, requested_by=requested_by, reason=reason)
        return await self.evaluate_here(request_id=request_id, requested_by=requested_by, reason=reason)

    async def evaluate_here(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        """Evaluates now, in this process.

        Raises:
            TooManyEvaluations: too many are waiting already.
            EvaluationFailed: it could not be made; the policy was kept.
            NotLeader: this process does not lead.
            StoreUnavailable: the store cannot be reached.
        """
        if len(self._open) > MAX_WAITING:
            raise TooManyEvaluations(f"{MAX_WAITING} evaluations are waiting already")
        trigger = "request"
        call = partial(
            self._evaluator.evaluate, trigger=trigger, request_id=request_id, requested_by=requested_by, reason=reason
        )
        task = asyncio.create_task(self._evaluate(call, trigger))
        self._keep(task)
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
        except Fenced as error:
            self._leads.fenced(error.term)
            raise NotLeader(self._leads.leader_address) from error
        except NotLeader:
            # It ceased to lead just now. Nothing was begun, so nothing failed.
            raise
        except Exception as error:
            self._events.emit(EvaluationBroken(trigger=trigger, text=str(error)))
            raise
        changed = tuple(change.field for change in outcome.changes)
        self._broker.publish(outcome.head, confirmed_at=began, changed_fields=changed)
        if outcome.entry.started_at >= began_at:
            self._events.emit(EvaluationDone(entry=outcome.entry))
        return outcome

    def _keep(self, task: asyncio.Task[EvaluationOutcome]) -> None:
        self._open.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[EvaluationOutcome]) -> None:
        self._open.discard(task)
        if not task.cancelled():
            # The caller may be gone. What went wrong was told as an event.
            task.exception()

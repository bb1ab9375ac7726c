"""Evaluations that callers of any replica ask for are made by the leader: the request travels through the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from msc_authority.app.evaluate import REQUEST_MEMORY, EvaluationFailed, EvaluationOutcome
from msc_authority.app.leadership import Leads, NotLeader
from msc_authority.app.rates import RateLimited
from msc_authority.app.timing import Timer, pause
from msc_authority.app.work import Worker
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationEntry, EvaluationLog
from msc_authority.ports.policies import Head
from msc_authority.ports.replicas import EvaluationRequest, EvaluationRequests
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)

WAIT_S = 25.0
"""How long a caller waits for the leader: longer than it takes until there is another one."""
LOOK_S = 0.2
"""Time between two looks for what the leader made of a request."""
SERVE_S = 0.5
"""Time between two looks of the leader for requests."""
FORGET_S = 2 * WAIT_S
"""Requests that wait so long are nobody's any more."""


class MakesEvaluations(Protocol):
    """Evaluates in this process. See `msc_authority.app.scheduler.Scheduler`."""

    async def evaluate_here(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        """Evaluates now, and commits."""
        ...


class Demands:
    """Passes requests on to the leader, and answers with what it made of them."""

    def __init__(
        self,
        *,
        requests: EvaluationRequests,
        log: EvaluationLog,
        leads: Leads,
        clock: Clock,
        timer: Timer,
        worker: Worker,
        new_id: Callable[[], str],
        confirmed_head: Callable[[], Awaitable[Head]],
    ) -> None:
        """`worker` asks the store. `confirmed_head` returns the head as the store has it by then."""
        self._requests, self._log, self._leads = requests, log, leads
        self._clock, self._timer, self._worker = clock, timer, worker
        self._new_id, self._confirmed_head = new_id, confirmed_head
        self._asking = 0
        self._ending = False
        self._nobody_asks = asyncio.Event()
        self._nobody_asks.set()

    async def by_leader(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        """Returns what the leader's evaluation led to, or what one of the same request id did earlier.

        Raises:
            EvaluationFailed: the leader could not make it; the policy was kept.
            NotLeader: the leader did not make it in time, or there is none, or this process stops.
            StoreUnavailable: the store cannot be reached.
        """
        if self._ending:
            raise NotLeader(self._leads.leader_address)
        self._asking += 1
        self._nobody_asks.clear()
        try:
            return await self._asked(request_id=request_id, requested_by=requested_by, reason=reason)
        finally:
            self._asking -= 1
            if not self._asking:
                self._nobody_asks.set()

    async def end(self) -> None:
        """Has those who wait for the leader told to ask elsewhere; returns when they are. Takes on nothing more."""
        self._ending = True
        await self._nobody_asks.wait()

    async def _asked(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        request = EvaluationRequest(request_id=request_id or self._new_id(), requested_by=requested_by, reason=reason)
        known = await self._entry_of(request)
        if known is not None and not known.failure:
            return await self._outcome(known)
        await self._worker.run(partial(self._requests.ask, request))
        try:
            entry = await self._made(request, known.sequence if known else 0)
        finally:
            await self._worker.run(partial(self._requests.forget, request.request_id))
        return await self._outcome(entry)

    async def _made(self, request: EvaluationRequest, after: int) -> EvaluationEntry:
        deadline = self._clock.monotonic() + WAIT_S
        while self._clock.monotonic() < deadline:
            await pause(self._timer, LOOK_S)
            entry = await self._entry_of(request)
            if entry is not None and entry.sequence > after:
                return entry
            if self._ending:
                # Somebody else may serve the caller, and this process has no time.
                raise NotLeader(self._leads.leader_address)
        leader = self._leads.leader_address or "nobody, as far as is known here"
        _log.warning("No leader made the evaluation %s within %.0f s; leading: %s", request.request_id, WAIT_S, leader)
        raise NotLeader(self._leads.leader_address)

    async def _entry_of(self, request: EvaluationRequest) -> EvaluationEntry | None:
        since = self._clock.now() - REQUEST_MEMORY
        return await self._worker.run(partial(self._log.by_request, request.request_id, since))

    async def _outcome(self, entry: EvaluationEntry) -> EvaluationOutcome:
        if entry.failure or entry.verdict is None:
            raise EvaluationFailed(f"evaluation {entry.evaluation_id} failed: {entry.failure}")
        # Who asked is to find here what came of it.
        head = await self._confirmed_head()
        return EvaluationOutcome(entry=entry, candidate=entry.verdict.candidate, changes=entry.changes, head=head)

    async def serve(self, evaluations: MakesEvaluations, *, others: Callable[[], bool]) -> None:
        """Makes what other replicas were asked for, whenever this one leads and there are `others`, until cancelled."""
        while True:
            await pause(self._timer, SERVE_S)
            # One that begins to lead makes what it was itself asked for before.
            if self._leads.leading and (self._asking or others()):
                await self.serve_once(evaluations)

    async def serve_once(self, evaluations: MakesEvaluations) -> None:
        """Makes what waits now, one after another. What cannot be made at the moment waits on."""
        try:
            waiting = await self._worker.run(partial(self._requests.waiting, FORGET_S))
            for request in waiting:
                await self._serve(evaluations, request)
        except (StoreError, NotLeader, RateLimited) as error:
            _log.debug("Requests of other replicas wait on: %s", error)

    async def _serve(self, evaluations: MakesEvaluations, request: EvaluationRequest) -> None:
        try:
            await evaluations.evaluate_here(
                request_id=request.request_id, requested_by=request.requested_by, reason=request.reason
            )
        except EvaluationFailed as error:
            # Told as an event where it happened, and the one who asked finds it in the log.
            _log.debug("What another replica was asked for failed: %s", error)
        await self._worker.run(partial(self._requests.forget, request.request_id))

"""Has acts done on threads, publishes what they lead to at once, and has an evaluation follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from msc_authority.app.access import Identity, Kind, caller
from msc_authority.app.acts import Act, Resume
from msc_authority.app.broker import Broker
from msc_authority.app.events import EventBus, OperatorActed
from msc_authority.app.operate import ActOutcome, Operator
from msc_authority.app.patience import PATIENCE_S, Patience
from msc_authority.app.work import Worker
from msc_authority.core.overrides import Override
from msc_authority.ports.clock import Clock
from msc_authority.ports.operator import Credential

MAX_WAITING = 64
"""Acts that may be under way at once."""


_KINDS = {
    Kind.TOKEN: "token",
    Kind.CERTIFICATE: "certificate",
    Kind.ANONYMOUS_LOOPBACK: "loopback",
    Kind.ANONYMOUS_REMOTE: "none",
}


class TooManyActs(Exception):
    """Enough acts are under way already."""


def actor_of(note: str) -> str:
    """Returns who asks, as the door knows it; what they say of themselves stands in parentheses behind that."""
    identity = caller()
    name = identity.name if identity is not None else "unknown"
    return f"{name} ({note})" if note and note != name else name


def credential_of(identity: Identity | None) -> Credential | None:
    """Returns what the audit log says of how somebody was known; None: nobody outside acts."""
    if identity is None:
        return None
    return Credential(kind="console session" if identity.session else _KINDS[identity.kind], id=identity.credential)


class Follows(Protocol):
    """Has evaluations made. See `msc_authority.app.scheduler.Scheduler`."""

    def evaluate_soon(self, trigger: str) -> None:
        """Has one made as soon as it is its turn."""
        ...


class Operations:
    """The way to the operator, on the authority's event loop."""

    def __init__(
        self,
        *,
        operator: Operator,
        broker: Broker,
        schedule: Follows,
        events: EventBus,
        clock: Clock,
        worker: Worker,
        folds: Worker,
    ) -> None:
        """`worker` does acts; `folds` those that may fold a journal for seconds, so that a halt never waits for one."""
        self._operator, self._broker, self._schedule, self._events = operator, broker, schedule, events
        self._clock, self._worker, self._folds = clock, worker, folds
        self._open: set[asyncio.Task[ActOutcome]] = set()

    async def act(
        self, act: Act, *, actor: str, reason: str, request_id: str = "", patience_s: float = PATIENCE_S
    ) -> ActOutcome:
        """Does it, and serves what it leads to. What tightens runs to its end even if the caller goes away.

        What may loosen something is refused as CallerGone once the caller has gone or `patience_s` are over, unless its
        commit has begun by then.

        Raises:
            ActRefused: it cannot be done; its kinds say why.
            TooManyActs: too many are under way.
            StoreError: the store did not do it.
        """
        if len(self._open) >= MAX_WAITING:
            raise TooManyActs(f"{MAX_WAITING} acts are under way already")
        # As the door has it, which every task of a caller knows: no caller says by what it is known.
        credential = credential_of(caller())
        patience = Patience(self._clock, patience_s)
        call = partial(self._operator.act, act, actor, reason, request_id, credential, patience)
        task = asyncio.create_task(self._done(call, self._worker_for(act)))
        self._open.add(task)
        task.add_done_callback(self._closed)
        try:
            return await asyncio.shield(task)
        finally:
            # Only a caller who goes away comes here before the act is over.
            patience.gone()

    async def preview(self, act: Act, *, actor: str, reason: str) -> ActOutcome:
        """Says what it would come to. Writes nothing. Raises as `act` does."""
        return await self._worker_for(act).run(partial(self._operator.preview, act, actor, reason))

    async def overrides(self) -> tuple[Override, ...]:
        """Returns those in force, as the store has them. Raises StoreError, StateUnreadable."""
        return await self._worker.run(self._operator.overrides)

    async def expire(self) -> None:
        """Ends what is over. Raises StoreError, StateUnreadable."""
        began = self._clock.monotonic()
        outcome = await self._worker.run(self._operator.expire)
        if outcome is not None:
            self._publish(outcome, began)
            self._schedule.evaluate_soon("expiry")

    def _worker_for(self, act: Act) -> Worker:
        return self._folds if isinstance(act, Resume) else self._worker

    async def _done(self, call: Callable[[], ActOutcome], worker: Worker) -> ActOutcome:
        began = self._clock.monotonic()
        outcome = await worker.run(call)
        # One that was done before, under the same request id, is no news.
        if outcome.before is not None:
            self._publish(outcome, began)
            self._schedule.evaluate_soon("operator")
        return outcome

    def _publish(self, outcome: ActOutcome, began: float) -> None:
        changed = tuple(change.field for change in outcome.entry.changes)
        self._broker.publish(outcome.head, confirmed_at=began, changed_fields=changed)
        self._events.emit(OperatorActed(entry=outcome.entry))

    def _closed(self, task: asyncio.Task[ActOutcome]) -> None:
        self._open.discard(task)
        if not task.cancelled():
            # The caller may be gone; what was refused has changed nothing.
            task.exception()

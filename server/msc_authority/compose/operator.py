"""Composes what persons do: the operator, the way to it, and what ends overrides on time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msc_authority.app.in_force import InForce
from msc_authority.app.operate import Operator
from msc_authority.app.operations import Operations
from msc_authority.app.work import Worker
from msc_authority.compose.parts import valid_for_s

if TYPE_CHECKING:
    from msc_authority.app.broker import Broker
    from msc_authority.app.events import EventBus
    from msc_authority.app.scheduler import Scheduler
    from msc_authority.compose.parts import Machine, Stores
    from msc_authority.settings import Settings


class Operating:
    """What persons do. `keep` runs beside the server."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        machine: Machine,
        *,
        broker: Broker,
        schedule: Scheduler,
        events: EventBus,
    ) -> None:
        # Threads of its own: a halt waits for no caller, no evaluation, and for nobody's resume.
        self._worker = Worker(threads=2, name="operate")
        self._folds = Worker(threads=1, name="resume")
        operator = Operator(
            store=stores.evaluations,
            policies=stores.policies,
            journal=stores.journal,
            log=stores.acts,
            clock=machine.clock,
            config=settings.decision,
            valid_for_s=valid_for_s(settings),
            new_id=machine.new_id,
        )
        self.operations = Operations(
            operator=operator,
            broker=broker,
            schedule=schedule,
            events=events,
            clock=machine.clock,
            worker=self._worker,
            folds=self._folds,
        )
        self.in_force = InForce(
            store=stores.evaluations,
            worker=self._worker,
            clock=machine.clock,
            timer=machine.timer,
            events=events,
            speed=machine.speed,
        )

    async def keep(self) -> None:
        """Keeps up with the overrides, and ends each on time, for good."""
        await self.in_force.run(self.operations.expire)

    def close(self) -> None:
        """Waits for acts that have begun."""
        self._worker.close()
        self._folds.close()

"""Composes what looks after the store while an authority runs on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from msc_authority.adapters import heap
from msc_authority.app.retention import KeepDays, Pruner
from msc_authority.app.timing import Timer, pause
from msc_authority.app.upkeep import AGAIN_AFTER_S, Upkeep
from msc_authority.app.work import Worker

if TYPE_CHECKING:
    from msc_authority.adapters.sql import SqlStore
    from msc_authority.compose.parts import Machine
    from msc_authority.settings import Settings

_log = logging.getLogger(__name__)

GIVE_BACK_EVERY_S = 60.0


def keep_days(settings: Settings) -> KeepDays:
    """For how long things are kept, as configured."""
    return KeepDays(
        executions=settings.keep_executions_days,
        trades=settings.keep_trades_days,
        equity=settings.keep_equity_days,
        evaluations=settings.keep_evaluations_days,
    )


@asynccontextmanager
async def kept_up(
    settings: Settings, store: SqlStore, machine: Machine, leading: Callable[[], bool]
) -> AsyncIterator[Upkeep]:
    """Looks after the store inside the block, while `leading` says so."""
    worker, stopping = Worker(threads=1, name="upkeep"), threading.Event()
    pruner = Pruner(
        journal=store.journal,
        evaluations=store.evaluations,
        retention=store.retention,
        clock=machine.clock,
        config=settings.decision,
        keep=keep_days(settings),
        stopping=stopping.is_set,
    )
    upkeep = Upkeep(
        pruner=pruner,
        audit=store.audit,
        clock=machine.clock,
        timer=machine.timer,
        worker=worker,
        leading=leading,
        stopping=stopping.is_set,
    )

    async def living() -> None:
        while True:
            try:
                await upkeep.run()
            except Exception:
                _log.critical("The upkeep failed and is started again", exc_info=True)
                await pause(machine.timer, AGAIN_AFTER_S)

    tasks = (
        asyncio.create_task(living(), name="upkeep"),
        asyncio.create_task(upkeep.follow_backups(), name="backups"),
        asyncio.create_task(giving_back(machine.timer, worker, heap.giver()), name="giving back"),
    )
    try:
        yield upkeep
    finally:
        stopping.set()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        worker.close()


async def giving_back(timer: Timer, worker: Worker, give: Callable[[], bool] | None) -> None:
    """Gives freed memory back each minute, until cancelled; `give` None: there is nothing to do."""
    while give is not None:
        await pause(timer, GIVE_BACK_EVERY_S)
        # On a thread: it may take some milliseconds, without the lock of the interpreter.
        await worker.run(give)

"""What is done again and again, by the executor's clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from msc_trading.executor.comparing import Comparer
from msc_trading.executor.parts import Parts
from msc_trading.executor.symbol_worker import SymbolWorker
from msc_trading.executor.upkeep import AccountKeeper, DeadMan, RestingEntries
from msc_trading.venue.port import RateLimited, VenueError

_LOG = logging.getLogger("msc_trading.executor")


class Rounds:
    """Looks after what nobody else wakes up for. A round that the venue does not answer is made again."""

    def __init__(self, parts: Parts, *, comparer: Comparer, workers: Mapping[str, SymbolWorker]) -> None:
        self._parts = parts
        self._comparer = comparer
        self._workers = workers
        self._keeper = AccountKeeper(parts)
        self._resting = RestingEntries(parts)
        self._dead_man = DeadMan(parts, self._resting)
        self._troubles: dict[str, str] = {}
        self._judging = asyncio.Lock()

    async def settle(self) -> None:
        """Finds out what became of orders without an answer."""
        while True:
            await self._parts.clock.sleep(self._parts.config.settle_every_s)
            was_certain = self._comparer.is_certain
            pause_s = await self._try("orders without an answer", self._parts.orders.settle)
            if not was_certain and self._comparer.is_certain:
                self._wake_all()
            await self._parts.clock.sleep(pause_s) if pause_s else None

    async def read_account(self) -> None:
        """Reads the account when it is due."""
        while True:
            pause_s = await self._try("the account", self._read_account_if_due)
            await self._parts.clock.sleep(max(pause_s, self._parts.config.tick_s))

    async def tick(self) -> None:
        """Looks after the rest."""
        while True:
            await self._parts.clock.sleep(self._parts.config.tick_s)
            self._parts.recorder.retry()
            await self.judge_resting()
            await self._try("the dead-man switch", self._dead_man.renew)
            for symbol, worker in self._workers.items():
                if worker.needs_care():
                    worker.poke()
                elif worker.is_at_rest:
                    await self._parts.books.checkpoint(symbol)
            self._comparer.check_positions()

    async def judge_resting(self) -> None:
        """Judges entries at rest by the policy of now."""
        if not self._comparer.compared:
            return
        async with self._judging:
            await self._try("entries at rest", self._judge_resting)

    async def _judge_resting(self) -> None:
        if self._resting.resting():
            await self._resting.judge(await self._parts.venue.now())

    async def _read_account_if_due(self) -> None:
        # Before the first comparison nothing is known of the day yet.
        if self._comparer.compared and self._keeper.is_due(await self._parts.venue.now()):
            await self._keeper.read()
            for symbol in self._workers:
                self._parts.settle_filled(symbol)

    async def _try(self, what: str, job: Callable[[], Awaitable[None]]) -> float:
        """Does a job, and returns how long the venue then wants quiet. A trouble is said once."""
        try:
            await job()
        except (VenueError, ValueError) as error:
            if self._troubles.get(what) != str(error):
                self._troubles[what] = str(error)
                _LOG.warning("%s: %s; tried again", what, error)
            return error.retry_after_s if isinstance(error, RateLimited) else 0.0
        if self._troubles.pop(what, None) is not None:
            _LOG.info("%s: answered again", what)
        return 0.0

    def _wake_all(self) -> None:
        for worker in self._workers.values():
            worker.wake()

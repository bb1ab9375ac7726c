"""The executor: signals in, orders out, everything in between decided by the policy of now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msc_client.view import PolicyView
from msc_trading.executor.account import AccountView
from msc_trading.executor.blocks import Block, BlockReason, Blocks
from msc_trading.executor.book import Trip
from msc_trading.executor.books import Books
from msc_trading.executor.comparing import Comparer
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.ids import Purpose
from msc_trading.executor.judgement import malformed
from msc_trading.executor.listening import Listener
from msc_trading.executor.orders import Orders
from msc_trading.executor.parts import Parts
from msc_trading.executor.ports import FundingSource, Guard, Planner, Policies
from msc_trading.executor.recorder import Journal, Recorder
from msc_trading.executor.records import OrderRecord, Stage
from msc_trading.executor.rounds import Rounds
from msc_trading.executor.shadow import ShadowBook
from msc_trading.executor.state_file import StateFile
from msc_trading.executor.symbol_worker import Readiness, SymbolWorker
from msc_trading.executor.timing import ExecutorClock, LoopClock
from msc_trading.guard.facts import KillState
from msc_trading.signals import Signal
from msc_trading.venue.port import Venue, VenueError

_CANCEL_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorStatus:
    """How an executor stands, for display. `blocks` counts by (strategy, reason) since the start."""

    ready: bool
    epoch: int
    waiting_signals: int
    waiting_facts: int
    undecided_orders: tuple[str, ...]
    positions: Mapping[str, Trip]
    blocks: Mapping[tuple[str, str], int]


class Executor:
    """Trades one account's symbols on signals, within the policy, the orchestrator's plan and the guard's limits.

    To be made inside a running event loop, and run once. The venue, the policy source, the guard and the journal are
    the host's: opened before, closed after. The host also tells the orchestrator of the market.
    """

    def __init__(
        self,
        *,
        venue: Venue,
        guard: Guard,
        orchestrator: Planner,
        policies: Policies,
        journal: Journal,
        config: ExecutorConfig,
        clock: ExecutorClock | None = None,
        funding: FundingSource | None = None,
    ) -> None:
        """Opens the state file, and takes up what an earlier life left there.

        Raises:
            StateUnusable: the file cannot be trusted, or another executor has it.
        """
        clock = clock or LoopClock()
        state = StateFile(config.state_file, now=clock.now(), keep_orders_s=config.keep_orders_s)
        recorder = Recorder(journal, flush_timeout_s=config.flush_timeout_s)
        account = AccountView(clock)
        self._parts = parts = Parts(
            config=config,
            clock=clock,
            venue=venue,
            guard=guard,
            planner=orchestrator,
            policies=policies,
            state=state,
            recorder=recorder,
            account=account,
            blocks=Blocks(config, epoch=state.epoch, record=recorder.record),
            books=Books(config=config, state=state, recorder=recorder, changed=self._on_books),
            orders=Orders(
                config=config,
                clock=clock,
                venue=venue,
                guard=guard,
                state=state,
                recorder=recorder,
                changed=self._on_order,
            ),
        )
        shadow = ShadowBook(config=config, state=state, recorder=recorder, account=account)
        self._comparer = Comparer(parts, done=self._on_compared)
        readiness = Readiness(compared=lambda: self._comparer.compared, ready=lambda: self._comparer.is_certain)
        self._workers = {
            symbol: SymbolWorker(symbol, parts, shadow=shadow, funding=funding, readiness=readiness)
            for symbol in config.symbols
        }
        self._listener = Listener(parts, comparer=self._comparer, shadow=shadow, poke=self._poke)
        self._rounds = Rounds(parts, comparer=self._comparer, workers=self._workers)
        self._policy_moved = asyncio.Event()

    @property
    def kill(self) -> KillState:
        """What a person has stopped here. To be set by the host; it holds from the next decision on."""
        return self._parts.kill

    @kill.setter
    def kill(self, state: KillState) -> None:
        self._parts.kill = state

    @property
    def locks(self) -> Mapping[str, datetime | None]:
        """Symbols that may not be entered, each until an instant (None: until lifted). To be set by the host."""
        return self._parts.locks

    @locks.setter
    def locks(self, locks: Mapping[str, datetime | None]) -> None:
        self._parts.locks = dict(locks)

    def status(self) -> ExecutorStatus:
        """Returns how it stands."""
        parts = self._parts
        return ExecutorStatus(
            ready=self._comparer.is_certain,
            epoch=parts.state.epoch,
            waiting_signals=sum(worker.waiting for worker in self._workers.values()),
            waiting_facts=parts.recorder.waiting,
            undecided_orders=tuple(r.client_order_id for r in parts.orders.open() if r.stage.is_undecided),
            positions=dict(parts.books.trips()),
            blocks=dict(parts.blocks.counts),
        )

    async def run(self, signals: AsyncIterator[Signal]) -> None:
        """Trades until the signals end and all that came is worked off. Positions stay, with their stops at the venue.

        Raises:
            ExceptionGroup: something went wrong that is not the venue's doing; make a new executor on the same file.
        """
        loop = asyncio.get_running_loop()
        end_subscription = self._parts.policies.subscribe(lambda view: self._on_policy(loop, view))
        jobs = [*self._jobs(), ("signals", self._serve(signals))]
        tasks = [asyncio.create_task(job, name=name) for name, job in jobs]
        try:
            # Only the signals come to an end by themselves.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(tasks)
            end_subscription()
            self.close()
        errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
        if errors:
            raise BaseExceptionGroup("the executor failed", errors)

    async def _serve(self, signals: AsyncIterator[Signal]) -> None:
        async for signal in signals:
            await self.offer(signal)
        await self._work_off()

    async def _work_off(self) -> None:
        """Returns once no signal waits, and no order is undecided: an entry is not left without its stop."""
        while True:
            for worker in self._workers.values():
                await worker.work_off()
            if all(record.may_stay for record in self._parts.orders.open()):
                break
            await self._parts.clock.sleep(self._parts.config.settle_every_s)
        for symbol in self._workers:
            await self._parts.books.checkpoint(symbol)

    def close(self) -> None:
        """Lets the state file go. `run` does so at its end; twice is fine."""
        self._parts.state.close()

    def _jobs(self) -> list[tuple[str, Coroutine[None, None, None]]]:
        return [
            ("user stream", self._listener.listen()),
            ("user events", self._listener.work_off()),
            ("prices", self._listener.follow_prices()),
            ("comparing", self._comparer.run()),
            ("settling", self._rounds.settle()),
            ("account", self._rounds.read_account()),
            ("tick", self._rounds.tick()),
            ("policy", self._follow_policy()),
            *((f"symbol {symbol}", worker.run()) for symbol, worker in self._workers.items()),
        ]

    async def offer(self, signal: Signal) -> None:
        """Takes in one signal. It is judged when its turn comes."""
        block = malformed(signal)
        worker = None if block is not None else self._workers.get(signal.symbol)
        if worker is not None:
            worker.offer(signal)
            return
        text = f"{signal.symbol} is not one of this executor's symbols"
        block = block or Block(reason=BlockReason.SYMBOL_NOT_SERVED, text=text)
        self._parts.blocks.note(signal, block, at=await self._venue_now(), view=self._parts.read_policy())

    async def _venue_now(self) -> datetime:
        try:
            return await self._parts.venue.now()
        except VenueError:
            return self._parts.clock.now()

    async def _follow_policy(self) -> None:
        """Says a new policy as soon as it comes, and judges what rests by it; what waits is judged at its turn."""
        while True:
            await self._policy_moved.wait()
            self._policy_moved.clear()
            self._parts.read_policy()
            await self._rounds.judge_resting()

    def _on_policy(self, loop: asyncio.AbstractEventLoop, _: PolicyView) -> None:
        # Sources call from a thread of their own.
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._policy_moved.set)

    def _on_order(self, record: OrderRecord) -> None:
        if record.purpose is Purpose.ENTRY and record.stage is Stage.ENDED and record.filled > 0:
            self._parts.unsettled[record.client_order_id] = record.symbol
        worker = self._workers.get(record.symbol)
        if worker is None:
            return
        if record.filled > 0 and record.purpose is not Purpose.STOP:
            worker.expect_fills(record)
        worker.poke()

    def _on_books(self, symbol: str) -> None:
        if self._parts.books.has_gap(symbol):
            self._comparer.doubt(f"a fill in {symbol} is missing")
        self._poke(symbol)

    def _on_compared(self) -> None:
        for worker in self._workers.values():
            worker.poke()

    def _poke(self, symbol: str) -> None:
        worker = self._workers.get(symbol)
        if worker is not None:
            worker.poke()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels until all have ended: a library below may lose a cancellation that meets a message."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)

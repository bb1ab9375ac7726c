"""An executor with everything around it: a scripted venue, the real guard and orchestrator, a policy set by hand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import ParamSpec, TypeVar

from executor_time import ManualTime
from scripted_venue import Killed, ScriptedVenue

from msc_client.facts import ClosedTrade, Direction, EquityPoint, Execution, Fact
from msc_client.journal import SpoolFull
from msc_client.policy import Policy
from msc_client.testing import StaticPolicySource, make_policy
from msc_trading.executor import Executor, ExecutorConfig
from msc_trading.executor.ports import FundingSource
from msc_trading.guard import GuardConfig, RiskGuard
from msc_trading.orchestrator import MarketState, Orchestrator, Regime, SymbolState, Volatility
from msc_trading.signals import Signal, SignalKind

P = ParamSpec("P")
T = TypeVar("T")
DEADLINE_TURNS = 4000


class InlineThreads(ThreadPoolExecutor):
    """Does at once what is handed to a thread, so that nothing depends on the machine's schedule."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # as a thread would
            done.set_exception(error)
        return done


class TimedSource(StaticPolicySource):
    """A policy source on the test's clock."""

    def __init__(self, policy: Policy | None, time: ManualTime) -> None:
        super().__init__(policy)
        self._time = time

    def now_ns(self) -> int:
        return round(self._time.monotonic() * 1_000_000_000)


class ListJournal:
    """A journal in memory. `full` and `durable` say what it does; `on_write` may do more."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.full = False
        self.durable = True
        self.on_write: Callable[[Fact], None] = lambda fact: None

    def write(self, fact: Fact) -> int:
        if self.full:
            raise SpoolFull("no more may wait")
        self.on_write(fact)
        self.facts.append(fact)
        return len(self.facts)

    def flush(self, timeout_s: float) -> bool:
        return self.durable

    @property
    def executions(self) -> list[Execution]:
        return [fact for fact in self.facts if isinstance(fact, Execution)]

    @property
    def fills(self) -> dict[str, Execution]:
        """Each fill once, as the authority keeps them: repeated facts must be equal."""
        kept: dict[str, Execution] = {}
        for fact in self.executions:
            if fact.status in ("FILLED", "PARTIALLY_FILLED"):
                assert kept.setdefault(fact.event_id, fact) == fact, "the same id with other content"
        return kept

    @property
    def trades(self) -> dict[str, ClosedTrade]:
        kept: dict[str, ClosedTrade] = {}
        for fact in self.facts:
            if isinstance(fact, ClosedTrade):
                assert kept.setdefault(fact.trade_id, fact) == fact, "the same id with other content"
        return kept

    @property
    def equity(self) -> list[EquityPoint]:
        return [fact for fact in self.facts if isinstance(fact, EquityPoint)]

    def blocked(self) -> list[Execution]:
        return [fact for fact in self.executions if fact.status == "BLOCKED"]


class World:
    """Starts executors one after the other on the same venue, state file and journal."""

    def __init__(self, folder: Path, *, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")) -> None:
        asyncio.get_running_loop().set_default_executor(InlineThreads(1))
        self.time = ManualTime()
        self.venue = ScriptedVenue(self.time)
        self.policies = TimedSource(make_policy(), self.time)
        self.journal = ListJournal()
        self.guard_config = GuardConfig(max_order_notional=Decimal(1_000_000))
        self.config = ExecutorConfig(
            account_id="acct", executor_id="ex-1", symbols=symbols, state_file=folder / "state.jsonl"
        )
        self.funding: FundingSource | None = None
        self._starts = itertools.count(1)
        self._signals: asyncio.Queue[Signal | None] = asyncio.Queue()
        self._numbers = itertools.count(1)

    def start(self) -> None:
        """A new process: new guard, new orchestrator, new executor."""
        self.guard = RiskGuard(
            account_id="acct",
            config=self.guard_config,
            policies=self.policies,
            instance_id=f"g{next(self._starts)}",
        )
        self.orchestrator = Orchestrator(self.policies)
        self.observe()
        self.executor = Executor(
            venue=self.venue,
            guard=self.guard,
            orchestrator=self.orchestrator,
            policies=self.policies,
            journal=self.journal,
            config=self.config,
            clock=self.time,
            funding=self.funding,
        )
        self._signals = asyncio.Queue()
        self.task = asyncio.create_task(self.executor.run(self._stream(self._signals)))

    def observe(self, volatility: Volatility = Volatility.NORMAL) -> None:
        """What the host tells the orchestrator of the market."""
        symbols = {symbol: SymbolState(cost_fraction=0.001) for symbol in self.config.symbols}
        self.orchestrator.observe(market=MarketState(regime=Regime.RANGE, volatility=volatility, symbols=symbols))

    async def ready(self) -> None:
        """Starts, and waits until entries may go on."""
        self.start()
        await self.until(lambda: self.executor.status().ready)

    async def _stream(self, queue: asyncio.Queue[Signal | None]) -> AsyncIterator[Signal]:
        while (signal := await queue.get()) is not None:
            yield signal

    def send(self, signal: Signal) -> Signal:
        self._signals.put_nowait(signal)
        return signal

    async def finish(self) -> None:
        """Ends the signals, and waits for the executor to end."""
        self._signals.put_nowait(None)
        await self.until(self.task.done)
        await self.task

    async def until(self, condition: Callable[[], bool], *, step_s: float = 0.05) -> None:
        """Lets time pass in small steps until the condition holds."""
        for _ in range(DEADLINE_TURNS):
            for _ in range(25):
                await asyncio.sleep(0)
            if condition():
                return
            if self.task.done() and not self.task.cancelled():
                error = self.task.exception()
                if error is not None:
                    raise AssertionError("the executor ended") from error
            self.time.advance(step_s)
        raise AssertionError(f"it never came to that; {self._standing()}")

    def _standing(self) -> str:
        status = self.executor.status()
        held = {symbol: str(trip.signed_quantity) for symbol, trip in status.positions.items()}
        return f"ready={status.ready} waiting={status.waiting_signals} held={held} blocks={status.blocks}"

    async def quiet(self, seconds: float = 1.0) -> None:
        """Lets so much time pass."""
        end = self.time.monotonic() + seconds
        await self.until(lambda: self.time.monotonic() >= end)

    async def died(self) -> None:
        """Waits until the executor was killed."""
        for _ in range(DEADLINE_TURNS):
            for _ in range(25):
                await asyncio.sleep(0)
            if self.task.done():
                assert _is_killed(self.task.exception())
                return
            self.time.advance(0.05)
        raise AssertionError("it lives on")

    async def stop(self) -> None:
        """Ends the executor as an operator would, without waiting for anything."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def entry(
        self,
        *,
        strategy_id: str = "TREND_001",
        symbol: str = "BTCUSDT",
        direction: Direction = Direction.LONG,
        confidence: float | None = 0.8,
        stop: Decimal | int | str | None = "default",
        signal_id: str | None = None,
        at: datetime | None = None,
    ) -> Signal:
        price = self.venue.mark[symbol]
        distance = price * Decimal("0.02")
        usual = price - distance if direction is Direction.LONG else price + distance
        return Signal(
            signal_id=signal_id or f"sig-{next(self._numbers)}",
            strategy_id=strategy_id,
            symbol=symbol,
            direction=direction,
            kind=SignalKind.ENTRY,
            confidence=confidence,
            reference_price=price,
            stop_price=usual if stop == "default" else None if stop is None else Decimal(stop),
            at=at or self.time.now(),
        )

    def exit(self, entry: Signal, *, signal_id: str | None = None) -> Signal:
        return replace(
            entry,
            signal_id=signal_id or f"sig-{next(self._numbers)}",
            kind=SignalKind.EXIT,
            confidence=None,
            stop_price=None,
            at=self.time.now(),
        )

    def blocks(self, reason: str) -> int:
        """How often something was blocked for this reason."""
        return sum(n for (_, why), n in self.executor.status().blocks.items() if why == reason)

    async def opened(self, **fields: object) -> Signal:
        """Enters, and waits until the position is protected."""
        signal = self.send(self.entry(**fields))  # type: ignore[arg-type]  # passed through
        await self.until(lambda: any(stop.symbol == signal.symbol for stop in self.venue.stops.values()))
        await self.until(lambda: signal.symbol in self.executor.status().positions)
        return signal

    def check_equal_to_venue(self) -> None:
        """Positions, journal and counters are what the venue says."""
        held = {symbol: quantity for symbol, (quantity, _) in self.venue.held.items()}
        trips = self.executor.status().positions
        assert {symbol: trip.signed_quantity for symbol, trip in trips.items()} == held
        told = {(fact.symbol, fact.event_id.rsplit(":", 1)[1]): fact for fact in self.journal.fills.values()}
        assert {(fill.symbol, fill.trade_id) for fill in self.venue.trades} == set(told)
        for fill in self.venue.trades:
            fact = told[fill.symbol, fill.trade_id]
            assert (fact.quantity, fact.price, fact.side) == (fill.quantity, fill.price, fill.side)
            assert (fact.fee, fact.realized_pnl) == (fill.fee, fill.realized_pnl)


def _is_killed(error: BaseException | None) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_killed(inner) for inner in error.exceptions)
    return isinstance(error, Killed)


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Runs a test's coroutine in a loop of its own."""
    asyncio.run(test())

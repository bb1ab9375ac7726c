"""One executor of the fleet, in a process of its own: eight strategies on one symbol, under the authority's policy."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from collections.abc import AsyncIterator

from msc_client import JournalWriter, PolicySource, Role
from msc_client.facts import Execution, Fact
from msc_loop.child import end_with_parent, hear, log_to_shared, log_to_stderr, tell
from msc_loop.market_watch import MarketWatch
from msc_loop.pace import client_config, executor_config, guard_config, pace_at, venue_config
from msc_loop.plan import ACCOUNT, Addresses, LoopPlan
from msc_loop.share import ShareOfDay
from msc_loop.signal_source import Progress, SignalSource
from msc_loop.simulated_venue import SimulatedVenue
from msc_loop.watched_journal import WatchedJournal
from msc_trading.executor import Executor, ExecutorStatus
from msc_trading.guard import LatchFile, RiskGuard
from msc_trading.market import Candle
from msc_trading.orchestrator import Orchestrator
from msc_trading.paper.config import PaperConfig
from msc_trading.strategies import strategy_set
from msc_trading.venue.credentials import Credentials

TELL_EVERY_S = 0.5
DELIVERY_S = 15.0
"""Longest wait for the journal to reach the authority at the end."""
CHATTY = {"msc_trading.venue": logging.WARNING, "websockets": logging.WARNING, "asyncio": logging.WARNING}


def executor_id_of(symbol: str) -> str:
    """Returns the name of the executor of a symbol."""
    return f"executor-{symbol}"


class Host:
    """Everything around one executor: opened before it, closed after it."""

    def __init__(self, plan: LoopPlan, symbol: str, *, life: int) -> None:
        """Feeds the strategies with what is known before the start; connects to nobody. `life` counts its starts."""
        self._plan, self._symbol, self._id, self._life = plan, symbol, executor_id_of(symbol), life
        self._folder = plan.home / "executors" / symbol
        self._folder.mkdir(parents=True, exist_ok=True)
        self._watch = MarketWatch(symbol)
        self._progress = Progress(self._folder / "candle")
        self._heard_until = self._progress.read()
        self._orchestrator: Orchestrator | None = None
        self._stop = asyncio.Event()
        self._source = SignalSource(
            strategy_set(), plan.feed(symbol), heard_until=self._heard_until, on_candle=self._on_candle
        )
        self._source.warm_up(plan.origin if self._heard_until is None else self._heard_until)

    async def run(self, addresses: Addresses) -> None:
        """Trades until this process is told to stop; what is written then reaches the authority."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        config = client_config(self._plan.speed)
        source = PolicySource(
            addresses.target, role=Role.EXECUTOR, name=self._id, config=config, state_dir=self._folder / "policy"
        )
        with source, JournalWriter(addresses.target, spool_dir=self._folder / "spool", name=self._id) as journal:
            await self._trade(source, journal, addresses)
            drained = await asyncio.to_thread(journal.drain, DELIVERY_S)
            tell("ended", undelivered=0 if drained else journal.status().pending, refused=journal.status().refused)

    async def _trade(self, source: PolicySource, journal: JournalWriter, addresses: Addresses) -> None:
        plan, pace = self._plan, pace_at(self._plan.speed)
        policies = ShareOfDay(source, executors=len(plan.symbols))
        config = executor_config(
            pace,
            executor_id=self._id,
            symbol=self._symbol,
            state_file=self._folder / "state",
            first=self._symbol == plan.symbols[0],
        )
        latches = LatchFile(self._folder / "latches.json")
        guard = RiskGuard(
            account_id=ACCOUNT,
            config=guard_config(pace, plan.balance),
            policies=policies,
            instance_id=f"{self._id}-{self._life}",
            latched=latches.read(),
            on_latch=latches.write,
        )
        self._orchestrator = Orchestrator(policies)
        self._orchestrator.observe(market=self._watch.state())
        key = PaperConfig().keys[0]
        credentials = Credentials(key.key, key.secret)
        async with SimulatedVenue(venue_config(plan.speed, addresses), credentials) as venue:
            executor = Executor(
                venue=venue,
                guard=guard,
                orchestrator=self._orchestrator,
                policies=policies,
                journal=WatchedJournal(journal, _show),
                config=config,
            )
            telling = asyncio.create_task(_keep_telling(executor, source, journal))
            try:
                await executor.run(self._source.signals(self._until_stopped(venue.candles((self._symbol,)))))
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
            _tell_status(executor.status(), source, journal)

    def _on_candle(self, candle: Candle) -> None:
        self._watch.take(candle)
        if self._orchestrator is not None:
            self._orchestrator.observe(market=self._watch.state())
            self._progress.write(candle.open_time)

    async def _until_stopped(self, candles: AsyncIterator[Candle]) -> AsyncIterator[Candle]:
        stopped = asyncio.create_task(self._stop.wait())
        try:
            while not self._stop.is_set():
                coming = asyncio.ensure_future(anext(candles))
                await asyncio.wait({coming, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
                    return
                yield coming.result()
        finally:
            stopped.cancel()


def _show(fact: Fact) -> None:
    if isinstance(fact, Execution) and fact.status == "BLOCKED":
        tell("block", at=fact.at, strategy=fact.strategy_id, symbol=fact.symbol, reason=fact.reason)


async def _keep_telling(executor: Executor, source: PolicySource, journal: JournalWriter) -> None:
    while True:
        _tell_status(executor.status(), source, journal)
        await asyncio.sleep(TELL_EVERY_S)


def _tell_status(status: ExecutorStatus, source: PolicySource, journal: JournalWriter) -> None:
    view = source.current()
    tell(
        "status",
        ready=status.ready,
        tier=view.tier.name,
        version=0 if view.ref is None else view.ref.version,
        waiting_signals=status.waiting_signals,
        waiting_facts=status.waiting_facts + journal.status().pending,
        positions={
            symbol: {"strategy": trip.strategy_id, "direction": trip.direction, "quantity": trip.open_quantity}
            for symbol, trip in status.positions.items()
        },
        blocks={f"{strategy} {reason}": count for (strategy, reason), count in status.blocks.items()},
    )


def main() -> None:
    """Trades one symbol of the plan that the parent sends, once it sends the addresses, until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m msc_loop.executor_process", description=main.__doc__)
    parser.add_argument("symbol")
    parser.add_argument("life", type=int)
    given = parser.parse_args()
    log_to_stderr(CHATTY)
    plan = LoopPlan.from_json(hear())
    log_to_shared(plan.log, given.symbol)
    host = Host(plan, given.symbol, life=given.life)
    tell("loaded")
    addresses = Addresses.from_json(hear())
    end_with_parent()
    asyncio.run(host.run(addresses))


if __name__ == "__main__":
    main()

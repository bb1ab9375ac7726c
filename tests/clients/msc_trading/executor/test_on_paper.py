"""The executor over the unmodified python-binance on the paper exchange, with the exchange's own faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import wraps
from pathlib import Path

import pytest
from executor_world import ListJournal

from msc_client.facts import Direction
from msc_client.policy import TradingState
from msc_client.testing import StaticPolicySource, make_policy
from msc_trading.executor import Executor, ExecutorConfig, Purpose, order_id
from msc_trading.guard import GuardConfig, RiskGuard
from msc_trading.market.candle import Candle
from msc_trading.orchestrator import MarketState, Orchestrator, Regime, SymbolState, Volatility
from msc_trading.paper.config import PaperConfig
from msc_trading.paper.exchange import PaperExchange
from msc_trading.paper.http.faults import ArmedEventFault, ArmedRequestFault, EventFault, RequestFault
from msc_trading.signals import Signal, SignalKind
from msc_trading.venue.binance import BinanceVenue
from msc_trading.venue.config import VenueConfig, VenueEnvironment
from msc_trading.venue.credentials import Credentials

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
DEADLINE_S = 20.0
SYMBOL = "BTCUSDT"
SPEED = 60.0


def in_loop(test: Callable[[Path], Coroutine[None, None, None]]) -> Callable[[Path], None]:
    @wraps(test)
    def run(tmp_path: Path) -> None:
        asyncio.run(test(tmp_path))

    return run


def bars() -> list[Candle]:
    price = Decimal(50_000)
    return [
        Candle(
            symbol=SYMBOL,
            open_time=NOON + timedelta(minutes=minute),
            open=price,
            high=price + 10,
            low=price - 10,
            close=price,
            volume=Decimal(100),
        )
        for minute in range(600)
    ]


class Desk:
    """An executor on the paper exchange, and what a test needs around it."""

    def __init__(self, exchange: PaperExchange, venue: BinanceVenue, folder: Path) -> None:
        self.exchange = exchange
        self.venue = venue
        self.journal = ListJournal()
        self.policies = StaticPolicySource(make_policy())
        self._config = ExecutorConfig(
            account_id="acct",
            executor_id="ex-1",
            max_order_notional=Decimal(100_000),
            symbols=(SYMBOL,),
            state_file=folder / "state",
            # What has to wait for the venue is allowed to wait a moment only: the test waits with it.
            recv_window_s=0.2,
            absent_margin_s=0.1,
            absent_gap_s=0.05,
            settle_every_s=0.05,
            tick_s=0.05,
            retry_pause_s=0.05,
            mismatch_patience_s=0.3,
            account_every_s=0.3,
            max_signal_age_s=1e9,
        )
        self._numbers = iter(range(1000))

    def start(self) -> None:
        # Simulated time is years away from ours; requests are dated by it all the same.
        guard_config = GuardConfig(max_order_notional=Decimal(10_000_000), clock_offset_max_s=1e12)
        self.guard = RiskGuard(
            account_id="acct", config=guard_config, policies=self.policies, instance_id=f"g{next(self._numbers)}"
        )
        orchestrator = Orchestrator(self.policies)
        orchestrator.observe(
            market=MarketState(
                regime=Regime.RANGE,
                volatility=Volatility.NORMAL,
                symbols={SYMBOL: SymbolState(cost_fraction=0.001)},
            )
        )
        self.executor = Executor(
            venue=self.venue,
            guard=self.guard,
            orchestrator=orchestrator,
            policies=self.policies,
            journal=self.journal,
            config=self._config,
        )
        self._signals: asyncio.Queue[Signal | None] = asyncio.Queue()
        self.task = asyncio.create_task(self.executor.run(self._stream()))

    async def _stream(self) -> AsyncIterator[Signal]:
        while (signal := await self._signals.get()) is not None:
            yield signal

    async def ready(self) -> None:
        self.start()
        await self.until(lambda: self.executor.status().ready)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for the condition, with a deadline."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition():
                    if self.task.done():
                        self.task.result()
                        raise AssertionError("the executor ended")
                    await asyncio.sleep(0.005)
        except TimeoutError as error:
            raise AssertionError(f"it never came to that: {self._standing()}") from error

    def _standing(self) -> str:
        status = self.executor.status()
        held = {symbol: str(trip.signed_quantity) for symbol, trip in status.positions.items()}
        undecided = status.undecided_orders
        return f"venue={self.held()} stops={len(self.stops())} ours={held} undecided={undecided} blocks={status.blocks}"

    def entry(self, stop: int = 49_000) -> Signal:
        return Signal(
            signal_id=f"sig-{next(self._numbers)}",
            strategy_id="TREND_001",
            symbol=SYMBOL,
            direction=Direction.LONG,
            kind=SignalKind.ENTRY,
            confidence=0.9,
            reference_price=Decimal(50_000),
            stop_price=Decimal(stop),
            at=self.exchange.now(),
        )

    def send(self, signal: Signal) -> Signal:
        self._signals.put_nowait(signal)
        return signal

    async def opened(self, stop: int = 49_000) -> Signal:
        signal = self.send(self.entry(stop))
        await self.until(lambda: self.held() > 0 and len(self.stops()) == 1 and bool(self.executor.status().positions))
        return signal

    async def left(self, signal: Signal) -> None:
        trades = len(self.journal.trades)
        self.send(replace(signal, signal_id=f"sig-{next(self._numbers)}", kind=SignalKind.EXIT))
        await self.until(lambda: self.held() == 0 and not self.stops() and len(self.journal.trades) == trades + 1)

    async def finish(self) -> None:
        self._signals.put_nowait(None)
        done, _ = await asyncio.wait([self.task], timeout=DEADLINE_S)
        assert done, f"it does not end: {self._standing()}"
        await self.task

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def is_decided(self, signal: Signal) -> bool:
        """Whether the signal's order is over, and what came of it is either protected or closed."""
        record = self.executor._parts.orders.get(order_id("ex-1", signal.signal_id, Purpose.ENTRY))
        if record is None or not record.stage.is_over or self.executor.status().undecided_orders:
            return False
        return (self.held() > 0) is (len(self.stops()) == 1) and (self.held() > 0) is bool(
            self.executor.status().positions
        )

    def held(self) -> Decimal:
        return self.exchange.desk.engine.state.positions[SYMBOL].quantity

    def stops(self) -> list[object]:
        return list(self.exchange.desk.engine.state.open_algos[SYMBOL].values())

    def fail(self, kind: RequestFault, path: str = "order", method: str = "POST") -> None:
        self.exchange.desk.faults.requests.append(ArmedRequestFault(kind=kind, method=method, path=path))

    def check(self) -> None:
        """The exchange's fills are the journal's fills, exactly."""
        trades = self.exchange.desk.engine.state.trades[SYMBOL]
        told = {int(fact.event_id.rsplit(":", 1)[1]): fact for fact in self.journal.fills.values()}
        assert {trade.trade_id for trade in trades} == set(told)
        for trade in trades:
            fact = told[trade.trade_id]
            assert (fact.quantity, fact.price, fact.fee) == (trade.quantity, trade.price, trade.fee)
            assert (fact.realized_pnl, fact.client_order_id) == (trade.realized, trade.client_order_id)
        positions = {symbol: trip.signed_quantity for symbol, trip in self.executor.status().positions.items()}
        assert positions.get(SYMBOL, Decimal(0)) == self.held()


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    paper = PaperConfig(speed=SPEED, warm_up_bars=2)
    async with PaperExchange(paper, {SYMBOL: bars()}) as exchange:
        config = VenueConfig(
            environment=VenueEnvironment.CUSTOM,
            rest_url=exchange.rest_url,
            stream_url=exchange.stream_url,
            time_scale=SPEED,
            reconnect_min_s=0.01,
            reconnect_max_s=0.05,
        )
        async with BinanceVenue(config, Credentials(paper.keys[0].key, paper.keys[0].secret)) as venue:
            yield Desk(exchange, venue, folder)


@in_loop
async def test_a_round_trip(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.ready()
        await it.left(await it.opened())
        it.check()
        await it.finish()


@in_loop
async def test_a_stop_that_triggers_and_a_trade_after_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.ready()
        await it.opened()
        it.exchange.desk.set_price(SYMBOL, Decimal(48_900), jumps=True)
        await it.until(lambda: len(it.journal.trades) == 1)
        (trade,) = it.journal.trades.values()
        assert trade.strategy_id == "TREND_001"
        it.check()
        await it.finish()


@pytest.mark.parametrize(
    "kind",
    [
        RequestFault.DROP_RESPONSE,
        RequestFault.TIMEOUT,
        RequestFault.UNKNOWN_ERROR,
        RequestFault.HTML_502,
        RequestFault.SERVICE_UNAVAILABLE,
        RequestFault.INTERNAL_ERROR,
        RequestFault.THROTTLED,
    ],
)
@pytest.mark.parametrize("path", ["order", "algoOrder"])
def test_whatever_becomes_of_a_request_there_is_one_order_and_no_naked_position(
    tmp_path: Path, kind: RequestFault, path: str
) -> None:
    @in_loop
    async def story(folder: Path) -> None:
        async with desk(folder) as it:
            await it.ready()
            it.fail(kind, path)
            signal = it.send(it.entry())
            await it.until(lambda: it.is_decided(signal))
            assert (it.held() > 0) is (len(it.stops()) == 1)
            entries = {t.order_id for t in it.exchange.desk.engine.state.trades[SYMBOL] if not t.reduce_only}
            assert len(entries) <= 1
            it.check()
            it.send(signal)
            await it.until(lambda: any(why == "DUPLICATE_SIGNAL" for _, why in it.executor.status().blocks))
            await it.finish()

    story(tmp_path)


@pytest.mark.parametrize(
    "kind", [RequestFault.DROP_RESPONSE, RequestFault.UNKNOWN_ERROR, RequestFault.HTML_502, RequestFault.THROTTLED]
)
def test_an_exit_reaches_flat_through_every_fault_even_when_halted(tmp_path: Path, kind: RequestFault) -> None:
    @in_loop
    async def story(folder: Path) -> None:
        async with desk(folder) as it:
            await it.ready()
            signal = await it.opened()
            it.policies.set(make_policy(2, trading_state=TradingState.HALTED))
            it.fail(kind)
            await it.left(signal)
            it.check()
            await it.finish()

    story(tmp_path)


@pytest.mark.parametrize("kind", [EventFault.OMIT, EventFault.DUPLICATE, EventFault.REORDER])
def test_events_that_are_omitted_repeated_or_reordered_change_nothing(tmp_path: Path, kind: EventFault) -> None:
    @in_loop
    async def story(folder: Path) -> None:
        async with desk(folder) as it:
            await it.ready()
            it.exchange.desk.faults.events.append(ArmedEventFault(kind=kind, event="ORDER_TRADE_UPDATE", count=6))
            await it.left(await it.opened())
            it.check()
            await it.finish()

    story(tmp_path)


@in_loop
async def test_a_stream_that_is_cut_while_a_stop_triggers(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.ready()
        await it.opened()
        it.exchange.desk.hub.kill("private")
        it.exchange.desk.set_price(SYMBOL, Decimal(48_900), jumps=True)
        await it.until(lambda: len(it.journal.trades) == 1)
        it.check()
        await it.finish()


@in_loop
async def test_a_liquidation_ends_the_trade_of_its_strategy(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.ready()
        await it.opened()
        it.exchange.desk.liquidate(SYMBOL, by_adl=False)
        await it.until(lambda: len(it.journal.trades) == 1 and not it.stops())
        it.check()
        await it.finish()


@in_loop
async def test_an_executor_that_is_killed_and_started_again_finds_everything(tmp_path: Path) -> None:
    async with desk(tmp_path) as it:
        await it.ready()
        await it.opened()
        await it.kill()
        it.exchange.desk.set_price(SYMBOL, Decimal(48_900), jumps=True)
        await it.ready()
        await it.until(lambda: len(it.journal.trades) == 1)
        it.check()
        await it.left(await it.opened(stop=45_000))
        it.check()
        await it.finish()

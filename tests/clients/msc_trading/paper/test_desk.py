"""The exchange without its sockets: what it does as time passes."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from paper_builders import NOON, ManualClock, candle, candles, config, desk, in_loop, limit, market, stop

from msc_client import Side
from msc_trading.market import read_candles
from msc_trading.paper.desk import Desk
from msc_trading.paper.engine import margin
from msc_trading.paper.engine.bars import milliseconds
from msc_trading.paper.engine.values import AlgoStatus, IncomeType
from msc_trading.paper.http.hub import Listener
from msc_trading.paper.http.market_messages import channel_of

MONTH = Path(__file__).parents[5] / "shared" / "data" / "btc-perp-20211231-20220201_1m.csv.gz"
MINUTE = timedelta(minutes=1)


def listener(made: Desk, *names: str) -> Listener:
    ear = Listener("market", 0.0, False, lambda: None, asyncio.Queue())
    found = [channel_of(name, frozenset({"BTCUSDT", "ETHUSDT"})) for name in names]
    made.hub.add(ear, [channel for channel in found if channel is not None])
    return ear


@in_loop
async def test_the_first_price_is_there_from_the_start() -> None:
    made = desk(feed=candles(5))

    assert made.engine.state.markets["BTCUSDT"].last == 50_000


@in_loop
async def test_history_is_there_from_the_start_and_off_the_tick_prices_are_put_on_it() -> None:
    feed = [candle(0, "100.04 110.06 90.04 105.04"), candle(1, "105.04 106 104 105.04")]
    made = desk(feed=feed, origin=NOON + MINUTE)

    bar = made.engine.state.markets["BTCUSDT"].bars.of("1m")[0]

    assert (bar.open, bar.high, bar.low, bar.close) == tuple(map(Decimal, ("100.0", "110.1", "90.0", "105.0")))
    assert bar.closed


@in_loop
async def test_a_step_does_all_that_falls_into_it_in_order() -> None:
    made = desk(feed=candles(30))
    made.engine.place(market(), made.now())
    made.engine.place(limit(Side.SELL, price="50100"), made.now())
    made.publish()

    made.step(30 * MINUTE)

    trades = made.engine.state.trades["BTCUSDT"]
    assert [trade.price for trade in trades] == [Decimal("50000.10"), Decimal(50100)]
    # The minute that opens at 50 090 goes down first, and reaches its high of 50 105 on the third of its four points.
    assert trades[1].at == NOON + 9 * MINUTE + timedelta(seconds=40)


@in_loop
async def test_every_minute_closes_one_bar_on_the_stream() -> None:
    made = desk(feed=candles(30))
    ear = listener(made, "btcusdt@kline_1m", "btcusdt@kline_5m")

    made.step(10 * MINUTE)

    texts = [ear.queue.get_nowait() or "" for _ in range(ear.queue.qsize())]
    closed = Counter('"i":"1m"' in text for text in texts if '"x":true' in text)
    assert closed == {True: 10, False: 2}


@in_loop
async def test_a_market_that_moved_is_not_repeated_in_the_same_second() -> None:
    clock = ManualClock()
    made = desk(clock, paused=False)
    ear = listener(made, "btcusdt@markPrice")
    clock.advance(1.0)
    made.tick()
    made.tick()

    assert ear.queue.qsize() == 1


@in_loop
async def test_a_symbol_without_a_price_says_nothing() -> None:
    clock = ManualClock()
    made = desk(clock, candles(3), paused=False)
    ear = listener(made, "ethusdt@markPrice", "ethusdt@bookTicker")

    clock.advance(600.0)
    made.tick()

    assert ear.queue.empty()


@in_loop
async def test_a_countdown_that_is_due_ends_and_the_next_order_stays() -> None:
    clock = ManualClock()
    made = desk(clock)
    made.count_down("BTCUSDT", 1000)
    clock.advance(1.0)
    made.tick()

    made.engine.place(limit(), made.now())
    clock.advance(10.0)
    made.tick()

    assert len(made.engine.state.open_orders["BTCUSDT"]) == 1


@in_loop
async def test_while_it_is_frozen_nothing_moves_and_afterwards_everything_is_made_up_for() -> None:
    clock = ManualClock()
    made = desk(clock, candles(100), paused=False, speed=60.0)
    made.freeze(5.0)

    clock.advance(4.0)
    made.tick()
    assert made.engine.state.markets["BTCUSDT"].last == 50_000
    clock.advance(1.0)
    made.tick()

    assert made.engine.state.markets["BTCUSDT"].last == 50_050


@in_loop
async def test_funding_and_prices_come_in_the_order_of_time() -> None:
    made = desk(feed=candles(300), origin=NOON + timedelta(hours=3, minutes=30))
    made.engine.place(market(), made.now())

    made.step(timedelta(hours=2))

    (paid,) = [income for income in made.engine.state.incomes if income.kind is IncomeType.FUNDING_FEE]
    # Settled at the last price before 16:00.
    assert paid.at == NOON + timedelta(hours=4)
    assert paid.amount == -Decimal("0.0001") * Decimal(52_400)


@in_loop
async def test_a_stop_is_filled_inside_the_minute_that_reaches_it() -> None:
    made = desk(feed=[candle(0, "50000 50010 49990 50000"), candle(1, "50000 50100 48000 50050")])
    made.engine.place(market(), made.now())
    algo = made.engine.place_algo(stop(Side.SELL, "49000"), made.now())

    made.step(5 * MINUTE)

    finished = made.engine.state.algos[algo.algo_id]
    assert (finished.status, finished.average_price) == (AlgoStatus.FINISHED, Decimal(49000))
    assert finished.triggered == NOON + MINUTE + timedelta(seconds=20)


@pytest.mark.parametrize("hours", [6])
@in_loop
async def test_real_bars_pass_and_the_account_adds_up(hours: int) -> None:
    if not MONTH.exists():
        pytest.skip("the month of bars is not at ../shared/data")
    feed = list(islice(read_candles(MONTH, symbol="BTCUSDT"), 60 * hours + 60))
    made = Desk(config(origin=None, warm_up_bars=60), {"BTCUSDT": feed}, ManualClock())
    state = made.engine.state

    for number in range(6 * hours):
        side = Side.BUY if number % 2 else Side.SELL
        made.engine.place(market(side, "2"), made.now())
        made.step(10 * MINUTE)

    assert made.feed_ended
    assert milliseconds(made.now()) - milliseconds(made.origin) == hours * 3_600_000
    assert state.wallet == sum(income.amount for income in state.incomes)
    assert margin.of_account(state).equity == state.wallet
    assert len(state.trades["BTCUSDT"]) == 6 * hours
    bars = state.markets["BTCUSDT"].bars.of("1m")
    assert [bar.open_ms for bar in bars] == [milliseconds(each.open_time) for each in feed]
    assert all(abs(bar.close - each.close) <= Decimal("0.05") for bar, each in zip(bars, feed, strict=True))

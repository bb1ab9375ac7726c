"""Prices and candles as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from scripted_exchange import HTML, START_MS, Asked, Connection, Reply, ScriptedExchange, in_loop, refuses, says
from stream_messages import kline, kline_row, trade

from msc_trading.market.candle import Candle
from msc_trading.venue import candle_stream
from msc_trading.venue.binance import BinanceVenue
from msc_trading.venue.port import VenueUnavailable

KLINES = "GET /fapi/v1/klines"
MINUTE_MS = 60_000


def minute(bar: Candle) -> int:
    return round((bar.open_time - datetime.fromtimestamp(START_MS / 1000, UTC)).total_seconds() / 60)


async def set_clock(venue: BinanceVenue) -> None:
    """Has the venue's clock measured anew, by way of a query that is refused for its date."""
    with pytest.raises(VenueUnavailable):
        await venue.positions()


async def minutes(bars: AsyncIterator[Candle], count: int) -> list[int]:
    return [minute(await anext(bars)) for _ in range(count)]


async def first(bars: AsyncIterator[Candle], exchange: ScriptedExchange) -> Connection:
    """Returns the exchange's end of the stream after the candle of minute 0 was read."""
    waiting = asyncio.ensure_future(anext(bars))
    connection = await exchange.connection()
    await connection.send(kline(0))
    assert minute(await waiting) == 0
    return connection


class Bars:
    """The venue's list of candles from minute 0 on, the last of them still running."""

    def __init__(self, count: int) -> None:
        self.count = count

    def answer(self, asked: Asked) -> Reply:
        since = (int(asked.parameters["startTime"]) - START_MS) // MINUTE_MS
        return says([kline_row(at) for at in range(since, self.count)][: int(asked.parameters["limit"])])


@in_loop
async def test_prices_of_all_symbols_come_over_one_connection() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        prices = venue.prices(("BTCUSDT", "ETHUSDT"))
        waiting = asyncio.ensure_future(anext(prices))
        connection = await exchange.connection()
        await connection.send(trade("50000.10"))

        price = await waiting

        assert (price.symbol, price.price) == ("BTCUSDT", Decimal("50000.10"))
        assert (connection.path, connection.query) == ("/market/stream", "streams=btcusdt@aggTrade/ethusdt@aggTrade")


@in_loop
async def test_a_slow_reader_gets_the_newest_price_of_each_symbol_not_the_backlog() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        prices = venue.prices(("BTCUSDT", "ETHUSDT"))
        waiting = asyncio.ensure_future(anext(prices))
        connection = await exchange.connection()
        await connection.send(trade("1"))
        await waiting

        for price in range(2, 200):
            await connection.send(trade(str(price)))
        await connection.send(trade("7", symbol="ETHUSDT"))
        seen = [await anext(prices)]
        while seen[-1].symbol != "ETHUSDT":
            seen.append(await anext(prices))

        bitcoin = [price.price for price in seen if price.symbol == "BTCUSDT"]
        assert bitcoin[-1] == 199
        assert bitcoin == sorted(bitcoin)


@in_loop
async def test_prices_go_on_after_a_break_and_past_what_cannot_be_read() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        prices = venue.prices(("BTCUSDT",))
        waiting = asyncio.ensure_future(anext(prices))
        await (await exchange.connection()).kill()
        connection = await exchange.connection()
        await connection.send({"no": "data"})
        await connection.send(trade("NaN"))
        await connection.send(trade("5"))

        assert (await waiting).price == 5


@in_loop
async def test_a_silent_connection_is_replaced() -> None:
    async with ScriptedExchange() as exchange, exchange.venue(price_silence_s=0.05) as venue:
        prices = venue.prices(("BTCUSDT",))
        waiting = asyncio.ensure_future(anext(prices))
        await exchange.connection()
        await (await exchange.connection()).send(trade("5"))

        assert (await waiting).price == 5


@in_loop
async def test_closing_the_venue_ends_prices_and_candles() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        price = asyncio.ensure_future(anext(venue.prices(("BTCUSDT",))))
        await exchange.connection()
        bar = asyncio.ensure_future(anext(venue.candles(("BTCUSDT",))))
        await exchange.connection()

        await venue.close()

        for waiting in (price, bar):
            with pytest.raises(StopAsyncIteration):
                await waiting


@in_loop
async def test_a_candle_comes_once_when_its_minute_is_over() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        bars = venue.candles(("BTCUSDT",))
        connection = await first(bars, exchange)

        for message in (kline(1, closed=False), kline(0), kline(1), kline(1), kline(2)):
            await connection.send(message)

        assert await minutes(bars, 2) == [1, 2]
        assert connection.query == "streams=btcusdt@kline_1m"


@in_loop
async def test_what_a_broken_connection_missed_is_asked_for_but_not_the_running_minute() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        bars = venue.candles(("BTCUSDT",))
        connection = await first(bars, exchange)
        exchange.answers[KLINES] = Bars(5).answer
        exchange.ahead_ms = 4 * MINUTE_MS
        exchange.answers["GET /fapi/v3/positionRisk"] = lambda _: refuses(-1021)
        await set_clock(venue)

        await connection.kill()

        assert await minutes(bars, 3) == [1, 2, 3]
        await (await exchange.connection()).send(kline(4))
        assert await minutes(bars, 1) == [4]


@in_loop
async def test_a_candle_that_was_left_out_is_asked_for_before_the_next_one() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        bars = venue.candles(("BTCUSDT",))
        connection = await first(bars, exchange)
        exchange.answers[KLINES] = Bars(10).answer
        exchange.ahead_ms = 10 * MINUTE_MS
        exchange.answers["GET /fapi/v3/positionRisk"] = lambda _: refuses(-1021)
        await set_clock(venue)

        await connection.send(kline(4))

        assert await minutes(bars, 4) == [1, 2, 3, 4]


@in_loop
async def test_a_gap_of_several_pages_is_filled_whatever_the_venue_answers_first() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candle_stream, "PAGE", 3)
        async with ScriptedExchange() as exchange, exchange.venue() as venue:
            bars = venue.candles(("BTCUSDT",))
            connection = await first(bars, exchange)
            exchange.answers[KLINES] = Bars(20).answer
            exchange.script(KLINES, HTML, says({}), says([[1]]), refuses(-1003, "too many", 429, Retry_After="0"))
            exchange.ahead_ms = 20 * MINUTE_MS
            exchange.answers["GET /fapi/v3/positionRisk"] = lambda _: refuses(-1021)
            await set_clock(venue)

            await connection.send(kline(11))

            assert await minutes(bars, 11) == list(range(1, 12))


@in_loop
async def test_minutes_in_which_the_venue_stood_still_are_no_gap_to_wait_for() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        bars = venue.candles(("BTCUSDT",))
        connection = await first(bars, exchange)
        exchange.answers[KLINES] = lambda _: says([])

        await connection.send(kline(5))

        assert await minutes(bars, 1) == [5]

"""The account's stream: nothing is lost without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from scripted_exchange import HTML, Connection, ScriptedExchange, in_loop, refuses, says
from stream_messages import account_update, order_report, stop_update
from venue_builders import Overflow

from msc_trading.venue.binance import BinanceVenue
from msc_trading.venue.port import OrderUpdate, PositionUpdate, StreamLost, UserEvent

START = "POST /fapi/v1/listenKey"
RENEW = "PUT /fapi/v1/listenKey"
QUERY = "GET /fapi/v1/order"
BURST = 300


async def started(venue: BinanceVenue, exchange: ScriptedExchange) -> tuple[AsyncIterator[UserEvent], Connection]:
    """Returns the events after the first StreamLost, and the exchange's end of the stream."""
    events = venue.user_events()
    assert await anext(events) == StreamLost(why="the stream starts")
    return events, await exchange.connection()


async def until_up(events: AsyncIterator[UserEvent]) -> str:
    """Returns why the stream was lost, once it is up again."""
    while True:
        event = await anext(events)
        assert isinstance(event, StreamLost)
        if not event.why.endswith("not rebuilt yet"):
            return event.why


def trade_id(event: UserEvent) -> str:
    assert isinstance(event, OrderUpdate)
    assert event.fill is not None
    return event.fill.trade_id


@in_loop
async def test_the_stream_starts_by_saying_that_something_may_have_been_missed() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        _, connection = await started(venue, exchange)

        assert (connection.path, connection.query) == ("/private/ws", "listenKey=l1sten-key")


@in_loop
async def test_events_come_in_order_and_what_does_not_matter_does_not_come() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)

        for message in (
            {"e": "TRADE_LITE", "s": "BTCUSDT"},
            order_report(t=1),
            stop_update("NEW"),
            account_update(),
            order_report(t=2),
        ):
            await connection.send(message)

        first, second, third = [await anext(events) for _ in range(3)]
        assert (trade_id(first), trade_id(third)) == ("1", "2")
        assert isinstance(second, PositionUpdate)


@in_loop
async def test_a_killed_stream_is_rebuilt_and_said_to_be_lost_before_it_goes_on() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)
        await connection.send(order_report(t=1))
        assert trade_id(await anext(events)) == "1"

        await connection.kill()
        await until_up(events)
        await (await exchange.connection()).send(order_report(t=2))

        assert trade_id(await anext(events)) == "2"


@in_loop
async def test_it_is_killed_again_and_again_and_comes_back_each_time() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)

        for _ in range(7):
            await connection.kill()
            await until_up(events)
            connection = await exchange.connection()
        await connection.send(order_report(t=9))

        assert trade_id(await anext(events)) == "9"


@in_loop
async def test_the_loss_is_told_when_the_new_stream_is_up_so_that_comparing_leaves_no_gap() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)
        await connection.kill()
        await until_up(events)
        connection = await exchange.connection()

        # What happens while the reader compares is kept for it.
        for number in range(20):
            await connection.send(order_report(t=number))

        assert [trade_id(await anext(events)) for _ in range(20)] == [str(number) for number in range(20)]


@in_loop
async def test_a_burst_is_kept_by_a_queue_that_is_large_enough() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)

        for number in range(BURST):
            await connection.send(order_report(t=number))

        assert [trade_id(await anext(events)) for _ in range(BURST)] == [str(number) for number in range(BURST)]


@in_loop
async def test_a_burst_that_overflows_the_queue_is_a_loss_not_a_silence() -> None:
    overflow = Overflow()
    async with ScriptedExchange() as exchange, exchange.venue(queue_size=100) as venue:
        events, connection = await started(venue, exchange)

        for number in range(BURST):
            await connection.send(order_report(t=number))
        await overflow.seen.wait()

        got: list[UserEvent] = []
        while not (got and isinstance(got[-1], StreamLost)):
            got.append(await anext(events))
        await (await exchange.connection()).send(order_report(t=1000))
        while isinstance(event := await anext(events), StreamLost):
            pass
        assert trade_id(event) == "1000"


@in_loop
async def test_an_expired_listen_key_is_replaced() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)
        exchange.script(START, says({"listenKey": "an0ther-key"}))

        await connection.send({"e": "listenKeyExpired", "E": 1, "listenKey": "l1sten-key"})

        assert await until_up(events) == "the listen key expired"
        assert (await exchange.connection()).query == "listenKey=an0ther-key"


@in_loop
async def test_the_listen_key_is_renewed_for_as_long_as_the_stream_is_read() -> None:
    async with ScriptedExchange() as exchange, exchange.venue(listen_key_renewal_s=0.01) as venue:
        events, connection = await started(venue, exchange)

        while len(exchange.asked_for(RENEW)) < 3:
            await connection.send(order_report())
            await anext(events)

        assert exchange.asked_for(RENEW)[0].parameters["listenKey"] == "l1sten-key"
        assert len(exchange.asked_for(START)) == 1


@in_loop
async def test_a_listen_key_that_is_gone_when_it_is_renewed_rebuilds_the_stream() -> None:
    async with ScriptedExchange() as exchange, exchange.venue(listen_key_renewal_s=0.01) as venue:
        exchange.script(RENEW, refuses(-1125, "This listenKey does not exist."))
        events, _ = await started(venue, exchange)

        assert await until_up(events) == "the listen key is gone"


@in_loop
async def test_a_renewal_that_fails_is_tried_again_without_giving_up_the_stream() -> None:
    async with ScriptedExchange() as exchange, exchange.venue(listen_key_renewal_s=0.01) as venue:
        exchange.script(RENEW, HTML, HTML)
        events, connection = await started(venue, exchange)

        while len(exchange.asked_for(RENEW)) < 4:
            await connection.send(order_report())
            assert isinstance(await anext(events), OrderUpdate)


@in_loop
async def test_a_stream_that_cannot_be_rebuilt_at_once_is_told_as_lost_meanwhile_and_once() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)
        exchange.script(START, *[HTML] * 4)

        await connection.kill()

        meanwhile, after = await anext(events), await anext(events)
        assert isinstance(meanwhile, StreamLost)
        assert meanwhile.why.endswith("not rebuilt yet")
        assert isinstance(after, StreamLost)
        assert not after.why.endswith("not rebuilt yet")


@pytest.mark.parametrize("message", [order_report(q="NaN"), order_report(S="LONG"), "[1, 2]", account_update({"s": 1})])
@in_loop
async def test_an_event_that_cannot_be_read_is_a_loss_and_the_next_one_comes(message: object) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)

        await connection.send(message)
        await connection.send(order_report(t=5))

        assert isinstance(await anext(events), StreamLost)
        assert trade_id(await anext(events)) == "5"
        assert len(exchange.asked_for(START)) == 1


@in_loop
async def test_a_message_that_is_no_json_ends_the_connection_and_is_a_loss() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)

        await connection.send("<html>")

        await until_up(events)


@in_loop
async def test_an_order_seen_in_the_stream_need_not_be_asked_for_later() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)
        await connection.send(order_report(c="id-9", R=True))
        update = await anext(events)
        assert isinstance(update, OrderUpdate)
        trade = {
            "id": 1, "orderId": 77, "symbol": "BTCUSDT", "side": "BUY", "qty": "1", "price": "1", "commission": "0",
            "commissionAsset": "USDT", "realizedPnl": "0", "time": exchange.now_ms(),
        }  # fmt: skip
        exchange.script("GET /fapi/v1/userTrades", says([trade]))

        fills = await venue.fills("BTCUSDT", update.order.updated_at)

        assert [(fill.client_order_id, fill.reduce_only) for fill in fills] == [("id-9", True)]
        assert exchange.asked_for(QUERY) == []


@in_loop
async def test_closing_the_venue_ends_the_stream() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, _ = await started(venue, exchange)
        waiting = asyncio.ensure_future(anext(events))

        await venue.close()

        with pytest.raises(StopAsyncIteration):
            await waiting


@in_loop
async def test_a_reader_that_stops_leaves_no_connection_behind() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        events, connection = await started(venue, exchange)
        waiting = asyncio.ensure_future(anext(events))
        await connection.send({"e": "TRADE_LITE"})

        waiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiting
        await connection.closed.wait()

"""Streams on the wire: who may listen to what, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest
from paper_builders import Json, ManualClock, RawClient, candles, in_loop, open_exchange, raw, until

from msc_trading.paper import PaperExchange
from msc_trading.paper.http.market_messages import channel_of

SYMBOLS = frozenset({"BTCUSDT", "ETHUSDT"})
Socket = aiohttp.ClientWebSocketResponse


@asynccontextmanager
async def listening(client: RawClient, path: str) -> AsyncIterator[Socket]:
    async with client.session.ws_connect(client.exchange.stream_url + path) as socket:
        yield socket


async def private(client: RawClient) -> str:
    answer = await client.send("POST", "/fapi/v1/listenKey")
    return f"private/ws?listenKey={answer.body['listenKey']}"


@pytest.mark.parametrize(
    ("name", "kind", "symbol", "detail", "category"),
    [
        ("btcusdt@bookTicker", "bookTicker", "BTCUSDT", "", "public"),
        ("btcusdt@depth20@100ms", "depth", "BTCUSDT", "20", "public"),
        ("ethusdt@aggTrade", "aggTrade", "ETHUSDT", "", "market"),
        ("ethusdt@markPrice", "markPrice", "ETHUSDT", "", "market"),
        ("ethusdt@markPrice@1s", "markPrice", "ETHUSDT", "", "market"),
        ("btcusdt@kline_4h", "kline", "BTCUSDT", "4h", "market"),
        ("btcusdt_perpetual@continuousKline_1m", "continuousKline", "BTCUSDT", "1m", "market"),
        ("btcusdt@forceOrder", "forceOrder", "BTCUSDT", "", "market"),
        ("!bookTicker", "bookTicker", None, "", "public"),
        ("!forceOrder@arr", "forceOrder", None, "", "market"),
        ("!miniTicker@arr", "miniTicker", None, "", "market"),
    ],
)
def test_a_stream_has_a_name_and_a_place(name: str, kind: str, symbol: str | None, detail: str, category: str) -> None:
    channel = channel_of(name, SYMBOLS)

    assert channel is not None
    assert (channel.kind, channel.symbol, channel.detail, channel.category) == (kind, symbol, detail, category)


@pytest.mark.parametrize(
    "name",
    ["dogeusdt@aggTrade", "btcusdt@kline_7m", "btcusdt@depth", "btcusdt@depth7", "BTCUSDT@aggTrade", "btcusdt", ""],
)
def test_other_names_are_no_streams(name: str) -> None:
    assert channel_of(name, SYMBOLS) is None


@pytest.mark.parametrize(
    "path",
    [
        "private/ws?listenKey=unknown",
        "private/ws",
        "public/ws/btcusdt@aggTrade",
        "market/ws/btcusdt@bookTicker",
        "market/stream?streams=btcusdt@kline_1m/nothing",
        "ws/btcusdt@aggTrade",
        "stream?streams=btcusdt@aggTrade",
    ],
)
@in_loop
async def test_a_stream_that_is_not_there_cannot_be_opened(path: str) -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.session.ws_connect(exchange.stream_url + path)

        assert refused.value.status in {400, 404}


@in_loop
async def test_everybody_hears_of_the_one_account() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        path = await private(client)
        async with listening(client, path) as one, listening(client, path) as other:
            await client.order(newClientOrderId="mine")

            for socket in (one, other):
                assert (await socket.receive_json())["o"]["c"] == "mine"


@in_loop
async def test_a_combined_stream_names_its_parts_and_a_plain_one_does_not() -> None:
    async with (
        open_exchange() as exchange,
        raw(exchange) as client,
        listening(client, "market/stream?streams=btcusdt@markPrice/ethusdt@markPrice") as combined,
        listening(client, "market/ws/btcusdt@markPrice") as plain,
    ):
        exchange.desk.set_price("BTCUSDT", Decimal(50100))

        assert (await combined.receive_json())["stream"] == "btcusdt@markPrice"
        assert (await plain.receive_json())["p"] == "50100.00000000"


@in_loop
async def test_all_markets_come_in_one_stream() -> None:
    async with (
        open_exchange() as exchange,
        raw(exchange) as client,
        listening(client, "market/ws/!markPrice@arr@1s") as marks,
        listening(client, "public/ws/!bookTicker") as books,
    ):
        exchange.desk.set_price("ETHUSDT", Decimal(3100))

        assert [row["s"] for row in await marks.receive_json()] == ["ETHUSDT"]
        assert (await books.receive_json())["s"] == "ETHUSDT"


@in_loop
async def test_a_liquidation_is_told_to_the_market() -> None:
    async with (
        open_exchange() as exchange,
        raw(exchange) as client,
        listening(client, "market/ws/!forceOrder@arr") as stream,
    ):
        await client.order()
        exchange.desk.liquidate("BTCUSDT")

        told = await stream.receive_json()

        assert (told["e"], told["o"]["S"], told["o"]["q"]) == ("forceOrder", "SELL", "1")


class TestSubscriptions:
    async def ask(self, socket: Socket, method: str, *names: str) -> Json:
        await socket.send_json({"method": method, "params": list(names), "id": 7})
        return await socket.receive_json()

    @in_loop
    async def test_they_can_be_changed_while_connected(self) -> None:
        async with (
            open_exchange() as exchange,
            raw(exchange) as client,
            listening(client, "market/ws") as socket,
        ):
            assert await self.ask(socket, "SUBSCRIBE", "btcusdt@markPrice") == {"result": None, "id": 7}
            assert (await self.ask(socket, "LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@markPrice"]
            exchange.desk.set_price("BTCUSDT", Decimal(50100))
            assert (await socket.receive_json())["s"] == "BTCUSDT"
            await self.ask(socket, "UNSUBSCRIBE", "btcusdt@markPrice")
            exchange.desk.set_price("BTCUSDT", Decimal(50200))
            assert (await self.ask(socket, "LIST_SUBSCRIPTIONS"))["result"] == []

    @pytest.mark.parametrize(
        "text",
        [
            "no json",
            "[]",
            "{}",
            '{"method":"SUBSCRIBE","params":1}',
            '{"method":"SUBSCRIBE","params":["nothing"]}',
            '{"method":"DANCE"}',
        ],
    )
    @in_loop
    async def test_nonsense_is_answered_and_the_stream_goes_on(self, text: str) -> None:
        async with (
            open_exchange() as exchange,
            raw(exchange) as client,
            listening(client, "market/ws/btcusdt@markPrice") as socket,
        ):
            await socket.send_str(text)
            assert (await socket.receive_json())["error"]["code"] == 2
            exchange.desk.set_price("BTCUSDT", Decimal(50100))

            assert (await socket.receive_json())["e"] == "markPriceUpdate"


class TestLifetimes:
    @in_loop
    async def test_an_expired_ticket_is_told_and_then_its_stream_is_silent(self) -> None:
        clock = ManualClock()
        async with open_exchange(clock=clock) as exchange, raw(exchange) as client:
            path = await private(client)
            async with listening(client, path) as socket:
                clock.advance(3600.0)
                exchange.desk.tick()
                told = await socket.receive_json()
                assert (told["e"], told["listenKey"]) == ("listenKeyExpired", path.partition("=")[2])

                await client.order()
                async with listening(client, await private(client)) as renewed:
                    await client.order(newClientOrderId="second")
                    assert (await renewed.receive_json())["o"]["c"] == "second"
                    exchange.desk.hub.burst("private", 1)
                    assert (await socket.receive_json())["e"] == "paperBurst"

    @in_loop
    async def test_a_connection_ends_after_a_day(self) -> None:
        clock = ManualClock()
        async with (
            open_exchange(clock=clock, stream_age_s=86_400.0) as exchange,
            raw(exchange) as client,
            listening(client, "market/ws/btcusdt@aggTrade") as socket,
        ):
            clock.advance(86_400.0)
            exchange.desk.tick()

            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE

    @in_loop
    async def test_who_leaves_is_forgotten(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            async with listening(client, "market/ws/btcusdt@aggTrade"):
                assert exchange.desk.hub.count("market") == 1

            await until(lambda: exchange.desk.hub.count("market") == 0, what="the connection is gone")

    @in_loop
    async def test_who_reads_too_slowly_is_cut_off(self) -> None:
        async with (
            open_exchange(stream_queue=5) as exchange,
            raw(exchange) as client,
            listening(client, "market/ws/btcusdt@markPrice") as socket,
        ):
            for number in range(10):
                exchange.desk.set_price("BTCUSDT", Decimal(50000 + number))

            await until(lambda: exchange.desk.hub.count("market") == 0, what="the slow one is gone")
            messages = [message async for message in socket]
            assert len(messages) < 10


class TestHeartbeats:
    async def heard(self, exchange: PaperExchange, socket: Socket) -> Json:
        return await asyncio.wait_for(socket.receive_json(), 10)

    @in_loop
    async def test_a_quiet_market_repeats_its_mark_once_a_second(self) -> None:
        clock = ManualClock()
        async with (
            open_exchange(clock=clock, paused=False) as exchange,
            raw(exchange) as client,
            listening(client, "market/ws/btcusdt@markPrice@1s") as socket,
        ):
            clock.advance(1.0)
            exchange.desk.tick()
            first = await self.heard(exchange, socket)
            clock.advance(0.5)
            exchange.desk.tick()
            clock.advance(0.5)
            exchange.desk.tick()
            second = await self.heard(exchange, socket)

            assert (first["p"], second["E"] - first["E"]) == ("50000.00000000", 1000)

    @in_loop
    async def test_bars_and_trades_are_not_repeated(self) -> None:
        async with open_exchange({"BTCUSDT": candles(3)}) as exchange, raw(exchange) as client:
            path = "market/stream?streams=btcusdt@kline_1m/btcusdt@aggTrade/btcusdt@markPrice"
            async with listening(client, path) as socket:
                exchange.desk.step(timedelta(minutes=5))
                heard: list[str] = []
                while len(heard) < 3 * 11 + 1:
                    heard.append((await self.heard(exchange, socket))["stream"])

                # Three points of the first minute, four of each other one, and the mark once more at the end.
                assert heard.count("btcusdt@kline_1m") == heard.count("btcusdt@aggTrade") == 11
                assert heard.count("btcusdt@markPrice") == 12

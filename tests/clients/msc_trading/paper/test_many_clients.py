"""Several clients at once, and the exchange as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiohttp
from paper_builders import KEY, ManualClock, RawClient, candles, config, in_loop, library, open_exchange, raw

from msc_trading.paper import PaperExchange, RateLimits

CLIENTS, ORDERS = 8, 25
SOURCES = Path(__file__).parents[4] / "clients" / "python"
PLENTY = RateLimits(orders_per_10s=10_000, orders_per_minute=10_000, weight_per_minute=100_000)


async def trade(client: RawClient, name: int) -> list[int]:
    answers = [
        await client.order(newClientOrderId=f"c{name}-{number}", side="SELL" if number % 2 else "BUY")
        for number in range(ORDERS)
    ]
    return [answer.body["orderId"] for answer in answers]


@in_loop
async def test_clients_at_once_get_every_order_once() -> None:
    async with open_exchange(rate_limits=PLENTY) as exchange, raw(exchange) as client:
        placed = await asyncio.gather(*(trade(client, name) for name in range(CLIENTS)))

        order_ids = [order_id for found in placed for order_id in found]
        state = exchange.desk.engine.state
        assert len(set(order_ids)) == len(state.orders) == CLIENTS * ORDERS
        assert len({order.client_order_id for order in state.orders.values()}) == CLIENTS * ORDERS
        assert state.positions["BTCUSDT"].quantity == CLIENTS
        assert len(state.trades["BTCUSDT"]) == CLIENTS * ORDERS


@in_loop
async def test_each_of_several_listeners_hears_every_fill_once_and_in_the_same_order() -> None:
    async with open_exchange(rate_limits=PLENTY) as exchange, raw(exchange) as client:
        key = (await client.send("POST", "/fapi/v1/listenKey")).body["listenKey"]
        url = f"{exchange.stream_url}private/ws?listenKey={key}"
        streams = [await client.session.ws_connect(url) for _ in range(3)]

        await asyncio.gather(*(trade(client, name) for name in range(4)))

        heard = [await fills(stream, 4 * ORDERS) for stream in streams]
        assert heard[0] == heard[1] == heard[2]
        assert heard[0] == [each.trade_id for each in exchange.desk.engine.state.trades["BTCUSDT"]]
        for stream in streams:
            await stream.close()


async def fills(stream: aiohttp.ClientWebSocketResponse, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        message = await stream.receive_json()
        if message["e"] == "ORDER_TRADE_UPDATE" and message["o"]["x"] == "TRADE":
            found.append(message["o"]["t"])
    return found


@in_loop
async def test_the_limit_on_orders_holds_for_all_clients_together() -> None:
    async with open_exchange(rate_limits=RateLimits(orders_per_10s=30)) as exchange, raw(exchange) as client:
        answers = await asyncio.gather(*(client.order() for _ in range(50)))

        assert [answer.status for answer in answers].count(200) == 30
        assert exchange.desk.engine.state.positions["BTCUSDT"].quantity == 30


@in_loop
async def test_two_libraries_on_one_account_see_each_others_positions() -> None:
    async with open_exchange() as exchange, library(exchange) as one, library(exchange) as other:
        await one.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="1")
        await other.futures_create_order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.4")

        for client in (one, other):
            (position,) = await client.futures_position_information(symbol="BTCUSDT")
            assert position["positionAmt"] == "0.600"


@in_loop
async def test_a_client_that_hangs_up_in_the_middle_does_no_harm() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        host, port = exchange.rest_url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsymbol=BTC")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

        assert (await client.order()).status == 200


@in_loop
async def test_bytes_that_are_no_text_are_refused() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        headers = {"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"}
        url = f"{exchange.rest_url}/fapi/v1/order"
        async with client.session.post(url, data=b"symbol=\xff\xfe&signature=\xff", headers=headers) as answer:
            assert answer.status == 400
            assert (await answer.json())["code"] == -1102


@in_loop
async def test_two_exchanges_live_side_by_side() -> None:
    feed = {"BTCUSDT": candles(5)}
    async with (
        PaperExchange(config(seed=1), feed, clock=ManualClock()) as one,
        PaperExchange(config(seed=2), feed, clock=ManualClock()) as other,
        raw(one) as first,
    ):
        await first.order()

        assert one.desk.engine.state.positions["BTCUSDT"].quantity == 1
        assert other.desk.engine.state.positions["BTCUSDT"].quantity == 0
        assert one.rest_url != other.rest_url


@in_loop
async def test_it_runs_as_a_process_until_it_is_terminated() -> None:
    arguments = ["-m", "msc_trading.paper", "--port", "0", "--admin-port", "0", "--seed", "4", "--paused"]
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE, env=environment)
    assert process.stdout is not None
    try:
        told = json.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as session, session.get(f"{told['admin_url']}/status") as answer:
            status = await answer.json()
        assert (status["seed"], status["paused"], status["now"]) == (4, True, told["origin"])
    finally:
        process.send_signal(signal.SIGTERM)

    assert await process.wait() == 0

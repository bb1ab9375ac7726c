"""Every fault, and what a client sees of it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from decimal import Decimal

import aiohttp
import pytest
from paper_builders import (
    KEY,
    SECRET,
    Json,
    ManualClock,
    RawClient,
    in_loop,
    library,
    open_exchange,
    opened,
    raw,
    sockets,
    until,
)

from msc_trading.paper import PaperExchange
from msc_trading.paper.http.faults import ArmedEventFault, ArmedRequestFault, EventFault, Faults, RequestFault

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance.exceptions import (  # type: ignore[import-untyped]  # it ships no types
        BinanceAPIException,
        ReadLoopClosed,
    )

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}


def quantity(exchange: PaperExchange) -> Decimal:
    return exchange.desk.engine.state.positions["BTCUSDT"].quantity


async def arm(client: RawClient, kind: RequestFault, **fields: object) -> None:
    answer = await client.admin("POST", "/faults/request", kind=kind.value, **fields)
    assert answer.status == 200, answer.body


class TestRequests:
    @pytest.mark.parametrize(
        ("kind", "status", "code", "words", "bought"),
        [
            (RequestFault.TIMEOUT, 408, -1007, "execution status unknown", 1),
            (RequestFault.UNKNOWN_ERROR, 503, -1000, "Unknown error, please check your request or try again", 1),
            (RequestFault.SERVICE_UNAVAILABLE, 503, -1000, "Service Unavailable.", 0),
            (RequestFault.INTERNAL_ERROR, 503, -1001, "Internal error; unable to process your request.", 0),
            (RequestFault.THROTTLED, 503, -1008, "Reduce-only/close-position orders are exempt", 0),
        ],
    )
    @in_loop
    async def test_an_answer_is_replaced_and_the_order_done_or_not(
        self, kind: RequestFault, status: int, code: int, words: str, bought: int
    ) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            await arm(client, kind)

            answer = await client.order()

            assert (answer.status, answer.code) == (status, code)
            assert words in answer.body["msg"]
            assert quantity(exchange) == bought
            assert (await client.order()).status == 200

    @pytest.mark.parametrize("kind", [RequestFault.UNKNOWN_ERROR, RequestFault.DROP_RESPONSE])
    @in_loop
    async def test_an_unknown_outcome_may_also_be_that_nothing_was_done(self, kind: RequestFault) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            await arm(client, kind, executes=False)

            with_answer = kind is RequestFault.UNKNOWN_ERROR
            if with_answer:
                assert (await client.order()).status == 503
            else:
                with pytest.raises(aiohttp.ClientError):
                    await client.order()

            assert quantity(exchange) == 0

    @in_loop
    async def test_a_dropped_answer_leaves_the_order_and_its_events(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            await arm(client, RequestFault.DROP_RESPONSE, method="POST", path="/fapi/v1/order")

            with pytest.raises(aiohttp.ServerDisconnectedError):
                await client.order(newClientOrderId="mine")

            found = await client.signed("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="mine")
            assert found.body["status"] == "FILLED"

    @in_loop
    async def test_throttling_lets_reducing_orders_through(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            await client.order()
            await arm(client, RequestFault.THROTTLED, count=None)

            assert (await client.order()).code == -1008
            assert (await client.order(side="SELL", reduceOnly="true")).status == 200
            assert quantity(exchange) == 0

    @in_loop
    async def test_a_gateway_error_is_html_and_shows_the_signed_address_in_the_library(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as admin, library(exchange) as client:
            await arm(admin, RequestFault.HTML_502, path="balance")

            with pytest.raises(BinanceAPIException) as broken:
                await client.futures_account_balance()

            assert (broken.value.status_code, broken.value.code) == (502, 0)
            assert "signature=" in broken.value.message

    @in_loop
    async def test_a_fault_is_meant_for_its_method_and_path_and_number_of_times(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            await arm(client, RequestFault.INTERNAL_ERROR, method="GET", path="order", count=2)

            assert (await client.order(newClientOrderId="mine")).status == 200
            asked = [
                await client.signed("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="mine")
                for _ in range(3)
            ]
            assert [answer.status for answer in asked] == [503, 503, 200]

    @in_loop
    async def test_a_delay_holds_the_answer_up(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            await arm(client, RequestFault.DELAY, path="order", delay_s=3600.0)
            await arm(client, RequestFault.DELAY, path="ping", delay_s=0.01)

            held_up = asyncio.create_task(client.order())
            assert (await client.send("GET", "/fapi/v1/ping")).status == 200
            await until(lambda: len(exchange.desk.faults.requests) == 0, what="both delays were taken")

            assert not held_up.done()
            assert quantity(exchange) == 0
            held_up.cancel()
            await asyncio.gather(held_up, return_exceptions=True)

    @in_loop
    async def test_a_delayed_request_is_late(self) -> None:
        clock = ManualClock()
        async with open_exchange(clock=clock, paused=False) as exchange, raw(exchange) as client:
            await arm(client, RequestFault.DELAY, delay_s=0.05)
            sent = asyncio.create_task(client.order(recvWindow=5000))
            await until(lambda: not exchange.desk.faults.requests, what="the delay was taken")

            clock.advance(6.0)

            assert (await sent).code == -1021


class TestClock:
    @in_loop
    async def test_a_wrong_clock_refuses_until_it_is_measured_again(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as admin, library(exchange) as client:
            await admin.admin("POST", "/faults/clock_offset", ms=-4000)

            with pytest.raises(BinanceAPIException) as refused:
                await client.futures_account_balance()
            assert refused.value.code == -1021

            async with library(exchange) as measured_again:
                assert await measured_again.futures_account_balance()
            await admin.admin("DELETE", "/faults")
            assert await client.futures_account_balance()


class TestFreeze:
    @in_loop
    async def test_nothing_is_answered_or_sent_until_it_ends(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            key = (await client.send("POST", "/fapi/v1/listenKey")).body["listenKey"]
            async with client.session.ws_connect(f"{exchange.stream_url}private/ws?listenKey={key}") as stream:
                await client.admin("POST", "/faults/freeze")
                frozen = asyncio.create_task(client.order())
                exchange.desk.hub.burst("private", 1)
                assert (await client.admin("GET", "/status")).body["frozen"] is True
                assert not frozen.done()

                await client.admin("POST", "/faults/thaw")

                assert (await frozen).status == 200
                assert (await stream.receive_json())["e"] == "paperBurst"
                assert (await stream.receive_json())["e"] == "ORDER_TRADE_UPDATE"

    @in_loop
    async def test_it_ends_by_itself_after_its_time(self) -> None:
        clock = ManualClock()
        async with open_exchange(clock=clock) as exchange, raw(exchange) as client:
            await client.admin("POST", "/faults/freeze", seconds=10.0)
            frozen = asyncio.create_task(client.send("GET", "/fapi/v1/ping"))

            clock.advance(9.9)
            exchange.desk.tick()
            assert not exchange.desk.thawed.is_set()
            clock.advance(0.1)
            exchange.desk.tick()

            assert (await frozen).status == 200


class TestEvents:
    async def story(self, client: RawClient, exchange: PaperExchange) -> list[str]:
        """Returns the types of the messages of one order, up to a mark behind them."""
        key = (await client.send("POST", "/fapi/v1/listenKey")).body["listenKey"]
        async with client.session.ws_connect(f"{exchange.stream_url}private/ws?listenKey={key}") as stream:
            await client.order()
            exchange.desk.hub.burst("private", 1)
            told: list[str] = []
            while (message := await stream.receive_json())["e"] != "paperBurst":
                told.append(message["e"])
            return told

    @pytest.mark.parametrize(
        ("kind", "event", "count", "expected"),
        [
            (None, "", 1, ["ORDER", "LITE", "ACCOUNT", "ORDER"]),
            (EventFault.OMIT, "ACCOUNT_UPDATE", 1, ["ORDER", "LITE", "ORDER"]),
            (EventFault.OMIT, "", None, []),
            (EventFault.DUPLICATE, "ORDER_TRADE_UPDATE", 2, ["ORDER", "ORDER", "LITE", "ACCOUNT", "ORDER", "ORDER"]),
            (EventFault.REORDER, "ORDER_TRADE_UPDATE", 1, ["LITE", "ORDER", "ACCOUNT", "ORDER"]),
            (EventFault.REORDER, "TRADE_LITE", 1, ["ORDER", "ACCOUNT", "LITE", "ORDER"]),
            (EventFault.REORDER, "", 2, ["ACCOUNT", "ORDER", "LITE", "ORDER"]),
        ],
    )
    @in_loop
    async def test_messages_are_lost_doubled_or_out_of_order(
        self, kind: EventFault | None, event: str, count: int | None, expected: list[str]
    ) -> None:
        short = {"ORDER_TRADE_UPDATE": "ORDER", "TRADE_LITE": "LITE", "ACCOUNT_UPDATE": "ACCOUNT"}
        async with open_exchange() as exchange, raw(exchange) as client:
            if kind is not None:
                answer = await client.admin("POST", "/faults/event", kind=kind.value, event=event, count=count)
                assert answer.status == 200

            assert [short[each] for each in await self.story(client, exchange)] == expected

    def test_a_message_that_is_held_goes_out_with_the_next_one(self) -> None:
        faults, sent = Faults(), list[str]()
        faults.events.append(ArmedEventFault(kind=EventFault.REORDER))

        for text in ("first", "second", "third"):
            faults.mangle("e", text, sent.append)

        assert sent == ["second", "first", "third"]


class TestStreams:
    @in_loop
    async def test_a_killed_stream_breaks_and_the_library_comes_back(self) -> None:
        async with (
            open_exchange() as exchange,
            raw(exchange) as admin,
            library(exchange) as client,
            opened(exchange, sockets(exchange, client).futures_user_socket()) as stream,
        ):
            await until(lambda: exchange.desk.hub.count("private") == 1, what="the stream is open")

            assert (await admin.admin("POST", "/streams/kill", category="private")).body == {"killed": 1}

            assert (await stream.recv())["e"] == "error"
            await until(lambda: exchange.desk.hub.count("private") == 1, what="the library is back")
            await client.futures_create_order(**ORDER)
            message = await stream.recv()
            while message["e"] == "error":
                message = await stream.recv()
            assert message["o"]["X"] == "NEW"

    @pytest.mark.parametrize(("category", "killed"), [("market", 1), ("private", 0), ("", 1)])
    @in_loop
    async def test_only_the_named_category_is_killed(self, category: str, killed: int) -> None:
        async with (
            open_exchange() as exchange,
            raw(exchange) as client,
            client.session.ws_connect(f"{exchange.stream_url}market/ws/btcusdt@aggTrade"),
        ):
            answer = await client.admin("POST", "/streams/kill", category=category)

            assert answer.body == {"killed": killed}

    @in_loop
    async def test_an_expired_listen_key_is_told_and_the_next_one_is_another(self) -> None:
        async with (
            open_exchange() as exchange,
            raw(exchange) as admin,
            library(exchange) as client,
            opened(exchange, sockets(exchange, client).futures_user_socket()) as stream,
        ):
            before = await client.futures_stream_get_listen_key()

            assert (await admin.admin("POST", "/listen_keys/expire")).body == {"expired": 1}

            assert (await stream.recv())["e"] == "listenKeyExpired"
            assert await client.futures_stream_get_listen_key() != before

    @in_loop
    async def test_a_burst_overflows_a_small_queue_and_ends_the_librarys_loop(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as admin, library(exchange) as client:
            stream = sockets(exchange, client, queue=100).futures_user_socket()
            await stream.connect()

            answer = await admin.admin("POST", "/streams/burst")

            assert answer.body == {"connections": 1, "count": 300}
            await until(lambda: stream._handle_read_loop is None, what="the library's loop has ended")
            with pytest.raises(ReadLoopClosed):
                await stream.recv()
            await stream.close()

    @in_loop
    async def test_a_large_queue_holds_the_burst(self) -> None:
        async with (
            open_exchange() as exchange,
            raw(exchange) as admin,
            library(exchange) as client,
            opened(exchange, sockets(exchange, client).futures_user_socket()) as stream,
        ):
            await admin.admin("POST", "/streams/burst", count=300)

            assert [(await stream.recv())["n"] for _ in range(300)] == list(range(300))


class TestLiquidation:
    @pytest.mark.parametrize(("by_adl", "client_id"), [(False, "autoclose-"), (True, "adl_autoclose")])
    @in_loop
    async def test_a_position_is_taken_away(self, by_adl: bool, client_id: str) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            await client.order()

            answer = await client.admin("POST", "/liquidate", symbol="BTCUSDT", by_adl=by_adl)

            assert answer.body["clientOrderId"].startswith(client_id)
            assert quantity(exchange) == 0


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/fapi/v1/order", True),
        ("GET", "/fapi/v1/order", False),
        ("POST", "/fapi/v1/order/test", False),
        ("POST", "/fapi/v1/algoOrder", False),
    ],
)
def test_a_path_may_be_named_whole_or_by_its_end(method: str, path: str, expected: bool) -> None:
    for named in ("/fapi/v1/order", "order"):
        fault = ArmedRequestFault(kind=RequestFault.DELAY, method="post", path=named)

        assert fault.matches(method, path) is expected


def test_clearing_disarms_everything() -> None:
    faults = Faults()
    faults.requests.append(ArmedRequestFault(kind=RequestFault.HTML_502, count=None))
    faults.events.append(ArmedEventFault(kind=EventFault.OMIT, count=None))
    taken: Callable[[], Json] = lambda: faults.take("GET", "/fapi/v1/ping")  # noqa: E731 -- asked twice
    assert taken()

    faults.clear()

    assert not taken()


def test_the_default_key_is_the_documented_one() -> None:
    from msc_trading.paper import PaperConfig

    assert [(key.key, key.secret) for key in PaperConfig().keys] == [(KEY, SECRET)]

"""The unmodified python-binance client trades here."""

from __future__ import annotations

import warnings
from datetime import timedelta
from decimal import Decimal

import pytest
from paper_builders import (
    Untyped,
    candles,
    in_loop,
    library,
    open_exchange,
    opened,
    read_until,
    sockets,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance.exceptions import BinanceAPIException  # type: ignore[import-untyped]  # it ships no types

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.5"}
REST = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.5", "price": "49000", "timeInForce": "GTC"}
STOP = {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "stopPrice": "49000", "closePosition": True}


@in_loop
async def test_it_connects_and_reads_the_market() -> None:
    async with open_exchange() as exchange, library(exchange) as client:
        assert await client.futures_ping() == {}
        assert (await client.futures_time())["serverTime"] == exchange.desk.time.now_ms()
        info = await client.futures_exchange_info()
        assert [row["symbol"] for row in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
        assert (await client.futures_symbol_ticker(symbol="BTCUSDT"))["price"] == "50000.00"
        assert {row["symbol"] for row in await client.futures_symbol_ticker()} == {"BTCUSDT", "ETHUSDT"}
        assert (await client.futures_orderbook_ticker(symbol="BTCUSDT"))["askPrice"] == "50000.10"
        book = await client.futures_order_book(symbol="BTCUSDT", limit=5)
        assert (book["bids"][0][0], len(book["asks"])) == ("50000.00", 5)
        assert (await client.futures_mark_price(symbol="BTCUSDT"))["markPrice"] == "50000.00000000"
        assert (await client.futures_ticker(symbol="BTCUSDT"))["lastPrice"] == "50000.00"
        assert await client.futures_funding_rate(symbol="BTCUSDT") == []


@in_loop
async def test_it_reads_and_sets_the_account() -> None:
    async with open_exchange() as exchange, library(exchange) as client:
        await client.futures_create_order(**BUY)

        (balance,) = await client.futures_account_balance()
        assert balance["balance"] == "999989.99998000"
        account = await client.futures_account()
        assert account["totalWalletBalance"] == balance["balance"]
        assert [row["positionAmt"] for row in account["positions"]] == ["0.500", "0.000"]
        (position,) = await client.futures_position_information()
        assert (position["positionAmt"], position["entryPrice"]) == ("0.500", "50000.1")
        assert (await client.futures_change_leverage(symbol="BTCUSDT", leverage=10))["leverage"] == 10
        configured = await client.futures_symbol_config(symbol="BTCUSDT")
        assert (configured[0]["leverage"], configured[0]["marginType"]) == (10, "CROSSED")
        assert (await client.futures_account_config())["dualSidePosition"] is False
        assert await client.futures_get_position_mode() == {"dualSidePosition": False}
        assert (await client.futures_commission_rate(symbol="BTCUSDT"))["takerCommissionRate"] == "0.0004"
        assert (await client.futures_leverage_bracket(symbol="BTCUSDT"))[0]["brackets"][0]["initialLeverage"] == 125
        assert (await client.futures_get_multi_assets_mode())["multiAssetsMargin"] is False


@in_loop
async def test_it_places_queries_amends_and_cancels_orders() -> None:
    async with open_exchange() as exchange, library(exchange) as client:
        placed = await client.futures_create_order(**REST, newClientOrderId="mine")
        mine = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}

        assert (await client.futures_get_order(**mine))["orderId"] == placed["orderId"]
        assert [row["clientOrderId"] for row in await client.futures_get_open_orders()] == ["mine"]
        amended = await client.futures_modify_order(**mine, side="BUY", quantity="0.6", price="49100")
        assert (amended["origQty"], amended["price"]) == ("0.600", "49100.00")
        assert (await client.futures_cancel_order(**mine))["status"] == "CANCELED"
        assert [row["status"] for row in await client.futures_get_all_orders(symbol="BTCUSDT")] == ["CANCELED"]
        await client.futures_create_order(**REST)
        assert (await client.futures_cancel_all_open_orders(symbol="BTCUSDT"))["code"] == 200
        assert await client.futures_get_open_orders(symbol="BTCUSDT") == []
        assert await client.futures_create_test_order(**BUY) == {}


@in_loop
async def test_it_places_and_cancels_in_batches() -> None:
    async with open_exchange() as exchange, library(exchange) as client:
        orders = [dict(REST, newClientOrderId=f"n{number}") for number in range(2)] + [dict(REST, quantity="0.0001")]

        answers = await client.futures_place_batch_order(batchOrders=orders)
        cancelled = await client.futures_cancel_orders(symbol="BTCUSDT", origclientorderidlist=["n0", "gone"])

        assert [answer.get("status", answer.get("code")) for answer in answers] == ["NEW", "NEW", -1111]
        assert [answer.get("status", answer.get("code")) for answer in cancelled] == ["CANCELED", -2011]
        assert [row["clientOrderId"] for row in await client.futures_get_open_orders()] == ["n1"]


@in_loop
async def test_it_keeps_protective_stops() -> None:
    async with open_exchange() as exchange, library(exchange) as client:
        await client.futures_create_order(**BUY)

        placed = await client.futures_create_order(**STOP, clientAlgoId="stop-1")
        assert (placed["clientAlgoId"], placed["algoStatus"], placed["closePosition"]) == ("stop-1", "NEW", True)
        assert [row["algoId"] for row in await client.futures_get_open_algo_orders()] == [placed["algoId"]]
        assert (await client.futures_get_algo_order(clientAlgoId="stop-1"))["triggerPrice"] == "49000.00"
        assert (await client.futures_cancel_algo_order(clientAlgoId="stop-1"))["msg"] == "success"
        await client.futures_create_order(**STOP)
        assert (await client.futures_cancel_all_algo_open_orders(symbol="BTCUSDT"))["code"] == 200
        history = await client.futures_get_all_algo_orders(symbol="BTCUSDT")
        assert [row["algoStatus"] for row in history] == ["CANCELED", "CANCELED"]
        assert (await client.futures_countdown_cancel_all(symbol="BTCUSDT", countdownTime=0))["countdownTime"] == "0"


@in_loop
async def test_a_stop_that_triggered_is_found_by_its_own_id() -> None:
    async with open_exchange() as exchange, library(exchange) as client:
        await client.futures_create_order(**BUY)
        await client.futures_create_order(**STOP, clientAlgoId="stop-1")

        exchange.desk.set_price("BTCUSDT", Decimal(48000))

        order = await client.futures_get_order(symbol="BTCUSDT", origClientOrderId="stop-1")
        algo = await client.futures_get_algo_order(clientAlgoId="stop-1")
        assert (order["status"], order["avgPrice"], order["origType"]) == ("FILLED", "49000.00", "STOP_MARKET")
        assert (algo["algoStatus"], algo["actualOrderId"]) == ("FINISHED", str(order["orderId"]))
        assert [row["realizedPnl"] for row in await client.futures_account_trades(symbol="BTCUSDT")] == [
            "0.00000000",
            "-500.05000000",
        ]
        assert {row["incomeType"] for row in await client.futures_income_history()} == {
            "TRANSFER",
            "COMMISSION",
            "REALIZED_PNL",
        }


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": 0.00001}, -1100),
        # The sign is encoded on the way, after it was signed plain.
        ({"quantity": Decimal("1E+2")}, -1022),
        ({"quantity": "0.0005"}, -1111),
        ({"symbol": "DOGEUSDT"}, -1121),
        ({"side": "LONG"}, -1117),
        ({"reduceOnly": True}, -2022),
        ({"newClientOrderId": "a:b"}, -1022),
        ({"positionSide": "LONG"}, -4061),
    ],
)
@in_loop
async def test_a_refusal_reaches_it_with_its_code(changes: dict[str, object], code: int) -> None:
    async with open_exchange() as exchange, library(exchange) as client:
        with pytest.raises(BinanceAPIException) as refused:
            await client.futures_create_order(**BUY | changes)

        assert refused.value.code == code


@pytest.mark.parametrize(("attempt", "code"), [("futures_cancel_order", -2011), ("futures_get_order", -2013)])
@in_loop
async def test_an_order_that_is_not_there_is_told_in_two_ways(attempt: str, code: int) -> None:
    async with open_exchange() as exchange, library(exchange) as client:
        with pytest.raises(BinanceAPIException) as refused:
            await getattr(client, attempt)(symbol="BTCUSDT", origClientOrderId="never")

        assert refused.value.code == code


@in_loop
async def test_a_wrong_secret_is_refused() -> None:
    async with open_exchange() as exchange, library(exchange, secret="wrong") as client:
        with pytest.raises(BinanceAPIException) as refused:
            await client.futures_account_balance()

        assert refused.value.code == -1022


@in_loop
async def test_it_stays_in_time_at_a_day_in_a_minute() -> None:
    feed = {"BTCUSDT": candles(3000)}
    async with open_exchange(feed, paused=False, speed=1440.0) as exchange, library(exchange) as client:
        started = exchange.now()
        while exchange.now() - started < timedelta(minutes=30):
            await client.futures_account_balance()

        await client.futures_create_order(**BUY)
        assert (await client.futures_position_information())[0]["positionAmt"] == "0.500"


def private_story(messages: list[Untyped]) -> list[str]:
    """Returns what came on the private stream, each as a short text."""
    return [
        f"{message['e']} {message['o']['X']}" if message["e"] == "ORDER_TRADE_UPDATE" else message["e"]
        for message in messages
    ]


@in_loop
async def test_the_user_stream_tells_of_orders_in_their_order() -> None:
    async with (
        open_exchange() as exchange,
        library(exchange) as client,
        opened(exchange, sockets(exchange, client).futures_user_socket()) as stream,
    ):
        await client.futures_create_order(**BUY, newClientOrderId="mine")

        messages = await read_until(stream, lambda message: message.get("o", {}).get("X") == "FILLED")

        assert private_story(messages) == [
            "ORDER_TRADE_UPDATE NEW",
            "TRADE_LITE",
            "ACCOUNT_UPDATE",
            "ORDER_TRADE_UPDATE FILLED",
        ]
        assert {message["o"]["c"] for message in messages if "o" in message} == {"mine"}
        account = messages[2]["a"]
        assert (account["m"], account["P"][0]["pa"], account["B"][0]["wb"]) == ("ORDER", "0.5", "999989.99998000")


@in_loop
async def test_the_user_stream_tells_of_stops_leverage_and_liquidation() -> None:
    async with (
        open_exchange() as exchange,
        library(exchange) as client,
        opened(exchange, sockets(exchange, client).futures_user_socket()) as stream,
    ):
        await client.futures_change_leverage(symbol="BTCUSDT", leverage=5)
        assert (await stream.recv())["ac"] == {"s": "BTCUSDT", "l": 5}
        await client.futures_create_order(**STOP, clientAlgoId="stop-1")
        assert (await stream.recv())["o"]["caid"] == "stop-1"
        await client.futures_create_order(**BUY)
        exchange.desk.liquidate("BTCUSDT")

        messages = await read_until(stream, lambda message: message.get("o", {}).get("x") == "CALCULATED")

        assert messages[-1]["o"]["c"].startswith("autoclose-")


@in_loop
async def test_the_market_streams_bring_bars_marks_and_trades() -> None:
    names = ["btcusdt@kline_1m", "btcusdt@markPrice@1s", "btcusdt@aggTrade", "btcusdt@miniTicker"]
    async with open_exchange({"BTCUSDT": candles(50)}) as exchange, library(exchange) as client:
        async with opened(exchange, sockets(exchange, client).futures_multiplex_socket(names)) as stream:
            exchange.desk.step(timedelta(minutes=2))
            messages = await read_until(stream, lambda message: message["data"].get("k", {}).get("x", False))

        assert {message["stream"] for message in messages} == set(names)
        assert messages[-1]["data"]["k"]["c"] == "50010.00"


@in_loop
async def test_the_other_market_sockets_of_the_library_work_too() -> None:
    async with open_exchange({"BTCUSDT": candles(50)}) as exchange, library(exchange) as client:
        manager = sockets(exchange, client)
        found: list[tuple[Untyped, str]] = [
            (manager.kline_futures_socket("BTCUSDT"), "continuous_kline"),
            (manager.symbol_ticker_futures_socket("BTCUSDT"), "bookTicker"),
            (manager.symbol_mark_price_socket("BTCUSDT", fast=True), "markPriceUpdate"),
            (manager.aggtrade_futures_socket("BTCUSDT"), "aggTrade"),
            (manager.futures_depth_socket("BTCUSDT", depth="10"), "depthUpdate"),
            (manager.individual_symbol_ticker_futures_socket("BTCUSDT"), "24hrTicker"),
        ]
        for socket, kind in found:
            async with opened(exchange, socket):
                exchange.desk.step(timedelta(minutes=1))
                message = await socket.recv()
                assert message.get("data", message)["e"] == kind

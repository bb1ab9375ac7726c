"""Conversations with the exchange, as a desk would have them: what is asked, what is answered, what is heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

import aiohttp
from paper_builders import Changes, Json, RawClient, in_loop, open_exchange, raw

from msc_trading.paper import PaperExchange


@dataclass
class Conversation:
    """A client with its private stream. `heard` is what came since it was last looked at."""

    exchange: PaperExchange
    client: RawClient
    stream: aiohttp.ClientWebSocketResponse
    answers: list[Json] = field(default_factory=list)

    async def buys(self, quantity: str, **changes: Changes) -> Self:
        return await self._keep(await self.client.order(quantity=quantity, **changes))

    async def sells(self, quantity: str, **changes: Changes) -> Self:
        return await self._keep(await self.client.order(quantity=quantity, side="SELL", **changes))

    async def protects(self, trigger: str, **changes: Changes) -> Self:
        return await self._keep(await self.client.algo(triggerPrice=trigger, **changes))

    async def cancels(self, name: str) -> Self:
        answer = await self.client.signed("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId=name)
        return await self._keep(answer)

    async def _keep(self, answer: Changes) -> Self:
        self.answers.append(answer.body)
        return self

    async def heard(self) -> list[str]:
        """Returns what came: type and state, up to now."""
        self.exchange.desk.hub.burst("private", 1)
        told = []
        while (message := await self.stream.receive_json())["e"] != "paperBurst":
            told.append(_short(message))
        return told

    async def position(self) -> str:
        rows = (await self.client.signed("GET", "/fapi/v3/positionRisk", symbol="BTCUSDT")).body
        return str(rows[0]["positionAmt"]) if rows else "0"

    def market_goes(self, price: str) -> None:
        self.exchange.desk.set_price("BTCUSDT", Decimal(price))


def _short(message: Json) -> str:
    match message["e"]:
        case "ORDER_TRADE_UPDATE":
            order = message["o"]
            return f"{order['x']} {order['c']} {order['X']} {order['z']}/{order['q']}"
        case "ALGO_UPDATE":
            return f"ALGO {message['o']['caid']} {message['o']['X']}"
        case "ACCOUNT_UPDATE":
            rows = message["a"]["P"]
            return f"ACCOUNT {message['a']['m']} {rows[0]['pa'] if rows else '-'}"
    return str(message["e"])


@asynccontextmanager
async def conversation(**changes: Changes) -> AsyncIterator[Conversation]:
    async with open_exchange(**changes) as exchange, raw(exchange) as client:
        key = (await client.send("POST", "/fapi/v1/listenKey")).body["listenKey"]
        async with client.session.ws_connect(f"{exchange.stream_url}private/ws?listenKey={key}") as stream:
            yield Conversation(exchange, client, stream)


@in_loop
async def test_in_with_a_stop_and_out_by_it() -> None:
    async with conversation() as desk:
        await desk.buys("12", newClientOrderId="in")
        await desk.protects("49000", clientAlgoId="stop")
        assert await desk.heard() == [
            "NEW in NEW 0/12",
            "TRADE_LITE",
            "ACCOUNT ORDER 10",
            "TRADE in PARTIALLY_FILLED 10/12",
            "TRADE_LITE",
            "ACCOUNT ORDER 12",
            "TRADE in FILLED 12/12",
            "ALGO stop NEW",
        ]

        desk.market_goes("48900")

        assert await desk.heard() == [
            "ALGO stop TRIGGERING",
            "ALGO stop TRIGGERED",
            "NEW stop NEW 0/12",
            "TRADE_LITE",
            "ACCOUNT ORDER 2",
            "TRADE stop PARTIALLY_FILLED 10/12",
            "TRADE_LITE",
            "ACCOUNT ORDER 0",
            "TRADE stop FILLED 12/12",
            "ALGO stop FINISHED",
        ]
        assert await desk.position() == "0"


@in_loop
async def test_in_and_out_by_hand_and_the_stop_left_behind_finds_nothing() -> None:
    async with conversation() as desk:
        await desk.buys("1")
        await desk.protects("49000", clientAlgoId="stop")
        await desk.sells("1", reduceOnly="true")
        await desk.heard()

        desk.market_goes("48900")

        assert await desk.heard() == ["ALGO stop TRIGGERING", "ALGO stop REJECTED"]
        assert await desk.position() == "0"


@in_loop
async def test_a_position_is_turned_with_two_orders() -> None:
    async with conversation() as desk:
        await desk.buys("2")
        await desk.sells("5", reduceOnly="true", newClientOrderId="out")
        assert await desk.position() == "0"
        await desk.sells("2")

        assert await desk.position() == "-2.000"
        told = await desk.heard()
        assert "EXPIRED out EXPIRED 2/5" in told


@in_loop
async def test_a_resting_order_is_filled_in_parts_and_its_rest_cancelled() -> None:
    resting = {"type": "LIMIT", "timeInForce": "GTC", "price": "49900", "newClientOrderId": "rest"}
    async with conversation() as desk:
        await desk.buys("15", **resting)
        desk.market_goes("49899.90")
        await desk.cancels("rest")

        told = await desk.heard()
        assert told[0] == "NEW rest NEW 0/15"
        assert told[-2:] == ["TRADE rest PARTIALLY_FILLED 10/15", "CANCELED rest CANCELED 10/15"]
        assert (desk.answers[-1]["status"], desk.answers[-1]["executedQty"]) == ("CANCELED", "10.000")
        await desk.cancels("rest")
        assert desk.answers[-1]["code"] == -2011
        assert await desk.position() == "10.000"


@in_loop
async def test_a_name_sent_again_after_its_fill_buys_again() -> None:
    async with conversation() as desk:
        await desk.buys("1", newClientOrderId="same")
        await desk.buys("1", newClientOrderId="same")

        assert desk.answers[0]["orderId"] != desk.answers[1]["orderId"]
        assert await desk.position() == "2.000"


@in_loop
async def test_an_account_that_loses_too_much_is_taken_out() -> None:
    async with conversation(starting_balance=Decimal(30_000)) as desk:
        await desk.buys("10")
        await desk.heard()

        desk.market_goes("47000")

        told = await desk.heard()
        assert told[0].startswith("NEW autoclose-")
        assert told[1:3] == ["TRADE_LITE", "ACCOUNT ORDER 0"]
        assert told[3].startswith("CALCULATED autoclose-")
        assert told[4] == "ACCOUNT INSURANCE_CLEAR -"
        trades = (await desk.client.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")).body
        assert Decimal(trades[-1]["realizedPnl"]) == Decimal(-30_001)


@in_loop
async def test_an_order_too_large_for_the_margin_is_refused_and_a_smaller_one_taken() -> None:
    async with conversation(starting_balance=Decimal(10_000)) as desk:
        await desk.buys("5")
        await desk.buys("3")

        assert [answer.get("code", answer.get("status")) for answer in desk.answers] == [-2019, "NEW"]
        assert await desk.position() == "3.000"

"""The admin port."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from paper_builders import NOON, ManualClock, candles, in_loop, open_exchange, raw


@in_loop
async def test_status_tells_how_the_exchange_is_doing() -> None:
    async with open_exchange(seed=7) as exchange, raw(exchange) as client:
        await client.order()
        await client.algo()
        await client.order(type="LIMIT", price="49000", timeInForce="GTC")

        told = (await client.admin("GET", "/status")).body

        assert told["now"] == NOON.isoformat()
        assert (told["paused"], told["seed"], told["feed_ended"]) == (True, 7, True)
        assert told["prices"] == {"BTCUSDT": "50000", "ETHUSDT": "3000"}
        assert (told["positions"], told["open_orders"], told["open_algos"]) == ({"BTCUSDT": "1"}, 1, 1)
        assert told["trades"] == 1


@in_loop
async def test_time_is_stepped_stopped_and_sped_up_by_hand() -> None:
    clock = ManualClock()
    async with open_exchange({"BTCUSDT": candles(100)}, clock=clock) as exchange, raw(exchange) as client:
        stepped = await client.admin("POST", "/step", seconds=90)
        assert stepped.body["now"] == (NOON + timedelta(seconds=90)).isoformat()
        assert exchange.desk.engine.state.markets["BTCUSDT"].last == Decimal(50005)

        assert (await client.admin("POST", "/resume")).body["paused"] is False
        await client.admin("POST", "/speed", speed=60.0)
        clock.advance(1.0)
        assert (await client.admin("POST", "/pause")).body["now"] == (NOON + timedelta(seconds=150)).isoformat()
        clock.advance(1.0)
        assert exchange.now() == NOON + timedelta(seconds=150)


@in_loop
async def test_a_price_is_moved_by_hand_and_stops_see_it() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        await client.order()
        await client.algo()

        await client.admin("POST", "/price", symbol="BTCUSDT", price="48000")

        assert exchange.desk.engine.state.trades["BTCUSDT"][-1].price == 49000
        jumped = await client.admin("POST", "/price", symbol="BTCUSDT", price="40000.04", jumps=True)
        assert jumped.body["price"] == "40000"


@in_loop
async def test_every_fill_is_told_with_the_clients_id() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        for number in range(3):
            await client.order(newClientOrderId=f"n{number}", symbol=["BTCUSDT", "ETHUSDT"][number % 2])

        told = (await client.admin("GET", "/trades")).body

        assert [row["clientOrderId"] for row in told] == ["n0", "n1", "n2"]
        assert {row["commission"] for row in told if row["symbol"] == "BTCUSDT"} == {"20.00004000"}


@pytest.mark.parametrize(
    ("method", "path", "fields", "named"),
    [
        ("POST", "/step", {}, "seconds"),
        ("POST", "/step", {"seconds": -1}, "seconds"),
        ("POST", "/step", {"seconds": "soon"}, "seconds"),
        ("POST", "/step", {"seconds": True}, "seconds"),
        ("POST", "/step", {"seconds": 1, "minutes": 1}, "minutes"),
        ("POST", "/speed", {"speed": 0}, "speed"),
        ("POST", "/price", {"symbol": "BTCUSDT", "price": "high"}, "price"),
        ("POST", "/price", {"symbol": "BTCUSDT", "price": "-1"}, "price"),
        ("POST", "/price", {"symbol": "BTCUSDT", "price": "NaN"}, "price"),
        ("POST", "/price", {"symbol": "BTCUSDT", "price": 50000}, "price"),
        ("POST", "/price", {"symbol": "DOGEUSDT", "price": "1"}, "Invalid symbol"),
        ("POST", "/liquidate", {"symbol": "DOGEUSDT"}, "Invalid symbol"),
        ("POST", "/liquidate", {"symbol": "BTCUSDT", "by_adl": "yes"}, "by_adl"),
        ("POST", "/faults/request", {"kind": "sunspots"}, "kind"),
        ("POST", "/faults/request", {"kind": "delay", "count": 0}, "count"),
        ("POST", "/faults/request", {"kind": "delay", "for": 1}, "for"),
        ("POST", "/faults/event", {"kind": "omit", "count": "all"}, "count"),
        ("POST", "/faults/event", {}, "kind"),
        ("POST", "/faults/clock_offset", {"ms": None}, "ms"),
        ("POST", "/streams/kill", {"category": "secret"}, "category"),
        ("POST", "/streams/burst", {"count": 1.5}, "count"),
    ],
)
@in_loop
async def test_what_is_badly_asked_is_refused_by_name_and_not_done(
    method: str, path: str, fields: dict[str, object], named: str
) -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        answer = await client.admin(method, path, **fields)

        assert answer.status == 400
        assert named in answer.body["error"]
        assert exchange.now() == NOON
        assert (exchange.desk.faults.requests, exchange.desk.faults.events) == ([], [])


@pytest.mark.parametrize("body", ["no json", "[]"])
@in_loop
async def test_only_json_objects_are_understood(body: str) -> None:
    async with (
        open_exchange() as exchange,
        raw(exchange) as client,
        client.session.post(f"{exchange.admin_url}/step", data=body) as response,
    ):
        assert response.status == 400
        assert "body" in (await response.json())["error"]


@in_loop
async def test_an_action_that_is_not_there_is_answered_with_those_that_are() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        answer = await client.admin("POST", "/explode")

        assert answer.status == 404
        assert "POST /step" in answer.body["actions"]


@in_loop
async def test_the_admin_port_is_not_the_clients_port() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        assert (await client.send("GET", "/status")).status == 404
        async with client.session.get(f"{exchange.admin_url}/fapi/v1/ping") as response:
            assert response.status == 404


@in_loop
async def test_what_is_armed_is_told_and_cleared() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        await client.admin("POST", "/faults/request", kind="html_502", path="order", count=None)
        await client.admin("POST", "/faults/event", kind="omit", event="TRADE_LITE", count=3)
        armed = (await client.admin("POST", "/faults/clock_offset", ms=1500)).body
        await client.admin("POST", "/faults/freeze")

        assert armed == {
            "requests": [{"kind": "html_502", "method": "", "path": "order", "count": None}],
            "events": [{"kind": "omit", "event": "TRADE_LITE", "count": 3}],
            "clock_offset_ms": 1500,
        }
        cleared = (await client.admin("DELETE", "/faults")).body
        assert cleared == {"requests": [], "events": [], "clock_offset_ms": 0}
        assert exchange.desk.thawed.is_set()

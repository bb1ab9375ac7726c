"""Requests on the wire: who is let in, what is answered, what the headers say."""

from __future__ import annotations

from decimal import Decimal

import pytest
from paper_builders import KEY, NOON, ManualClock, candles, in_loop, open_exchange, raw

from msc_trading.paper import ApiKey, RateLimits
from msc_trading.paper.http.rest import ROUTES

ORDER = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1"
PATH = "/fapi/v1/order"


@in_loop
async def test_a_signature_is_over_the_text_as_it_was_sent() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        text = f"{ORDER}&newClientOrderId=a:b&timestamp={exchange.desk.time.now_ms()}"
        signature = client.sign(text)

        encoded_after_signing = await client.send(
            "POST", PATH, body=f"{text.replace(':', '%3A')}&signature={signature}"
        )
        as_signed = await client.send("POST", PATH, body=f"{text}&signature={signature}")

        assert (encoded_after_signing.status, encoded_after_signing.code) == (400, -1022)
        assert as_signed.body["clientOrderId"] == "a:b"


@in_loop
async def test_query_and_body_are_signed_as_one() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        query, body = "symbol=BTCUSDT&side=BUY&type=MARKET", f"quantity=1&timestamp={exchange.desk.time.now_ms()}"

        answer = await client.send("POST", PATH, query, body=f"{body}&signature={client.sign(query + body)}")

        assert answer.status == 200


@pytest.mark.parametrize(
    ("key", "text", "status", "code"),
    [
        ("", "timestamp={now}&signature={right}", 401, -2014),
        ("stranger", "timestamp={now}&signature={right}", 401, -2015),
        (KEY, "timestamp={now}", 400, -1102),
        (KEY, "signature={right}", 400, -1102),
        (KEY, "timestamp={now}&signature=00", 400, -1022),
        (KEY, "timestamp=soon&signature={right}", 400, -1100),
    ],
)
@in_loop
async def test_a_request_without_proof_is_refused(key: str, text: str, status: int, code: int) -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        now = exchange.desk.time.now_ms()
        filled = text.format(now=now, right=client.sign(f"timestamp={now}"))

        answer = await client.send("GET", "/fapi/v3/balance", filled, key=key)

        assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"recvWindow": 60_001}, -1131),
        ({"recvWindow": 0}, -1131),
        ({"timestamp": 1}, -1021),
        ({"timestamp": 99_999_999_999_999}, -1021),
    ],
)
@in_loop
async def test_a_request_out_of_time_is_refused(params: dict[str, int], code: int) -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        answer = await client.signed("GET", "/fapi/v3/balance", **params)

        assert (answer.status, answer.code) == (400, code)


@in_loop
async def test_a_key_that_may_only_read_cannot_trade() -> None:
    keys = (ApiKey(key=KEY, secret="paper-secret", can_trade=False),)
    async with open_exchange(keys=keys) as exchange, raw(exchange) as client:
        assert (await client.signed("GET", "/fapi/v3/balance")).status == 200
        assert (await client.order()).code == -2015


@in_loop
async def test_keys_share_one_account() -> None:
    keys = tuple(ApiKey(key=f"key-{number}", secret=f"secret-{number}") for number in range(2))
    async with (
        open_exchange(keys=keys) as exchange,
        raw(exchange, key="key-0", secret="secret-0") as one,
        raw(exchange, key="key-1", secret="secret-1") as other,
    ):
        await one.order(newClientOrderId="mine")

        seen = await other.signed("GET", PATH, symbol="BTCUSDT", origClientOrderId="mine")

        assert seen.body["status"] == "FILLED"


@in_loop
async def test_every_answer_tells_the_weight_and_accepted_orders_their_count() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        depth = await client.send("GET", "/fapi/v1/depth", "symbol=BTCUSDT&limit=1000")
        first, second = await client.order(), await client.order()
        refused = await client.order(quantity="0.0001")

        assert depth.headers["X-MBX-USED-WEIGHT-1M"] == "20"
        assert [answer.headers["X-MBX-ORDER-COUNT-10S"] for answer in (first, second)] == ["1", "2"]
        assert second.headers["X-MBX-ORDER-COUNT-1M"] == "2"
        assert "X-MBX-ORDER-COUNT-10S" not in refused.headers
        assert "X-MBX-USED-WEIGHT-1M" in refused.headers


@in_loop
async def test_too_many_requests_are_answered_429_then_418() -> None:
    limits = RateLimits(weight_per_minute=2, tolerated_while_limited=1)
    async with open_exchange(rate_limits=limits) as exchange, raw(exchange) as client:
        answers = [await client.send("GET", "/fapi/v1/ping") for _ in range(5)]

        assert [answer.status for answer in answers] == [200, 200, 429, 418, 418]
        assert [answer.code for answer in answers[2:]] == [-1003] * 3
        assert [answer.headers["Retry-After"] for answer in answers[2:4]] == ["60", "120"]


@in_loop
async def test_too_many_orders_are_refused() -> None:
    async with open_exchange(rate_limits=RateLimits(orders_per_10s=2)) as exchange, raw(exchange) as client:
        answers = [await client.order() for _ in range(3)]

        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[2].code == -1015
        assert exchange.desk.engine.state.positions["BTCUSDT"].quantity == 2


@in_loop
async def test_a_path_that_is_not_there_is_not_found() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        assert (await client.send("GET", "/fapi/v9/order")).status == 404
        assert (await client.send("PUT", "/fapi/v1/ping")).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/fapi/v1/order",
        "/fapi/v1/openOrders",
        "/fapi/v1/allOrders",
        "/fapi/v1/userTrades",
        "/fapi/v1/klines",
        "/fapi/v1/depth",
        "/fapi/v1/premiumIndex",
        "/fapi/v1/ticker/24hr",
        "/fapi/v2/ticker/price",
        "/fapi/v1/commissionRate",
        "/fapi/v1/leverageBracket",
        "/fapi/v3/positionRisk",
        "/fapi/v1/openAlgoOrders",
    ],
)
@in_loop
async def test_every_route_refuses_a_symbol_that_is_not_traded(path: str) -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        answer = await client.signed("GET", path, symbol="DOGEUSDT", orderId=1, interval="1m")

        assert answer.code == -1121


@in_loop
async def test_no_route_fails_on_a_request_without_parameters() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        for method, path in ROUTES:
            answer = await client.signed(method, path)

            assert answer.status in {200, 400}, (method, path, answer.body)


@in_loop
async def test_an_order_is_answered_new_or_with_its_result() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        acknowledged = await client.order()
        told = await client.order(newOrderRespType="RESULT", newClientOrderId="second")

        assert (acknowledged.body["status"], acknowledged.body["executedQty"]) == ("NEW", "0.000")
        assert (told.body["status"], told.body["executedQty"], told.body["avgPrice"]) == ("FILLED", "1.000", "50000.10")


@in_loop
async def test_an_order_can_be_tried_without_doing_it() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        fields = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}

        assert (await client.signed("POST", f"{PATH}/test", quantity="1", **fields)).body == {}
        assert (await client.signed("POST", f"{PATH}/test", quantity="121", **fields)).code == -4005
        assert exchange.desk.engine.state.orders == {}


class TestHistory:
    @in_loop
    async def test_fills_are_read_page_by_page(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            for _ in range(5):
                await client.order()

            seen: list[int] = []
            page = await client.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", startTime=1, limit=2)
            assert page.body == []
            start = exchange.desk.time.now_ms()
            page = await client.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", startTime=start, limit=2)
            while page.body:
                seen += [trade["id"] for trade in page.body]
                page = await client.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", fromId=seen[-1] + 1, limit=2)

            assert seen == [trade.trade_id for trade in exchange.desk.engine.state.trades["BTCUSDT"]]

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"startTime": 2, "endTime": 1}, -1023),
            ({"startTime": 1, "endTime": 8 * 86_400_000}, -1127),
            ({"fromId": 1, "startTime": 1}, -1128),
            ({"limit": 0}, -1130),
        ],
    )
    @in_loop
    async def test_a_range_out_of_sense_is_refused(self, params: dict[str, int], code: int) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            answer = await client.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", **params)

            assert answer.code == code

    @in_loop
    async def test_income_is_read_by_kind_and_in_pages(self) -> None:
        async with open_exchange() as exchange, raw(exchange) as client:
            for _ in range(3):
                await client.order()

            fees = await client.signed("GET", "/fapi/v1/income", incomeType="COMMISSION")
            second = await client.signed("GET", "/fapi/v1/income", incomeType="COMMISSION", page=2, limit=2)

            assert [row["income"] for row in fees.body] == ["-20.00004000"] * 3
            assert second.body == fees.body[2:]
            assert fees.body[0]["tradeId"]

    @in_loop
    async def test_bars_are_history_and_present(self) -> None:
        async with (
            open_exchange({"BTCUSDT": candles(30)}, warm_up_bars=10, origin=None) as exchange,
            raw(exchange) as client,
        ):
            last = await client.send("GET", "/fapi/v1/klines", "symbol=BTCUSDT&interval=1m&limit=3")
            first = await client.send("GET", "/fapi/v1/klines", "symbol=BTCUSDT&interval=5m&startTime=1&limit=1")

            assert [row[4] for row in last.body] == ["50090.00", "50100.00", "50100.00"]
            assert first.body[0][1:5] == ["50000.00", "50055.00", "49995.00", "50050.00"]
            refused = await client.send("GET", "/fapi/v1/klines", "symbol=BTCUSDT&interval=7m")
            assert refused.code == -1120


@in_loop
async def test_a_listen_key_needs_the_key_only() -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        first = await client.send("POST", "/fapi/v1/listenKey")
        again = await client.send("POST", "/fapi/v1/listenKey")
        renewed = await client.send("PUT", "/fapi/v1/listenKey")

        assert first.body["listenKey"] == again.body["listenKey"] == renewed.body["listenKey"]
        await client.send("DELETE", "/fapi/v1/listenKey")
        assert (await client.send("PUT", "/fapi/v1/listenKey")).code == -1125
        assert (await client.send("POST", "/fapi/v1/listenKey", key="")).code == -2014


class TestCountdown:
    @in_loop
    async def test_it_cancels_a_symbols_orders_when_it_is_not_renewed(self) -> None:
        clock = ManualClock()
        async with open_exchange(clock=clock) as exchange, raw(exchange) as client:
            state, desk = exchange.desk.engine.state, exchange.desk
            resting = {"type": "LIMIT", "price": "49000", "timeInForce": "GTC"}
            await client.order(**resting)
            await client.order(**resting | {"symbol": "ETHUSDT", "price": "2900"})
            await client.algo()
            await client.signed("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=60_000)

            clock.advance(50.0)
            desk.tick()
            await client.signed("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=60_000)
            clock.advance(50.0)
            desk.tick()
            assert len(state.open_orders["BTCUSDT"]) == 1
            clock.advance(10.0)
            desk.tick()

            assert [len(state.open_orders[symbol]) for symbol in ("BTCUSDT", "ETHUSDT")] == [0, 1]
            assert len(state.open_algos["BTCUSDT"]) == 1

    @in_loop
    async def test_zero_disarms_it(self) -> None:
        clock = ManualClock()
        async with open_exchange(clock=clock) as exchange, raw(exchange) as client:
            await client.order(type="LIMIT", price="49000", timeInForce="GTC")
            for countdown in (1000, 0):
                await client.signed("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=countdown)

            clock.advance(2.0)
            exchange.desk.tick()

            assert len(exchange.desk.engine.state.open_orders["BTCUSDT"]) == 1


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "CROSSED"}, -4046),
        ("/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "ISOLATED"}, -1020),
        ("/fapi/v1/marginType", {"symbol": "BTCUSDT", "marginType": "NONE"}, -1130),
        ("/fapi/v1/positionSide/dual", {"dualSidePosition": "false"}, -4059),
        ("/fapi/v1/leverage", {"symbol": "BTCUSDT", "leverage": "500"}, -4028),
        ("/fapi/v1/batchOrders", {"batchOrders": "[]"}, -1130),
        ("/fapi/v1/batchOrders", {"batchOrders": "{"}, -1130),
        ("/fapi/v1/batchOrders", {"batchOrders": "[1]"}, -1130),
    ],
)
@in_loop
async def test_settings_and_batches_out_of_sense_are_refused(path: str, params: dict[str, str], code: int) -> None:
    async with open_exchange() as exchange, raw(exchange) as client:
        assert (await client.signed("POST", path, **params)).code == code


@in_loop
async def test_the_exchange_catches_up_before_it_answers() -> None:
    clock = ManualClock()
    async with (
        open_exchange(
            {"BTCUSDT": candles(5)}, clock=clock, paused=False, speed=60.0, pump_interval_s=3600.0
        ) as exchange,
        raw(exchange) as client,
    ):
        clock.advance(2.0)

        answer = await client.send("GET", "/fapi/v2/ticker/price", "symbol=BTCUSDT")

        assert Decimal(answer.body["price"]) == 50020
        assert (exchange.now() - NOON).total_seconds() == 120

"""Orders over python-binance against a scripted exchange: what goes out, and what is known afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from scripted_exchange import DROPPED, HTML, KEY, Reply, ScriptedExchange, in_loop, order_answer, refuses, says
from venue_builders import LIMIT_SELL, MARKET_BUY, MARKET_CLOSE, STOP

from msc_trading.venue.errors import OrderNotTaken
from msc_trading.venue.port import (
    OrderRefused,
    OrderRequest,
    OrderStatus,
    OutcomeUnknown,
    RateLimited,
    StopRequest,
    VenueError,
    VenueMisconfigured,
)

PLACE = "POST /fapi/v1/order"
PLACE_STOP = "POST /fapi/v1/algoOrder"
CANCEL = "DELETE /fapi/v1/order"
QUERY = "GET /fapi/v1/order"
CANCEL_STOP = "DELETE /fapi/v1/algoOrder"

STOP_ANSWER = {
    "algoId": 2146760, "clientAlgoId": "stop-1", "algoType": "CONDITIONAL", "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT", "side": "SELL", "algoStatus": "NEW", "triggerPrice": "48000", "closePosition": True,
}  # fmt: skip


async def outcome_of(order: OrderRequest, *replies: Reply) -> VenueError:
    """Returns what place raises; the exchange must have been asked once."""
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE, *replies)
        with pytest.raises(VenueError) as raised:
            await venue.place(order)
        assert len(exchange.asked_for(PLACE)) == 1
        return raised.value


@in_loop
async def test_a_market_order_goes_out_signed_with_its_id_and_comes_back_filled() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE, says(order_answer()))

        state = await venue.place(MARKET_BUY)

        assert (state.status, state.filled_quantity) == (OrderStatus.FILLED, Decimal("0.010"))
        (asked,) = exchange.asked_for(PLACE)
        del asked.parameters["timestamp"], asked.parameters["signature"]
        assert asked.key == KEY
        assert asked.parameters == {
            "newClientOrderId": "id-1",
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "MARKET",
            "quantity": "0.01",
            "newOrderRespType": "RESULT",
            "recvWindow": "5000",
        }


@in_loop
async def test_a_limit_order_carries_its_price_and_a_reducing_one_its_flag_in_lower_case() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE, says(order_answer(status="NEW")), says(order_answer()))

        await venue.place(LIMIT_SELL)
        await venue.place(MARKET_CLOSE)

        limit, close = (asked.parameters for asked in exchange.asked_for(PLACE))
        assert (limit["price"], limit["timeInForce"], limit["type"]) == ("51000.1", "GTC", "LIMIT")
        assert "reduceOnly" not in limit
        assert close["reduceOnly"] == "true"


@pytest.mark.parametrize(("quantity", "sent"), [("1e-5", "0.00001"), ("1E+2", "100"), ("0.500", "0.5")])
@in_loop
async def test_quantities_go_out_without_exponent_or_trailing_zeros(quantity: str, sent: str) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE, says(order_answer()))

        await venue.place(replace(MARKET_BUY, quantity=Decimal(quantity)))

        assert exchange.asked_for(PLACE)[0].parameters["quantity"] == sent


@pytest.mark.parametrize(
    ("order", "named"),
    [
        (replace(MARKET_BUY, quantity=Decimal("NaN")), "quantity"),
        (replace(MARKET_BUY, quantity=Decimal(0)), "quantity"),
        (replace(MARKET_BUY, quantity=Decimal("-1")), "quantity"),
        (replace(LIMIT_SELL, price=Decimal("Infinity")), "price"),
        (replace(LIMIT_SELL, price=None), "price"),
        (replace(MARKET_BUY, price=Decimal(1)), "price"),
        (replace(MARKET_BUY, client_order_id=""), "client_order_id"),
        (replace(MARKET_BUY, client_order_id="a:b"), "client_order_id"),
        (replace(MARKET_BUY, client_order_id="a/b"), "client_order_id"),
        (replace(MARKET_BUY, client_order_id="ä"), "client_order_id"),
        (replace(MARKET_BUY, client_order_id="x" * 37), "client_order_id"),
        (replace(MARKET_BUY, client_order_id="id-1\n"), "client_order_id"),
    ],
)
@in_loop
async def test_an_order_that_makes_no_sense_is_never_sent(order: OrderRequest, named: str) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        with pytest.raises(OrderRefused, match=rf"^{named}: .*it was not sent"):
            await venue.place(order)

        assert exchange.asked_for(PLACE) == []


@pytest.mark.parametrize("code", [-2019, -2022, -4164, -4003, -1111, -1013, -1121, -2021])
@in_loop
async def test_a_refused_order_does_not_exist_and_says_why(code: int) -> None:
    error = await outcome_of(MARKET_BUY, refuses(code, "words of the venue"))

    assert type(error) is OrderRefused
    assert error.code == code
    assert "words of the venue" in str(error)


@pytest.mark.parametrize(
    "reply",
    [
        DROPPED,
        HTML,
        refuses(-1000, "Unknown error, please check your request or try again later.", 503),
        refuses(-1007, "Timeout waiting for response from backend server.", 408),
        refuses(-1006, "An unexpected response was received from the message bus.", 400),
        refuses(-1008, "Request throttled by system-level protection.", 503),
        refuses(-4116, "ClientOrderId is duplicated.", 400),
        Reply("", 500),
        Reply("Service Unavailable", 503),
        Reply("{", 200),
        Reply("[]", 200),
        Reply("", 200),
        says({"orderId": 1, "status": "NEW"}),
        says({}, 307, Location="/elsewhere"),
    ],
)
@in_loop
async def test_an_order_without_an_answer_that_decides_is_unknown_and_never_sent_again(reply: Reply) -> None:
    error = await outcome_of(MARKET_BUY, reply)

    assert type(error) is OutcomeUnknown


@in_loop
async def test_an_order_that_is_not_answered_in_time_is_unknown() -> None:
    async with ScriptedExchange() as exchange, exchange.venue(request_timeout_s=0.2) as venue:
        exchange.script(PLACE, says(order_answer()))
        exchange.hangs.add(PLACE)

        with pytest.raises(OutcomeUnknown):
            await venue.place(MARKET_BUY)

        assert len(exchange.asked_for(PLACE)) == 1


@in_loop
async def test_being_cancelled_while_waiting_reaches_the_caller_who_knows_that_nothing_is_known() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE, says(order_answer()))
        exchange.hangs.add(PLACE)
        placing = asyncio.create_task(venue.place(MARKET_BUY))
        await exchange.hanging.wait()

        placing.cancel()

        with pytest.raises(asyncio.CancelledError):
            await placing
        assert len(exchange.asked_for(PLACE)) == 1


@pytest.mark.parametrize(
    "message", ["Service Unavailable.", "Internal error; unable to process your request. Please try again."]
)
@in_loop
async def test_a_failure_that_is_documented_as_one_leaves_the_order_free_to_be_placed_again(message: str) -> None:
    error = await outcome_of(MARKET_BUY, refuses(-1001, message, 503))

    assert type(error) is OrderNotTaken


@in_loop
async def test_an_order_refused_for_its_date_is_not_sent_again_but_the_clock_is_set() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE, refuses(-1021, "Timestamp for this request is outside of the recvWindow."))
        exchange.ahead_ms = 3_600_000
        before = venue.clock_offset_s()

        with pytest.raises(OrderNotTaken):
            await venue.place(MARKET_BUY)

        assert len(exchange.asked_for(PLACE)) == 1
        after = venue.clock_offset_s()
        assert before is not None
        assert after is not None
        assert after - before == pytest.approx(3600, abs=5)


@in_loop
async def test_an_order_that_cannot_reach_the_venue_was_never_there() -> None:
    async with ScriptedExchange() as exchange:
        venue = exchange.venue()
        await venue.open()
    try:
        # The connection that was kept open breaks at its next use, and who used it cannot know what arrived.
        with pytest.raises(OutcomeUnknown):
            await venue.place(MARKET_BUY)
        with pytest.raises(OrderNotTaken):
            await venue.place(MARKET_BUY)
    finally:
        await venue.close()


@pytest.mark.parametrize("code", [-2014, -2015, -1022, -4061])
@in_loop
async def test_wrong_keys_are_for_a_person(code: int) -> None:
    error = await outcome_of(MARKET_BUY, refuses(code, "no", 401))

    assert type(error) is VenueMisconfigured


@in_loop
async def test_a_limit_of_requests_stops_everything_for_as_long_as_was_asked() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE, refuses(-1003, "Too many requests", 429, Retry_After="7"))

        with pytest.raises(RateLimited) as refused:
            await venue.place(MARKET_BUY)
        assert refused.value.retry_after_s == 7.0

        with pytest.raises(RateLimited):
            await venue.place(MARKET_CLOSE)
        with pytest.raises(RateLimited):
            await venue.cancel("BTCUSDT", "id-1")
        assert len(exchange.asked_for(PLACE)) == 1


@in_loop
async def test_a_ban_is_kept_until_the_moment_it_names() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        until = exchange.now_ms() + 90_000
        exchange.script(PLACE, refuses(-1003, f"Way too many requests; IP(1.2.3.4) banned until {until}.", 418))

        with pytest.raises(RateLimited) as refused:
            await venue.place(MARKET_BUY)

        assert refused.value.retry_after_s == pytest.approx(90, abs=5)


@in_loop
async def test_too_many_orders_stop_orders_but_not_cancels() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE, refuses(-1015, "Too many new orders; current limit is 300 orders per 10 SECOND.", 429))
        exchange.script(CANCEL, says(order_answer(status="CANCELED")))

        with pytest.raises(RateLimited):
            await venue.place(MARKET_BUY)
        state = await venue.cancel("BTCUSDT", "id-1")

        assert state.status is OrderStatus.CANCELED


@in_loop
async def test_entries_are_refused_before_the_venue_would_while_reducing_orders_go_out() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        used = {"X-MBX-ORDER-COUNT-10S": "180", "X-MBX-ORDER-COUNT-1M": "180"}
        exchange.script(PLACE, says(order_answer(), 200, **used), says(order_answer()))
        await venue.place(MARKET_BUY)

        with pytest.raises(RateLimited):
            await venue.place(MARKET_BUY)
        await venue.place(MARKET_CLOSE)

        assert [asked.parameters.get("reduceOnly") for asked in exchange.asked_for(PLACE)] == [None, "true"]


@in_loop
async def test_a_stop_goes_to_the_algo_service_with_its_own_id_on_the_mark_price() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE_STOP, says(STOP_ANSWER))

        stop = await venue.place_stop(STOP)

        assert (stop.client_algo_id, stop.active, stop.trigger_price) == ("stop-1", True, Decimal(48000))
        (asked,) = exchange.asked_for(PLACE_STOP)
        del asked.parameters["timestamp"], asked.parameters["signature"], asked.parameters["recvWindow"]
        assert asked.parameters == {
            "clientAlgoId": "stop-1",
            "algoType": "CONDITIONAL",
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "STOP_MARKET",
            "triggerPrice": "48000",
            "workingType": "MARK_PRICE",
            "closePosition": "true",
        }


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (refuses(-2021, "Order would immediately trigger."), OrderRefused),
        (HTML, OutcomeUnknown),
        (says({}), OutcomeUnknown),
    ],
)
@in_loop
async def test_a_stop_fails_as_an_order_does(reply: Reply, expected: type[VenueError]) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE_STOP, reply)

        with pytest.raises(expected):
            await venue.place_stop(STOP)

        assert len(exchange.asked_for(PLACE_STOP)) == 1


@pytest.mark.parametrize("stop", [replace(STOP, client_algo_id="a b"), replace(STOP, trigger_price=Decimal("NaN"))])
@in_loop
async def test_a_stop_that_makes_no_sense_is_never_sent(stop: StopRequest) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        with pytest.raises(OrderRefused, match="it was not sent"):
            await venue.place_stop(stop)


@in_loop
async def test_many_orders_at_once_each_go_out_once() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.answers[PLACE] = lambda asked: says(order_answer(clientOrderId=asked.parameters["newClientOrderId"]))
        orders = [replace(MARKET_CLOSE, client_order_id=f"id-{count}") for count in range(50)]

        states = await asyncio.gather(*(venue.place(order) for order in orders))

        ids = [order.client_order_id for order in orders]
        assert [state.client_order_id for state in states] == ids
        assert sorted(asked.parameters["newClientOrderId"] for asked in exchange.asked_for(PLACE)) == sorted(ids)

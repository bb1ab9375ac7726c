"""Cancelling and asking for orders, over python-binance against a scripted exchange."""

from __future__ import annotations

import pytest
from scripted_exchange import HTML, Reply, ScriptedExchange, in_loop, order_answer, refuses, says

from msc_trading.venue.port import OrderStatus, OutcomeUnknown, VenueError, VenueUnavailable

CANCEL = "DELETE /fapi/v1/order"
QUERY = "GET /fapi/v1/order"
CANCEL_STOP = "DELETE /fapi/v1/algoOrder"


@in_loop
async def test_a_cancel_names_our_id_and_returns_the_final_state() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(CANCEL, says(order_answer(status="CANCELED", executedQty="0", avgPrice="0")))

        state = await venue.cancel("BTCUSDT", "id-1")

        assert state.status is OrderStatus.CANCELED
        assert exchange.asked_for(CANCEL)[0].parameters["origClientOrderId"] == "id-1"


@in_loop
async def test_a_cancel_that_comes_too_late_returns_what_became_of_the_order() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(CANCEL, refuses(-2011, "Unknown order sent."))
        exchange.script(QUERY, says(order_answer(status="FILLED")))

        assert (await venue.cancel("BTCUSDT", "id-1")).status is OrderStatus.FILLED


@in_loop
async def test_a_cancel_of_what_never_was_says_so() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(CANCEL, refuses(-2011, "Unknown order sent."))
        exchange.script(QUERY, refuses(-2013, "Order does not exist."))

        with pytest.raises(VenueError) as raised:
            await venue.cancel("BTCUSDT", "id-1")

        assert raised.value.code == -2013


@pytest.mark.parametrize(
    ("reply", "expected"),
    [(HTML, OutcomeUnknown), (refuses(-1001, "Internal error; unable to process", 503), VenueUnavailable)],
)
@in_loop
async def test_a_cancel_without_an_answer_may_have_been_done(reply: Reply, expected: type[VenueError]) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(CANCEL, reply)

        with pytest.raises(expected):
            await venue.cancel("BTCUSDT", "id-1")


@pytest.mark.parametrize("reply", [says({"code": "200", "msg": "success"}), refuses(-2011), refuses(-2013)])
@in_loop
async def test_a_stop_that_is_cancelled_or_gone_is_gone(reply: Reply) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(CANCEL_STOP, reply)

        await venue.cancel_stop("BTCUSDT", "stop-1")

        assert exchange.asked_for(CANCEL_STOP)[0].parameters["clientAlgoId"] == "stop-1"


@in_loop
async def test_a_stop_that_may_not_be_cancelled_is_not_called_gone() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(CANCEL_STOP, refuses(-1102, "Mandatory parameter was not sent."))

        with pytest.raises(VenueError):
            await venue.cancel_stop("BTCUSDT", "stop-1")


@in_loop
async def test_an_order_that_the_venue_does_not_know_is_none_and_one_it_cannot_tell_is_an_error() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(QUERY, refuses(-2013), says(order_answer()), HTML)

        assert await venue.order("BTCUSDT", "id-1") is None
        state = await venue.order("BTCUSDT", "id-1")
        assert state is not None
        assert state.client_order_id == "id-1"
        with pytest.raises(VenueUnavailable):
            await venue.order("BTCUSDT", "id-1")

"""Opening the venue and asking it, over python-binance against a scripted exchange."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from scripted_exchange import (
    BTC,
    BTC_FILTERS,
    CREDENTIALS,
    DROPPED,
    EXCHANGE_INFO,
    HTML,
    START_MS,
    Reply,
    ScriptedExchange,
    in_loop,
    order_answer,
    refuses,
    says,
)
from venue_builders import MARKET_BUY

from msc_trading.venue.binance import BinanceVenue
from msc_trading.venue.port import (
    OrderRefused,
    RateLimited,
    Venue,
    VenueError,
    VenueMisconfigured,
    VenueUnavailable,
)

START = datetime.fromtimestamp(START_MS / 1000, UTC)
TIME = "GET /fapi/v1/time"
INFO = "GET /fapi/v1/exchangeInfo"
MODE = "GET /fapi/v1/positionSide/dual"
POSITIONS = "GET /fapi/v3/positionRisk"
BALANCE = "GET /fapi/v3/balance"
PRICE = "GET /fapi/v2/ticker/price"
OPEN_ORDERS = "GET /fapi/v1/openOrders"
OPEN_STOPS = "GET /fapi/v1/openAlgoOrders"
COUNTDOWN = "POST /fapi/v1/countdownCancelAll"
QUERY = "GET /fapi/v1/order"
PLACE = "POST /fapi/v1/order"


def test_it_is_a_venue() -> None:
    venue: Venue = BinanceVenue.__new__(BinanceVenue)

    assert venue is not None


@in_loop
async def test_opening_measures_the_clock_reads_the_rules_and_asks_for_the_mode_never_the_spot_exchange() -> None:
    async with ScriptedExchange() as exchange, exchange.venue():
        assert {f"{asked.method} {asked.path}" for asked in exchange.asked} == {TIME, INFO, MODE}


@in_loop
async def test_hedge_mode_is_refused_at_the_start_with_what_to_do() -> None:
    async with ScriptedExchange() as exchange:
        exchange.script(MODE, says({"dualSidePosition": True}))

        with pytest.raises(VenueMisconfigured, match="one-way"):
            await exchange.venue().open()


@pytest.mark.parametrize(
    ("endpoint", "reply", "expected"),
    [
        (MODE, refuses(-2015, "Invalid API-key, IP, or permissions for action.", 401), VenueMisconfigured),
        (MODE, says({}), VenueUnavailable),
        (MODE, HTML, VenueUnavailable),
        (TIME, DROPPED, VenueUnavailable),
        (TIME, says({"serverTime": "soon"}), VenueUnavailable),
        (INFO, says({"symbols": "none"}), VenueUnavailable),
        (INFO, refuses(-1003, "Too many requests", 429), RateLimited),
    ],
)
@in_loop
async def test_it_does_not_open_on_half_an_answer(endpoint: str, reply: Reply, expected: type[VenueError]) -> None:
    async with ScriptedExchange() as exchange:
        # An idempotent request on a fresh connection is sent again by the HTTP library once.
        exchange.script(endpoint, reply, reply, reply, reply)

        with pytest.raises(expected):
            await exchange.venue().open()


@in_loop
async def test_a_venue_that_is_not_open_says_so() -> None:
    async with ScriptedExchange() as exchange:
        venue = exchange.venue()
        await venue.close()

        with pytest.raises(VenueUnavailable, match="not open"):
            await venue.positions()
        assert venue.clock_offset_s() is None


@in_loop
async def test_closing_twice_is_fine() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        await venue.close()
        await venue.close()


@in_loop
async def test_the_venues_time_is_asked_for_only_when_it_is_unknown() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        asked = len(exchange.asked_for(TIME))

        now = await venue.now()

        assert timedelta(0) <= now - START < timedelta(seconds=20)
        assert len(exchange.asked_for(TIME)) == asked
        assert venue.clock_error_s() is not None


@in_loop
async def test_requests_are_dated_by_the_venue_whatever_our_clock_says() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.checks_dates = True
        exchange.script(POSITIONS, says([]))

        assert await venue.positions() == []


@in_loop
async def test_a_query_refused_for_its_date_is_asked_again_by_a_clock_set_anew() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.checks_dates = True
        exchange.script(POSITIONS, says([]))
        exchange.ahead_ms = 60_000

        assert await venue.positions() == []

        assert len(exchange.asked_for(POSITIONS)) == 2


@in_loop
async def test_a_query_refused_for_its_date_twice_is_not_asked_for_ever() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.answers[POSITIONS] = lambda _: refuses(-1021)

        with pytest.raises(VenueUnavailable) as raised:
            await venue.positions()

        assert raised.value.code == -1021
        assert len(exchange.asked_for(POSITIONS)) == 2


@in_loop
async def test_the_offset_is_unknown_while_the_venue_disagrees_and_does_not_tell_its_time() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.answers[POSITIONS] = lambda _: refuses(-1021)
        exchange.answers[TIME] = lambda _: HTML

        with pytest.raises(VenueUnavailable):
            await venue.positions()

        assert venue.clock_offset_s() is None
        with pytest.raises(VenueUnavailable):
            await venue.now()


@in_loop
async def test_many_queries_refused_for_their_dates_set_the_clock_once() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.checks_dates = True
        exchange.answers[POSITIONS] = lambda _: says([])
        before = len(exchange.asked_for(TIME))
        exchange.ahead_ms = 60_000

        await asyncio.gather(*(venue.positions() for _ in range(10)))

        assert len(exchange.asked_for(TIME)) - before == 3


@in_loop
async def test_on_a_venue_that_runs_faster_its_time_is_known_and_requests_are_dated_at_our_pace() -> None:
    async with ScriptedExchange(speed=1440.0) as exchange:
        config = replace(exchange.config(), time_scale=1440.0)
        async with BinanceVenue(config, CREDENTIALS) as venue:
            exchange.answers[POSITIONS] = lambda _: says([])
            started = await venue.now()
            while await venue.now() - started < timedelta(minutes=5):
                await venue.positions()

            apart_s = (await venue.now()).timestamp() - exchange.now_ms() / 1000
            dates = [int(asked.parameters["timestamp"]) for asked in exchange.asked_for(POSITIONS)]

            # 20 ms of real time are half a minute there.
            assert abs(apart_s) < 30
            # A new measurement of the difference may set a date back a little.
            assert all(later - earlier > -1_000 for earlier, later in pairwise(dates))
            assert max(dates) - min(dates) < 60_000


@in_loop
async def test_rules_are_read_once_and_again_after_a_refusal_that_says_they_are_old() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        assert (await venue.rules("BTCUSDT")).tick_size == Decimal("0.10")
        assert len(exchange.asked_for(INFO)) == 1
        filters = [row | ({"tickSize": "0.01"} if row["filterType"] == "PRICE_FILTER" else {}) for row in BTC_FILTERS]
        finer = BTC | {"filters": filters}
        exchange.script(INFO, says(EXCHANGE_INFO | {"symbols": [finer]}))
        exchange.script(PLACE, refuses(-4014, "Price not increased by tick size."))

        with pytest.raises(OrderRefused):
            await venue.place(MARKET_BUY)

        assert (await venue.rules("BTCUSDT")).tick_size == Decimal("0.01")


@in_loop
async def test_another_refusal_does_not_read_the_rules_again() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PLACE, refuses(-2019, "Margin is insufficient."))

        with pytest.raises(OrderRefused):
            await venue.place(MARKET_BUY)
        await venue.rules("BTCUSDT")

        assert len(exchange.asked_for(INFO)) == 1


@in_loop
async def test_old_rules_stay_when_newer_cannot_be_had() -> None:
    async with ScriptedExchange() as exchange, exchange.venue(rules_max_age_s=1e-9) as venue:
        exchange.answers[INFO] = lambda _: HTML

        assert (await venue.rules("BTCUSDT")).symbol == "BTCUSDT"


@in_loop
async def test_not_every_exit_waits_for_rules_that_cannot_be_read() -> None:
    async with ScriptedExchange() as exchange, exchange.venue(rules_max_age_s=1e-9) as venue:
        exchange.answers[INFO] = lambda _: HTML
        asked = len(exchange.asked_for(INFO))

        await asyncio.gather(*(venue.rules("BTCUSDT") for _ in range(5)))

        assert len(exchange.asked_for(INFO)) == asked + 1


@pytest.mark.parametrize(("symbol", "expected"), [("NOPEUSDT", VenueMisconfigured), ("ODDUSDT", VenueUnavailable)])
@in_loop
async def test_a_symbol_without_rules_has_none(symbol: str, expected: type[VenueError]) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        with pytest.raises(expected):
            await venue.rules(symbol)


@in_loop
async def test_positions_of_hedge_mode_are_refused_not_netted() -> None:
    row = {
        "symbol": "BTCUSDT", "positionSide": "LONG", "positionAmt": "1", "entryPrice": "1", "markPrice": "1",
        "unRealizedProfit": "0",
    }  # fmt: skip
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(POSITIONS, says([row]))

        with pytest.raises(VenueMisconfigured, match="BTCUSDT"):
            await venue.positions()


@in_loop
async def test_the_balance_is_as_of_now_by_the_venues_time() -> None:
    rows = [{"asset": "USDT", "balance": "1000", "crossUnPnl": "-1", "availableBalance": "900"}]
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(BALANCE, says(rows))

        balance = await venue.balance()

        assert balance.equity == Decimal(999)
        assert abs(balance.at - START) < timedelta(seconds=20)


@in_loop
async def test_open_orders_and_stops_are_listed_for_all_symbols() -> None:
    stop = {
        "clientAlgoId": "stop-1", "orderType": "STOP_MARKET", "symbol": "BTCUSDT", "side": "SELL", "algoStatus": "NEW",
        "triggerPrice": "48000", "closePosition": True,
    }  # fmt: skip
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(OPEN_ORDERS, says([order_answer(status="NEW")]))
        exchange.script(OPEN_STOPS, says([stop]))

        orders, stops = await venue.open_orders(), await venue.open_stops()

        assert [order.client_order_id for order in orders] == ["id-1"]
        assert [stop.client_algo_id for stop in stops] == ["stop-1"]
        assert "symbol" not in exchange.asked_for(OPEN_ORDERS)[0].parameters


@in_loop
async def test_a_price_has_the_time_of_its_trade() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(PRICE, says({"symbol": "BTCUSDT", "price": "50000.10", "time": START_MS}))

        price = await venue.price("BTCUSDT")

        assert (price.price, price.at) == (Decimal("50000.10"), START)


@pytest.mark.parametrize(("countdown_s", "sent"), [(120.0, "120000"), (0.0, "0"), (-1.0, "0")])
@in_loop
async def test_the_dead_man_is_armed_in_milliseconds(countdown_s: float, sent: str) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(COUNTDOWN, says({"symbol": "BTCUSDT", "countdownTime": sent}))

        await venue.arm_dead_man("BTCUSDT", countdown_s)

        assert exchange.asked_for(COUNTDOWN)[0].parameters["countdownTime"] == sent


@pytest.mark.parametrize("body", [{}, [1], "x", [{"symbol": "BTCUSDT"}]])
@in_loop
async def test_lists_that_cannot_be_read_are_not_taken_for_empty_ones(body: object) -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        for endpoint in (POSITIONS, BALANCE, OPEN_ORDERS, OPEN_STOPS):
            exchange.script(endpoint, says(body))

        for ask in (venue.positions, venue.balance, venue.open_orders, venue.open_stops):
            with pytest.raises(VenueUnavailable):
                await ask()


@in_loop
async def test_routine_queries_stop_before_the_weight_is_used_up_while_settling_ones_go_on() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.script(POSITIONS, says([], 200, **{"X-MBX-USED-WEIGHT-1M": "1918"}))
        exchange.script(QUERY, says(order_answer()))
        await venue.positions()

        with pytest.raises(RateLimited):
            await venue.positions()

        assert await venue.order("BTCUSDT", "id-1") is not None


@in_loop
async def test_a_query_that_breaks_off_is_unavailable() -> None:
    async with ScriptedExchange() as exchange, exchange.venue() as venue:
        exchange.answers[POSITIONS] = lambda _: DROPPED

        with pytest.raises(VenueUnavailable):
            await venue.positions()

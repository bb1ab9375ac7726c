"""Orders over python-binance on the paper exchange: both sides of the conversation are real."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from paper_trading import STANDING, is_fill, is_loss, next_event, next_fill, trading
from scripted_exchange import in_loop
from venue_builders import LIMIT_SELL, MARKET_BUY, MARKET_CLOSE, STOP

from msc_client import Side
from msc_trading.paper.config import BTCUSDT, ETHUSDT, ApiKey, PaperConfig, RateLimits
from msc_trading.paper.exchange import PaperExchange
from msc_trading.paper.http.faults import ArmedRequestFault, RequestFault
from msc_trading.venue.binance import BinanceVenue
from msc_trading.venue.errors import OrderNotTaken
from msc_trading.venue.port import (
    OrderRefused,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    OutcomeUnknown,
    PositionUpdate,
    RateLimited,
    VenueError,
    VenueMisconfigured,
)


async def entries_until_held_back(venue: BinanceVenue) -> int:
    for count in range(100):
        try:
            await venue.place(replace(MARKET_BUY, client_order_id=f"in-{count}"))
        except RateLimited:
            return count
    raise AssertionError("never held back")


def arm(exchange: PaperExchange, kind: RequestFault, method: str = "POST", path: str = "order") -> None:
    exchange.desk.faults.requests.append(ArmedRequestFault(kind=kind, method=method, path=path))


@in_loop
async def test_the_rules_are_those_of_the_exchange() -> None:
    async with trading() as (_, venue):
        for spec in (BTCUSDT, ETHUSDT):
            rules = await venue.rules(spec.symbol)

            assert rules.trading
            assert (rules.tick_size, rules.min_price, rules.max_price) == (
                spec.tick_size,
                spec.min_price,
                spec.max_price,
            )
            assert (rules.step_size, rules.min_quantity) == (spec.step_size, spec.min_quantity)
            assert (rules.market_max_quantity, rules.min_notional) == (spec.market_max_quantity, spec.min_notional)
            assert (rules.multiplier_up, rules.multiplier_down) == (spec.multiplier_up, spec.multiplier_down)


@in_loop
async def test_answer_stream_query_and_history_tell_one_and_the_same_fill() -> None:
    async with trading() as (_, venue):
        events, started = venue.user_events(), await venue.now()
        await next_event(events, is_loss)

        answered = await venue.place(MARKET_BUY)
        told = [
            await next_event(events, lambda event: is_fill(event) or isinstance(event, PositionUpdate)) for _ in "12"
        ]
        (fill,) = [event.fill for event in told if isinstance(event, OrderUpdate) and event.fill]
        (moved,) = [event for event in told if isinstance(event, PositionUpdate)]
        asked = await venue.order("BTCUSDT", "id-1")
        history = await venue.fills("BTCUSDT", started - timedelta(minutes=1))

        assert answered.status is OrderStatus.FILLED
        assert asked == answered
        assert history == [fill]
        assert (fill.quantity, fill.price) == (answered.filled_quantity, answered.average_price)
        assert fill.fee == (fill.quantity * fill.price * BTCUSDT.taker_fee).quantize(Decimal("1e-8"))
        (held,) = await venue.positions()
        assert held.quantity == moved.quantity == Decimal("0.010")
        assert (await venue.balance()).wallet_balance == moved.wallet_balance == Decimal(1_000_000) - fill.fee


@in_loop
async def test_a_limit_order_rests_until_it_is_cancelled_and_a_second_cancel_tells_its_end() -> None:
    async with trading() as (_, venue):
        placed = await venue.place(LIMIT_SELL)
        resting = await venue.open_orders()

        cancelled = await venue.cancel("BTCUSDT", "id-2")
        again = await venue.cancel("BTCUSDT", "id-2")

        assert (placed.status, placed.average_price) == (OrderStatus.NEW, None)
        assert resting == [placed]
        assert cancelled.status is again.status is OrderStatus.CANCELED
        assert await venue.open_orders() == []


@in_loop
async def test_a_cancel_of_what_never_was_is_told_apart() -> None:
    async with trading() as (_, venue):
        with pytest.raises(VenueError) as raised:
            await venue.cancel("BTCUSDT", "never")

        assert raised.value.code == -2013
        assert await venue.order("BTCUSDT", "never") is None


@in_loop
async def test_a_stop_waits_triggers_and_closes_the_position() -> None:
    async with trading() as (exchange, venue):
        events, started = venue.user_events(), await venue.now()
        await next_event(events, is_loss)
        await venue.place(MARKET_BUY)
        await next_fill(events)
        placed = await venue.place_stop(STOP)
        armed = await venue.open_stops()

        exchange.desk.set_price("BTCUSDT", Decimal(47900))
        fill = await next_fill(events)

        assert armed == [placed]
        assert (fill.client_order_id, fill.reduce_only, fill.side) == ("stop-1", True, Side.SELL)
        assert fill.realized_pnl < 0
        assert await venue.open_stops() == []
        assert await venue.positions() == []
        history = await venue.fills("BTCUSDT", started - timedelta(minutes=1))
        assert history[-1] == fill


@in_loop
async def test_a_stop_is_cancelled_once_and_gone_twice() -> None:
    async with trading() as (_, venue):
        await venue.place(MARKET_BUY)
        await venue.place_stop(STOP)

        await venue.cancel_stop("BTCUSDT", "stop-1")
        await venue.cancel_stop("BTCUSDT", "stop-1")

        assert await venue.open_stops() == []


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (MARKET_CLOSE, -2022),
        (replace(MARKET_BUY, quantity=Decimal(100)), 0),
        (replace(MARKET_BUY, quantity=Decimal("0.0001")), -1111),
        (replace(MARKET_BUY, symbol="NOPEUSDT"), -1121),
        (replace(LIMIT_SELL, side=Side.BUY, quantity=Decimal("0.001"), price=Decimal(60000)), -4016),
        (replace(LIMIT_SELL, side=Side.BUY, quantity=Decimal("0.001"), price=Decimal(1000)), -4164),
        (replace(LIMIT_SELL, price=Decimal("51000.15")), -4014),
    ],
)
@in_loop
async def test_what_the_exchange_refuses_is_not_there(order: OrderRequest, code: int) -> None:
    async with trading(replace(STANDING, starting_balance=Decimal(100))) as (_, venue):
        with pytest.raises(OrderRefused) as refused:
            await venue.place(order)

        assert refused.value.code < 0
        assert code in {0, refused.value.code}
        assert await venue.open_orders() == []
        assert await venue.positions() == []


@pytest.mark.parametrize("fault", [RequestFault.DROP_RESPONSE, RequestFault.TIMEOUT, RequestFault.UNKNOWN_ERROR])
@in_loop
async def test_an_order_whose_answer_was_lost_is_unknown_and_there_once(fault: RequestFault) -> None:
    async with trading() as (exchange, venue):
        arm(exchange, fault)

        with pytest.raises(OutcomeUnknown):
            await venue.place(MARKET_BUY)

        found = await venue.order("BTCUSDT", "id-1")
        assert found is not None
        assert found.status is OrderStatus.FILLED
        (held,) = await venue.positions()
        assert held.quantity == Decimal("0.010")


@pytest.mark.parametrize("fault", [RequestFault.THROTTLED, RequestFault.HTML_502])
@in_loop
async def test_an_order_that_got_nowhere_without_saying_so_is_unknown(fault: RequestFault) -> None:
    async with trading() as (exchange, venue):
        arm(exchange, fault)

        with pytest.raises(OutcomeUnknown):
            await venue.place(MARKET_BUY)

        assert await venue.order("BTCUSDT", "id-1") is None


@pytest.mark.parametrize("fault", [RequestFault.SERVICE_UNAVAILABLE, RequestFault.INTERNAL_ERROR])
@in_loop
async def test_an_order_that_surely_failed_may_be_placed_again_with_its_id(fault: RequestFault) -> None:
    async with trading() as (exchange, venue):
        arm(exchange, fault)

        with pytest.raises(OrderNotTaken):
            await venue.place(MARKET_BUY)
        assert await venue.order("BTCUSDT", "id-1") is None

        assert (await venue.place(MARKET_BUY)).status is OrderStatus.FILLED


@in_loop
async def test_a_stop_whose_answer_was_lost_is_unknown_and_listed() -> None:
    async with trading() as (exchange, venue):
        await venue.place(MARKET_BUY)
        arm(exchange, RequestFault.DROP_RESPONSE, path="algoOrder")

        with pytest.raises(OutcomeUnknown):
            await venue.place_stop(STOP)

        assert [stop.client_algo_id for stop in await venue.open_stops()] == ["stop-1"]


@in_loop
async def test_a_cancel_whose_answer_was_lost_has_cancelled_and_may_be_sent_again() -> None:
    async with trading() as (exchange, venue):
        await venue.place(LIMIT_SELL)
        arm(exchange, RequestFault.TIMEOUT, method="DELETE")

        with pytest.raises(OutcomeUnknown):
            await venue.cancel("BTCUSDT", "id-2")

        assert (await venue.cancel("BTCUSDT", "id-2")).status is OrderStatus.CANCELED


@pytest.mark.parametrize("off_ms", [-3_600_000, 3_600_000])
@in_loop
async def test_a_clock_that_steps_costs_a_query_nothing_and_an_order_one_refusal(off_ms: int) -> None:
    async with trading() as (exchange, venue):
        exchange.desk.time.offset_ms = off_ms

        with pytest.raises(OrderNotTaken):
            await venue.place(MARKET_BUY)
        assert (await venue.place(MARKET_BUY)).status is OrderStatus.FILLED

        exchange.desk.time.offset_ms = 0
        assert len(await venue.positions()) == 1


@in_loop
async def test_at_a_day_in_a_minute_no_request_is_out_of_date_and_the_time_is_the_exchanges() -> None:
    async with trading(PaperConfig(speed=1440.0, warm_up_bars=2)) as (exchange, venue):
        for count in range(40):
            await venue.place(replace(MARKET_BUY, client_order_id=f"id-{count}", quantity=Decimal("0.001")))

        apart = await venue.now() - exchange.now()

        assert abs(apart) < timedelta(minutes=2)
        assert [held.quantity for held in await venue.positions()] == [Decimal("0.040")]


@in_loop
async def test_the_exchange_never_has_to_limit_us_and_reducing_orders_go_last_to_be_held_back() -> None:
    limits = RateLimits(orders_per_10s=20, orders_per_minute=20)
    async with trading(replace(STANDING, rate_limits=limits)) as (exchange, venue):
        entries = await entries_until_held_back(venue)
        for count in range(20 - entries):
            await venue.place(replace(MARKET_CLOSE, client_order_id=f"out-{count}", quantity=Decimal("0.001")))

        assert entries == 12
        assert exchange.desk.limiter.refused == {}


@in_loop
async def test_a_key_without_permission_to_trade_is_for_a_person() -> None:
    reader = ApiKey(key="reader", secret="r3ader", can_trade=False)
    async with trading(replace(STANDING, keys=(*STANDING.keys, reader)), key=reader) as (_, venue):
        with pytest.raises(VenueMisconfigured):
            await venue.place(MARKET_BUY)


@in_loop
async def test_wrong_keys_are_refused_at_the_start() -> None:
    with pytest.raises(VenueMisconfigured):
        async with trading(key=ApiKey(key="paper-key", secret="wr0ng")):
            pass

"""Streams over python-binance on the paper exchange, also when they break."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from paper_trading import STANDING, bars, is_loss, next_event, next_fill, trading
from scripted_exchange import in_loop
from venue_builders import LIMIT_SELL, MARKET_BUY, Overflow

from msc_trading.paper.config import PaperConfig
from msc_trading.paper.http.faults import ArmedEventFault, EventFault
from msc_trading.venue.binance import BinanceVenue
from msc_trading.venue.config import VenueConfig, VenueEnvironment
from msc_trading.venue.credentials import Credentials
from msc_trading.venue.port import (
    OrderStatus,
    OrderUpdate,
)


@in_loop
async def test_a_killed_stream_comes_back_and_what_it_missed_can_be_asked_for() -> None:
    async with trading() as (exchange, venue):
        events, started = venue.user_events(), await venue.now()
        await next_event(events, is_loss)

        exchange.desk.hub.kill("private")
        await venue.place(MARKET_BUY)
        await next_event(events, is_loss)
        await venue.place(replace(MARKET_BUY, client_order_id="id-5"))
        seen = await next_fill(events)

        history = await venue.fills("BTCUSDT", started - timedelta(minutes=1))
        assert [fill.client_order_id for fill in history] == ["id-1", "id-5"]
        assert seen.client_order_id == "id-5"


@in_loop
async def test_an_expired_listen_key_is_replaced_and_said_to_be_a_loss() -> None:
    async with trading() as (exchange, venue):
        events = venue.user_events()
        await next_event(events, is_loss)

        exchange.desk.expire_listen_keys()
        await next_event(events, is_loss)
        await venue.place(MARKET_BUY)

        assert (await next_fill(events)).client_order_id == "id-1"


@in_loop
async def test_a_burst_beyond_the_queue_is_a_loss_and_the_stream_goes_on() -> None:
    overflow = Overflow()
    async with trading(queue_size=50) as (exchange, venue):
        events = venue.user_events()
        await next_event(events, is_loss)

        exchange.desk.hub.burst("private", 300)
        await overflow.seen.wait()
        await next_event(events, is_loss)
        await venue.place(MARKET_BUY)

        assert (await next_fill(events)).client_order_id == "id-1"


@in_loop
async def test_an_event_that_comes_twice_has_one_trade_id() -> None:
    async with trading() as (exchange, venue):
        events = venue.user_events()
        await next_event(events, is_loss)
        exchange.desk.faults.events.append(
            ArmedEventFault(kind=EventFault.DUPLICATE, event="ORDER_TRADE_UPDATE", count=10)
        )

        await venue.place(MARKET_BUY)

        assert (await next_fill(events)).trade_id == (await next_fill(events)).trade_id


@in_loop
async def test_a_liquidation_is_a_fill_that_reduced() -> None:
    async with trading() as (exchange, venue):
        events, started = venue.user_events(), await venue.now()
        await next_event(events, is_loss)
        await venue.place(MARKET_BUY)
        await next_fill(events)

        exchange.desk.liquidate("BTCUSDT")

        fill = await next_fill(events)
        assert fill.client_order_id.startswith("autoclose-")
        assert fill.reduce_only
        assert (await venue.fills("BTCUSDT", started - timedelta(minutes=1)))[-1] == fill


@in_loop
async def test_the_dead_man_cancels_what_rests_unless_it_is_disarmed() -> None:
    async with trading() as (_, venue):
        events = venue.user_events()
        await next_event(events, is_loss)
        await venue.place(LIMIT_SELL)

        await venue.arm_dead_man("BTCUSDT", 60)
        await venue.arm_dead_man("BTCUSDT", 0)
        assert len(await venue.open_orders()) == 1
        await venue.arm_dead_man("BTCUSDT", 0.05)

        gone = await next_event(
            events, lambda event: isinstance(event, OrderUpdate) and event.order.status is OrderStatus.CANCELED
        )
        assert isinstance(gone, OrderUpdate)
        assert gone.order.client_order_id == "id-2"


@in_loop
async def test_prices_come_at_the_exchanges_time() -> None:
    async with trading(PaperConfig(speed=600.0, warm_up_bars=2)) as (exchange, venue):
        prices = venue.prices(("BTCUSDT", "ETHUSDT"))
        seen = [await anext(prices) for _ in range(20)]

        assert {price.symbol for price in seen} == {"BTCUSDT", "ETHUSDT"}
        assert all(49_900 <= price.price <= 50_100 for price in seen)
        assert all(exchange.origin <= price.at <= exchange.now() for price in seen)
        assert (await venue.price("BTCUSDT")).at >= seen[0].at


@in_loop
async def test_candles_come_without_a_gap_over_killed_streams() -> None:
    async with trading(PaperConfig(speed=1440.0, warm_up_bars=2)) as (exchange, venue):
        followed = venue.candles(("BTCUSDT",))
        seen = [await anext(followed)]
        for _ in range(3):
            exchange.desk.hub.kill("market")
            seen += [await anext(followed) for _ in range(10)]

        times = [bar.open_time for bar in seen]
        assert times == [times[0] + timedelta(minutes=count) for count in range(len(times))]
        by_time = {bar.open_time: bar for bar in bars()}
        assert [(bar.open, bar.high, bar.low, bar.close) for bar in seen] == [
            (by_time[at].open, by_time[at].high, by_time[at].low, by_time[at].close) for at in times
        ]


@in_loop
async def test_two_venues_of_one_account_see_each_others_orders() -> None:
    async with trading() as (exchange, first):
        key = STANDING.keys[0]
        config = VenueConfig(
            environment=VenueEnvironment.CUSTOM, rest_url=exchange.rest_url, stream_url=exchange.stream_url
        )
        async with BinanceVenue(config, Credentials(key.key, key.secret)) as second:
            events = second.user_events()
            await next_event(events, is_loss)

            placed, fill = await asyncio.gather(first.place(MARKET_BUY), next_fill(events))

            assert fill.order_id == placed.order_id

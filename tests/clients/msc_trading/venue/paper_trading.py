"""A venue on a paper exchange, both in one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

from venue_builders import NOON

from msc_trading.market.candle import Candle
from msc_trading.paper.config import ApiKey, PaperConfig
from msc_trading.paper.exchange import PaperExchange
from msc_trading.venue.binance import BinanceVenue
from msc_trading.venue.config import VenueConfig, VenueEnvironment
from msc_trading.venue.credentials import Credentials
from msc_trading.venue.port import (
    Fill,
    OrderUpdate,
    StreamLost,
    UserEvent,
)

LAST_MINUTE = 3000
STANDING = PaperConfig(paused=True, warm_up_bars=2)


def bars(symbol: str = "BTCUSDT") -> list[Candle]:
    return [
        Candle(
            symbol=symbol,
            open_time=NOON + timedelta(minutes=minute),
            open=Decimal(50000),
            high=Decimal(50100),
            low=Decimal(49900),
            close=Decimal(50000 + minute % 7),
            volume=Decimal(100),
        )
        for minute in range(LAST_MINUTE)
    ]


@asynccontextmanager
async def trading(
    paper: PaperConfig = STANDING, *, queue_size: int = 10_000, key: ApiKey | None = None
) -> AsyncIterator[tuple[PaperExchange, BinanceVenue]]:
    used = key or paper.keys[0]
    feeds = {"BTCUSDT": bars(), "ETHUSDT": bars("ETHUSDT")}
    async with PaperExchange(paper, feeds) as exchange:
        config = VenueConfig(
            environment=VenueEnvironment.CUSTOM,
            rest_url=exchange.rest_url,
            stream_url=exchange.stream_url,
            time_scale=paper.speed,
            queue_size=queue_size,
            reconnect_min_s=0.01,
            reconnect_max_s=0.05,
        )
        async with BinanceVenue(config, Credentials(used.key, used.secret)) as venue:
            yield exchange, venue


async def next_event(events: AsyncIterator[UserEvent], wanted: Callable[[UserEvent], bool]) -> UserEvent:
    while True:
        event = await anext(events)
        if wanted(event):
            return event


def is_loss(event: UserEvent) -> bool:
    return isinstance(event, StreamLost)


def is_fill(event: UserEvent) -> bool:
    return isinstance(event, OrderUpdate) and event.fill is not None


async def next_fill(events: AsyncIterator[UserEvent]) -> Fill:
    event = await next_event(events, is_fill)
    assert isinstance(event, OrderUpdate)
    assert event.fill is not None
    return event.fill

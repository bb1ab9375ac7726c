"""Where python-binance is pointed. Nothing is sent."""

from __future__ import annotations

import aiohttp
import pytest
from scripted_exchange import CREDENTIALS, in_loop

from msc_trading.clock import SystemClock
from msc_trading.venue.client import FuturesClient, socket_manager
from msc_trading.venue.clock_offset import VenueTime
from msc_trading.venue.config import VenueConfig, VenueEnvironment

CUSTOM = VenueConfig(
    environment=VenueEnvironment.CUSTOM, rest_url="http://127.0.0.1:8090/", stream_url="ws://127.0.0.1:8090/"
)


def client(config: VenueConfig) -> FuturesClient:
    clock = SystemClock()
    return FuturesClient(
        config, CREDENTIALS, clock=clock, venue_time=VenueTime(clock, time_scale=1.0), on_headers=lambda _: None
    )


async def addresses(config: VenueConfig) -> tuple[str, str]:
    """Returns where orders go, and where the account's stream comes from."""
    made = client(config)
    socket = socket_manager(made, config).futures_user_socket()
    await made.close_connection()
    return made._create_futures_api_uri("order"), socket._url


@pytest.mark.parametrize(
    ("config", "orders", "stream"),
    [
        (
            VenueConfig(environment=VenueEnvironment.LIVE),
            "https://fapi.binance.com/fapi/v1/order",
            "wss://fstream.binance.com/private/",
        ),
        (
            VenueConfig(environment=VenueEnvironment.DEMO),
            "https://demo-fapi.binance.com/fapi/v1/order",
            "wss://fstream.binancefuture.com/private/",
        ),
        (CUSTOM, "http://127.0.0.1:8090/fapi/v1/order", "ws://127.0.0.1:8090/private/"),
    ],
)
@in_loop
async def test_each_environment_has_its_own_addresses(config: VenueConfig, orders: str, stream: str) -> None:
    assert await addresses(config) == (orders, stream)


@in_loop
async def test_a_venue_of_our_own_leads_nowhere_else() -> None:
    made = client(CUSTOM)
    await made.close_connection()

    used = {name: getattr(made, name) for name in ("API_URL", "FUTURES_URL", "FUTURES_DATA_URL", "MARGIN_API_URL")}
    used |= {"ws_api": made.ws_api._url, "ws_future": made.ws_future._url}
    assert all(address.split("://")[1].startswith("127.0.0.1:8090") for address in used.values()), used


@in_loop
async def test_python_binance_cannot_set_the_offset_that_dates_requests() -> None:
    made = client(CUSTOM)
    await made.close_connection()

    made.timestamp_offset = 5_000

    assert made.timestamp_offset == 0.0


@in_loop
async def test_redirects_are_not_followed_and_requests_end_in_time() -> None:
    made = client(CUSTOM)
    await made.close_connection()

    arguments = made._get_request_kwargs("post", signed=False, data={})

    assert arguments["allow_redirects"] is False
    assert arguments["timeout"] == aiohttp.ClientTimeout(total=10.0)

"""What the tests of the paper exchange start from: an engine at 50 000, orders, candles, clients."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import json
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ParamSpec
from urllib.parse import urlencode

import aiohttp
import pytest
from yarl import URL

from msc_client import Side
from msc_trading.market import Candle
from msc_trading.paper import BTCUSDT, ETHUSDT, PaperConfig, PaperExchange, SymbolSpec
from msc_trading.paper.desk import Desk
from msc_trading.paper.engine import Engine
from msc_trading.paper.engine.events import AccountEvent, AlgoEvent, Event, MarginCall, OrderEvent, TradeLite
from msc_trading.paper.engine.values import NewAlgo, NewOrder, OrderType, TimeInForce

with warnings.catch_warnings():
    # The library's own imports, of names that websockets is about to drop.
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance import AsyncClient, BinanceSocketManager  # type: ignore[import-untyped]  # it ships no types

Parameters = ParamSpec("Parameters")
# What JSON holds, what builders are changed by, and what the untyped library gives.
Json = Any
Changes = Any
Untyped = Any

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY, SECRET = "paper-key", "paper-secret"
DEADLINE_S = 30.0
PAYLOADS = Path(__file__).parents[5] / "shared" / "data" / "binance_payloads"
BALANCE = Decimal(1_000_000)
DEEP = replace(BTCUSDT, level_quantity=None)


def in_loop(scenario: Callable[Parameters, Coroutine[Any, Any, None]]) -> Callable[Parameters, None]:
    """Runs an async test in a loop of its own, with a deadline."""

    @functools.wraps(scenario)
    def test(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        asyncio.run(asyncio.wait_for(scenario(*args, **kwargs), DEADLINE_S))

    return test


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


def config(*symbols: SymbolSpec, **changes: Changes) -> PaperConfig:
    return replace(PaperConfig(symbols=symbols or (BTCUSDT, ETHUSDT), origin=NOON, paused=True), **changes)


def engine(*symbols: SymbolSpec, price: str = "50000", **changes: Changes) -> Engine:
    """Returns an engine with a first price in each symbol, and its events cleared."""
    made = Engine(config(*symbols, **changes), NOON)
    for symbol in made.state.markets:
        made.move(symbol, Decimal(price), NOON, jumps=True)
    made.drain()
    return made


def market(side: Side = Side.BUY, quantity: str = "1", **changes: Changes) -> NewOrder:
    order = NewOrder(symbol="BTCUSDT", side=side, order_type=OrderType.MARKET, quantity=Decimal(quantity))
    return replace(order, **changes)


def limit(side: Side = Side.BUY, quantity: str = "1", price: str = "49000", **changes: Changes) -> NewOrder:
    return replace(market(side, quantity, **changes), order_type=OrderType.LIMIT, price=Decimal(price))


def stop(side: Side = Side.SELL, trigger: str = "49000", **changes: Changes) -> NewAlgo:
    algo = NewAlgo(
        symbol="BTCUSDT",
        side=side,
        order_type=OrderType.STOP_MARKET,
        close_position=True,
        trigger_price=Decimal(trigger),
    )
    return replace(algo, **changes)


def immediate(order: NewOrder) -> NewOrder:
    return replace(order, time_in_force=TimeInForce.IOC)


def go(exchange: Engine, price: str, *, symbol: str = "BTCUSDT", after_s: float = 1.0, **changes: Changes) -> None:
    """Moves the price some time later."""
    exchange.move(symbol, Decimal(price), exchange.state.now + timedelta(seconds=after_s), **changes)


def story(events: Iterable[Event]) -> list[str]:
    """Returns the account's events, each as a short text."""
    told = []
    for event in events:
        match event:
            case OrderEvent():
                told.append(f"ORDER {event.execution} {event.order.status}")
            case AlgoEvent():
                told.append(f"ALGO {event.algo.status}")
            case AccountEvent():
                told.append(f"ACCOUNT {event.reason}")
            case TradeLite():
                told.append("TRADE_LITE")
            case MarginCall():
                told.append("MARGIN_CALL")
            case _:
                continue
    return told


def candle(minute: int = 0, prices: str = "100 110 90 105", *, symbol: str = "BTCUSDT", volume: str = "8") -> Candle:
    """Returns the candle of a minute after noon; prices are open, high, low, close."""
    opened, high, low, close = map(Decimal, prices.split())
    return Candle(
        symbol=symbol,
        open_time=NOON + timedelta(minutes=minute),
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=Decimal(volume),
    )


def candles(count: int, *, symbol: str = "BTCUSDT", start: int = 50000) -> list[Candle]:
    """Returns minutes that rise by ten each."""
    return [
        candle(number, f"{low} {low + 15} {low - 5} {low + 10}", symbol=symbol)
        for number, low in enumerate(range(start, start + 10 * count, 10))
    ]


def desk(clock: ManualClock | None = None, feed: Iterable[Candle] = (), **changes: Changes) -> Desk:
    """Returns an exchange without sockets; must be called in an event loop."""
    made = Desk(config(**changes), {"BTCUSDT": feed} if feed else {}, clock or ManualClock())
    if not feed:
        made.set_price("BTCUSDT", Decimal(50000))
        made.set_price("ETHUSDT", Decimal(3000))
    return made


@asynccontextmanager
async def open_exchange(
    feeds: Mapping[str, Iterable[Candle]] | None = None, *, clock: ManualClock | None = None, **changes: Changes
) -> AsyncIterator[PaperExchange]:
    """Yields a running exchange, with prices set when there is no feed."""
    settings = {"pump_interval_s": 0.005} | changes
    async with PaperExchange(config(**settings), feeds or {}, clock=clock) as exchange:
        if not feeds:
            exchange.desk.set_price("BTCUSDT", Decimal(50000))
            exchange.desk.set_price("ETHUSDT", Decimal(3000))
        yield exchange


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    body: Json
    headers: Mapping[str, str]

    @property
    def code(self) -> int:
        return int(self.body["code"])


@dataclass
class RawClient:
    """Signs and sends requests as the venue asks, one at a time, with nothing in between."""

    exchange: PaperExchange
    session: aiohttp.ClientSession
    key: str = KEY
    secret: str = SECRET
    extra: dict[str, str] = field(default_factory=dict)

    async def send(self, method: str, path: str, text: str = "", *, body: str = "", key: str | None = None) -> Answer:
        """Sends texts as they are."""
        url = f"{self.exchange.rest_url}{path}" + (f"?{text}" if text else "")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        sent_key = self.key if key is None else key
        if sent_key:
            headers["X-MBX-APIKEY"] = sent_key
        encoded = URL(url, encoded=True)
        async with self.session.request(method, encoded, headers=headers, data=body or None) as response:
            words = await response.text()
            is_json = response.content_type == "application/json"
            return Answer(response.status, json.loads(words) if is_json else words, response.headers)

    async def signed(self, method: str, path: str, **params: Changes) -> Answer:
        """Signs and sends parameters, in the body or (GET) in the query."""
        params.setdefault("timestamp", self.exchange.desk.time.now_ms())
        text = urlencode(params)
        text += f"&signature={self.sign(text)}"
        return await (self.send(method, path, text) if method == "GET" else self.send(method, path, body=text))

    def sign(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    async def order(self, **changes: Changes) -> Answer:
        """Places a market buy of one, with changes; a None leaves a parameter out."""
        params = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"} | changes
        return await self.signed("POST", "/fapi/v1/order", **{n: v for n, v in params.items() if v is not None})

    async def algo(self, **changes: Changes) -> Answer:
        """Places a protective stop, with changes; a None leaves a parameter out."""
        params = {
            "algoType": "CONDITIONAL",
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "STOP_MARKET",
            "triggerPrice": "49000",
            "closePosition": "true",
        } | changes
        return await self.signed("POST", "/fapi/v1/algoOrder", **{n: v for n, v in params.items() if v is not None})

    async def admin(self, method: str, path: str, /, **fields: Changes) -> Answer:
        """Asks the admin port."""
        async with self.session.request(method, self.exchange.admin_url + path, json=fields or None) as response:
            return Answer(response.status, await response.json(), response.headers)


@asynccontextmanager
async def raw(exchange: PaperExchange, **changes: Changes) -> AsyncIterator[RawClient]:
    async with aiohttp.ClientSession() as session:
        yield RawClient(exchange, session, **changes)


@asynccontextmanager
async def library(exchange: PaperExchange, key: str = KEY, secret: str = SECRET) -> AsyncIterator[Untyped]:
    """Yields the unmodified client, pointed here the way the library offers: by class attributes."""

    class PaperClient(AsyncClient):  # type: ignore[misc]  # the library has no types
        API_URL = f"{exchange.rest_url}/api"
        FUTURES_URL = f"{exchange.rest_url}/fapi"

    client = await PaperClient.create(key, secret)
    try:
        yield client
    finally:
        await client.close_connection()


def sockets(exchange: PaperExchange, client: Untyped, *, queue: int = 10_000) -> Untyped:
    """Returns the unmodified socket manager, pointed here."""

    class PaperSockets(BinanceSocketManager):  # type: ignore[misc]  # the library has no types
        FSTREAM_URL = exchange.stream_url

    return PaperSockets(client, max_queue_size=queue)


@asynccontextmanager
async def opened(exchange: PaperExchange, socket: Untyped) -> AsyncIterator[Untyped]:
    """Yields a socket of the library, connected.

    The library sees that it shall close only when the next message comes, or after ten seconds; so one is sent.
    """
    await socket.connect()
    try:
        yield socket
    finally:
        closing = asyncio.create_task(socket.close())
        while not closing.done():
            for category in ("private", "public", "market"):
                exchange.desk.hub.burst(category, 1)
            await asyncio.sleep(0.01)
        await closing


async def until(condition: Callable[[], bool], *, what: str) -> None:
    """Waits until it holds."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"never came true: {what}")


async def read_until(socket: Untyped, wanted: Callable[[Json], bool]) -> list[Json]:
    """Returns what came, up to and including the first message that is wanted."""
    seen: list[Json] = []
    while not seen or not wanted(seen[-1]):
        seen.append(await socket.recv())
    return seen


def payload(name: str) -> Json:
    """Returns a recorded payload, or skips the test when the recordings are not beside the repository."""
    path = PAYLOADS / f"{name}.json"
    if not path.exists():
        pytest.skip("recorded payloads are not at ../shared/data/binance_payloads")
    return json.loads(path.read_text())

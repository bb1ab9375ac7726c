"""A small exchange on loopback that answers as it is told to. It checks signatures, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import hmac
import json
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ParamSpec
from urllib.parse import parse_qsl

from aiohttp import web

from msc_trading.clock import SystemClock
from msc_trading.venue.binance import BinanceVenue
from msc_trading.venue.config import VenueConfig, VenueEnvironment
from msc_trading.venue.credentials import Credentials

KEY, SECRET = "k3y-of-the-account", "s3cret-of-the-account"
CREDENTIALS = Credentials(KEY, SECRET)
START_MS = 1_700_000_000_000
DEADLINE_S = 30.0
TURNS_TO_LET_GO = 10

Parameters = ParamSpec("Parameters")


def in_loop(scenario: Callable[Parameters, Coroutine[Any, Any, None]]) -> Callable[Parameters, None]:
    """Runs an async test in a loop of its own, with a deadline."""

    @functools.wraps(scenario)
    def test(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        asyncio.run(asyncio.wait_for(_settled(scenario(*args, **kwargs)), DEADLINE_S))

    return test


async def _settled(scenario: Coroutine[Any, Any, None]) -> None:
    try:
        await scenario
    finally:
        # Transports that were closed last are let go of in the turns of the loop that follow.
        for _ in range(TURNS_TO_LET_GO):
            await asyncio.sleep(0)


@dataclass(frozen=True)
class Reply:
    """What is answered. `words` None: the connection is dropped instead."""

    words: str | None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def says(body: object, status: int = 200, **headers: str) -> Reply:
    return Reply(json.dumps(body), status, {name.replace("_", "-"): value for name, value in headers.items()})


def refuses(code: int, message: str = "no", status: int = 400, **headers: str) -> Reply:
    return says({"code": code, "msg": message}, status, **headers)


DROPPED = Reply(None)
HTML = Reply("<html><body>502 Bad Gateway</body></html>", 502, {"Content-Type": "text/html"})


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    words: str
    parameters: dict[str, str]
    key: str | None


class Connection:
    """One websocket of a client."""

    def __init__(self, socket: web.WebSocketResponse, path: str, query: str) -> None:
        self.socket = socket
        self.path = path
        self.query = query
        self.closed = asyncio.Event()

    async def send(self, message: object) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def kill(self) -> None:
        await self.socket.close()


BTC_FILTERS: list[dict[str, object]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
    {"filterType": "MAX_NUM_ORDERS", "limit": 200},
    {"filterType": "MIN_NOTIONAL", "notional": "5"},
    {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"},
]
BTC: dict[str, object] = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "filters": BTC_FILTERS,
}
EXCHANGE_INFO: dict[str, object] = {
    "serverTime": START_MS,
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
    ],
    "symbols": [
        BTC,
        {"symbol": "ODDUSDT", "status": "BREAK", "filters": []},
    ],
}


def order_answer(**changes: object) -> dict[str, object]:
    return {
        "orderId": 77, "clientOrderId": "id-1", "symbol": "BTCUSDT", "side": "BUY", "status": "FILLED",
        "origQty": "0.010", "executedQty": "0.010", "avgPrice": "50000.10", "cumQuote": "500.001", "reduceOnly": False,
        "closePosition": False, "type": "MARKET", "updateTime": START_MS, "price": "0",
    } | changes  # fmt: skip


class ScriptedExchange:
    """An exchange whose answers are scripted: `script(...)` for the next ones, `answers` for all the others.

    Its time starts at START_MS and runs `speed` times as fast as ours.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self.speed = speed
        self.ahead_ms = 0
        self.checks_dates = False
        self.asked: list[Asked] = []
        self.unscripted: list[str] = []
        self._scripts: dict[str, deque[Reply]] = defaultdict(deque)
        self.answers: dict[str, Callable[[Asked], Reply]] = {
            "GET /fapi/v1/time": lambda _: says({"serverTime": self.now_ms()}),
            "GET /fapi/v1/exchangeInfo": lambda _: says(EXCHANGE_INFO),
            "GET /fapi/v1/positionSide/dual": lambda _: says({"dualSidePosition": False}),
            "POST /fapi/v1/listenKey": lambda _: says({"listenKey": "l1sten-key"}),
            "PUT /fapi/v1/listenKey": lambda _: says({"listenKey": "l1sten-key"}),
        }
        self.hangs: set[str] = set()
        self.refuses_streams = False
        self.hanging = asyncio.Event()
        self._let_go = asyncio.Event()
        self._connections: asyncio.Queue[Connection] = asyncio.Queue()
        self._open: list[Connection] = []

    def now_ms(self) -> int:
        return START_MS + self.ahead_ms + int((self._clock.monotonic() - self._started) * 1000 * self.speed)

    def script(self, endpoint: str, *replies: Reply) -> None:
        self._scripts[endpoint].extend(replies)

    def asked_for(self, endpoint: str) -> list[Asked]:
        return [asked for asked in self.asked if f"{asked.method} {asked.path}" == endpoint]

    async def __aenter__(self) -> ScriptedExchange:
        application = web.Application()
        application.router.add_get("/private/ws", self._stream)
        application.router.add_get("/market/stream", self._stream)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._let_go.set()
        for connection in self._open:
            await connection.kill()
        await self._runner.cleanup()
        assert error is not None or not self.unscripted, f"asked without a script: {self.unscripted}"

    def config(
        self,
        *,
        request_timeout_s: float = 5.0,
        queue_size: int = 1000,
        listen_key_renewal_s: float = 1800.0,
        price_silence_s: float = 60.0,
        rules_max_age_s: float = 3600.0,
    ) -> VenueConfig:
        return VenueConfig(
            environment=VenueEnvironment.CUSTOM,
            rest_url=f"http://127.0.0.1:{self.port}",
            stream_url=f"ws://127.0.0.1:{self.port}",
            reconnect_min_s=0.01,
            reconnect_max_s=0.05,
            request_timeout_s=request_timeout_s,
            queue_size=queue_size,
            listen_key_renewal_s=listen_key_renewal_s,
            price_silence_s=price_silence_s,
            rules_max_age_s=rules_max_age_s,
        )

    def venue(
        self,
        *,
        request_timeout_s: float = 5.0,
        queue_size: int = 1000,
        listen_key_renewal_s: float = 1800.0,
        price_silence_s: float = 60.0,
        rules_max_age_s: float = 3600.0,
    ) -> BinanceVenue:
        config = self.config(
            request_timeout_s=request_timeout_s,
            queue_size=queue_size,
            listen_key_renewal_s=listen_key_renewal_s,
            price_silence_s=price_silence_s,
            rules_max_age_s=rules_max_age_s,
        )
        return BinanceVenue(config, CREDENTIALS)

    async def connection(self) -> Connection:
        """Waits for the next websocket."""
        return await self._connections.get()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await _read(request)
        self.asked.append(asked)
        reply = self._reply(asked)
        if f"{asked.method} {asked.path}" in self.hangs:
            self.hanging.set()
            await self._let_go.wait()
        if reply.words is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        headers = {"Content-Type": "application/json"} | reply.headers
        return web.Response(body=reply.words.encode(), status=reply.status, headers=headers)

    def _reply(self, asked: Asked) -> Reply:
        endpoint = f"{asked.method} {asked.path}"
        if "signature" in asked.parameters and (refusal := self._check(asked)):
            return refusal
        if self._scripts[endpoint]:
            return self._scripts[endpoint].popleft()
        if endpoint not in self.answers:
            self.unscripted.append(endpoint)
            return refuses(-1, "unscripted", 404)
        return self.answers[endpoint](asked)

    def _check(self, asked: Asked) -> Reply | None:
        payload, _, signature = asked.words.rpartition("&signature=")
        if hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest() != signature:
            return refuses(-1022, "Signature for this request is not valid.")
        sent, window = int(asked.parameters["timestamp"]), int(asked.parameters["recvWindow"])
        if self.checks_dates and not (sent < self.now_ms() + 1000 and self.now_ms() - sent <= window):
            return refuses(-1021, "Timestamp for this request is outside of the recvWindow.")
        return None

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.refuses_streams:
            return web.Response(status=403, text=f"no: {request.query_string}")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        connection = Connection(socket, request.path, request.query_string)
        self._open.append(connection)
        self._connections.put_nowait(connection)
        async for _ in socket:
            pass
        connection.closed.set()
        return socket


async def _read(request: web.Request) -> Asked:
    body = await request.text()
    words = "&".join(part for part in (request.query_string, body) if part)
    return Asked(
        method=request.method,
        path=request.path,
        words=words,
        parameters=dict(parse_qsl(words, keep_blank_values=True)),
        key=request.headers.get("X-MBX-APIKEY"),
    )

"""A paper exchange that listens on two ports: one for clients, one for whoever runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Self

from aiohttp import web

from msc_trading.clock import Clock, SystemClock
from msc_trading.market.candle import Candle
from msc_trading.paper.config import PaperConfig
from msc_trading.paper.desk import Desk
from msc_trading.paper.http.admin import Admin
from msc_trading.paper.http.rest import Rest
from msc_trading.paper.http.streams import Streams

SHUTDOWN_S = 1.0


class PaperExchange:
    """USD-M Futures on paper, as an async context manager.

    Clients get `rest_url` (append /api and /fapi) and `stream_url` (it ends with a slash). `feeds` holds candles by
    symbol, oldest first; they are read as time passes.

    Raises:
        ValueError: the feeds make no sense, or have no start.
        OSError: a port is taken.
    """

    def __init__(
        self, config: PaperConfig, feeds: Mapping[str, Iterable[Candle]], *, clock: Clock | None = None
    ) -> None:
        self._config = config
        self._feeds = feeds
        self._clock = clock or SystemClock()
        self._desk: Desk | None = None
        self._runners: list[web.AppRunner] = []
        self._pump: asyncio.Task[None] | None = None
        self._address = ""
        self._admin_address = ""

    async def __aenter__(self) -> Self:
        desk = self._desk = Desk(self._config, self._feeds, self._clock)
        client_side, admin_side = web.Application(), web.Application()
        Streams(desk).mount(client_side)
        client_side.router.add_route("*", "/{path:.*}", Rest(desk).handle)
        admin_side.router.add_route("*", "/{path:.*}", Admin(desk).handle)
        try:
            self._address = await self._listen(client_side, self._config.port)
            self._admin_address = await self._listen(admin_side, self._config.admin_port)
        except BaseException:
            await self._stop_listening()
            raise
        self._pump = asyncio.create_task(self._run(desk))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._stop_pump()
        finally:
            self.desk.thaw()
            self.desk.hub.close()
            await self._stop_listening()

    async def _stop_pump(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump

    @property
    def desk(self) -> Desk:
        """The running exchange without its sockets, for tests and hosts in the same event loop.

        Raises:
            RuntimeError: it was not entered.
        """
        if self._desk is None:
            raise RuntimeError("enter the exchange first: async with PaperExchange(...) as exchange")
        return self._desk

    @property
    def rest_url(self) -> str:
        """Where REST is; append /api and /fapi."""
        return f"http://{self._address}"

    @property
    def stream_url(self) -> str:
        """Where the streams are; ends with a slash."""
        return f"ws://{self._address}/"

    @property
    def admin_url(self) -> str:
        """Where time and faults are set."""
        return f"http://{self._admin_address}"

    @property
    def origin(self) -> datetime:
        """Where simulated time started."""
        return self.desk.origin

    def now(self) -> datetime:
        """Returns the simulated instant."""
        return self.desk.now()

    async def failed(self) -> None:
        """Waits until the exchange stops by itself, which is an error, and raises it."""
        if self._pump is not None:
            await asyncio.shield(self._pump)

    async def _run(self, desk: Desk) -> None:
        while True:
            desk.tick()
            await asyncio.sleep(self._config.pump_interval_s)

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, self._config.host, port).start()
        host, bound = runner.addresses[0][:2]
        return f"{host}:{bound}"

    async def _stop_listening(self) -> None:
        while self._runners:
            await self._runners.pop().cleanup()

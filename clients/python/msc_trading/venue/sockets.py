"""python-binance's sockets, each used for one connection: whatever ends it is told, and a new one is made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msc_trading.clock import Clock, seeded
from msc_trading.venue.backoff import Backoff
from msc_trading.venue.client import FuturesClient, socket_manager
from msc_trading.venue.config import VenueConfig
from msc_trading.venue.library import (
    BinanceWebsocketUnableToConnect,
    FuturesType,
    ReadLoopClosed,
    ReconnectingWebsocket,
    WebSocketException,
    WSListenerState,
)
from msc_trading.venue.wire import Json, record

LOGGER = logging.getLogger("msc_trading.venue")
CLOSE_TIMEOUT_S = 5.0


class StreamEnded(Exception):
    """The connection is over, and events may have been lost. The message holds no secrets."""


class Socket:
    """One connection. python-binance reconnects silently in some cases; here it never does."""

    def __init__(self, socket: ReconnectingWebsocket, on_close: Callable[[Socket], None]) -> None:
        """Takes a socket that is not connected, and who is told when it is closed."""
        self._socket = socket
        self._on_close = on_close
        self._socket.MAX_RECONNECTS = 0
        self._companion: asyncio.Task[None] | None = None

    async def open(self, timeout_s: float) -> None:
        """Connects.

        Raises:
            StreamEnded: it could not.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._socket.connect()
        except (OSError, WebSocketException) as error:
            raise StreamEnded(f"no connection: {type(error).__name__}") from None

    async def receive(self) -> Json:
        """Returns the next message.

        Raises:
            StreamEnded: there will be none, or some were lost.
            Malformed: it cannot be read; the next one may.
        """
        try:
            message = await self._socket.recv()
        except (ReadLoopClosed, BinanceWebsocketUnableToConnect) as error:
            raise StreamEnded(type(error).__name__) from None
        told = record(message)
        if told.get("e") == "error":
            raise StreamEnded(str(told.get("type") or "error"))
        return told

    def accompany(self, task: asyncio.Task[None]) -> None:
        """Has the task cancelled when the connection is closed."""
        self._companion = task

    async def fail(self, why: str) -> None:
        """Ends the stream for whoever waits for its next message."""
        await self._socket._propagate_error({"e": "error", "type": why})

    async def close(self) -> None:
        """Closes the connection. Twice is fine."""
        # In this order its read loop ends at once; by itself it would sit out a timeout of ten seconds.
        self._on_close(self)
        if self._companion is not None:
            self._companion.cancel()
            await asyncio.gather(self._companion, return_exceptions=True)
        self._socket.ws_state = WSListenerState.EXITING
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._socket.ws is not None:
                    await self._socket.ws.close()
                await self._socket.close()
        except (OSError, WebSocketException) as error:
            LOGGER.warning("a stream did not close: %s", type(error).__name__)


class Sockets:
    """Opens connections to the venue's streams."""

    def __init__(self, client: FuturesClient, config: VenueConfig, clock: Clock) -> None:
        """Takes python-binance's client, and where its streams are."""
        self._client = client
        self.config = config
        self.clock = clock
        # Jitter only has to differ between processes.
        self._chance = seeded(hash((id(self), clock.monotonic())))
        self._sockets: set[Socket] = set()
        self.closed = False

    async def close(self) -> None:
        """Ends every stream; whoever reads one sees it end. Twice is fine."""
        self.closed = True
        for socket in list(self._sockets):
            await socket.fail("the venue is closed")
            await socket.close()

    async def user(self, listen_key: str) -> Socket:
        """Returns an open connection to the account's stream.

        python-binance's own user socket renews its key by changing connections without a word; this one does not.

        Raises:
            StreamEnded: it could not be opened.
        """
        manager = socket_manager(self._client, self.config)
        return await self._opened(
            manager._get_futures_socket(f"?listenKey={listen_key}", FuturesType.USD_M, prefix="ws", category="private")
        )

    async def market(self, streams: list[str]) -> Socket:
        """Returns an open connection to market streams, such as btcusdt@aggTrade.

        Raises:
            StreamEnded: it could not be opened.
        """
        return await self._opened(socket_manager(self._client, self.config).futures_multiplex_socket(streams))

    async def _opened(self, socket: ReconnectingWebsocket) -> Socket:
        opened = Socket(socket, self._sockets.discard)
        self._sockets.add(opened)
        try:
            await opened.open(self.config.request_timeout_s)
        except BaseException:
            await opened.close()
            raise
        return opened

    def backoff(self) -> Backoff:
        """Returns a fresh count of attempts."""
        return Backoff(
            shortest_s=self.config.reconnect_min_s,
            longest_s=self.config.reconnect_max_s,
            chance=self._chance.random,
        )

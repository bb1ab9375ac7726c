"""Messages of market streams, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import logging

from msc_trading.venue.sockets import Socket, Sockets, StreamEnded
from msc_trading.venue.wire import Json, Malformed, inner

LOGGER = logging.getLogger("msc_trading.venue")


class MarketFeed:
    """Follows streams such as btcusdt@aggTrade until it is closed."""

    def __init__(self, sockets: Sockets, streams: list[str]) -> None:
        """Takes how to connect, and what to follow."""
        self._sockets = sockets
        self._streams = streams
        self._backoff = sockets.backoff()
        self._silence_s = sockets.config.price_silence_s
        self._socket: Socket | None = None
        self._connected_at = 0.0

    async def receive(self) -> Json | None:
        """Returns the next message; None stands for a new connection, before which messages may have been missed.

        Raises:
            StreamEnded: the venue is closed.
        """
        while not self._sockets.closed:
            try:
                if self._socket is None:
                    await self._connect()
                    return None
                return inner(await self._receive_in_time(self._socket), "data")
            except StreamEnded as ended:
                LOGGER.warning("market stream lost (%s), reconnecting", ended)
                await self.close()
            except Malformed as error:
                LOGGER.warning("a market message cannot be read: %s", error)
        raise StreamEnded("the venue is closed")

    async def _connect(self) -> None:
        await asyncio.sleep(self._backoff.next_s())
        self._socket = await self._sockets.market(self._streams)
        self._connected_at = self._sockets.clock.monotonic()

    async def _receive_in_time(self, socket: Socket) -> Json:
        try:
            async with asyncio.timeout(self._silence_s):
                return await socket.receive()
        except TimeoutError:
            raise StreamEnded(f"silent for {self._silence_s:.0f} s") from None

    async def close(self) -> None:
        """Closes the connection, if there is one."""
        socket, self._socket = self._socket, None
        if socket is not None:
            self._backoff.held(self._sockets.clock.monotonic() - self._connected_at)
            await socket.close()

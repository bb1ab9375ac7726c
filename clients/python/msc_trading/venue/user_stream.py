"""The account's stream, without silent loss: every interruption is told before the stream goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

from msc_trading.venue.calls import KEEP_STREAM, START_STREAM
from msc_trading.venue.errors import NO_SUCH_LISTEN_KEY
from msc_trading.venue.fills import OrderOwners
from msc_trading.venue.gateway import Gateway
from msc_trading.venue.port import OrderUpdate, RateLimited, StreamLost, UserEvent, VenueError
from msc_trading.venue.sockets import Socket, Sockets, StreamEnded
from msc_trading.venue.stream_mapping import user_events
from msc_trading.venue.wire import Malformed

LOGGER = logging.getLogger("msc_trading.venue")

# A key that could not be renewed is tried again so many times before it expires.
_RETRIES_PER_RENEWAL = 10


class UserStream:
    """Listens to the account for as long as it is read."""

    def __init__(self, gateway: Gateway, sockets: Sockets, owners: OrderOwners) -> None:
        """Takes where listen keys come from, how to connect, and who learns whose an order is."""
        self._gateway = gateway
        self._sockets = sockets
        self._owners = owners
        self._asset = sockets.config.margin_asset

    async def events(self) -> AsyncGenerator[UserEvent]:
        """Yields events until the venue is closed.

        StreamLost comes first of all, after each interruption once the new connection is up, and before that when it
        cannot be had at once.
        """
        backoff, why, is_down = self._sockets.backoff(), "the stream starts", False
        while not self._sockets.closed:
            await asyncio.sleep(backoff.next_s())
            listening = _Listening(self._gateway, self._sockets)
            pause = 0.0
            try:
                await listening.start()
                is_down = False
                yield StreamLost(why=why)
                while True:
                    for event in await self._next(listening.socket):
                        yield event
            except StreamEnded as ended:
                why = str(ended)
                LOGGER.warning("user stream lost (%s), rebuilding", why)
            except VenueError as error:
                LOGGER.warning("the user stream cannot be rebuilt: %s", error)
                pause = error.retry_after_s if isinstance(error, RateLimited) else 0.0
            finally:
                await listening.stop()
            backoff.held(listening.held_s)
            if not listening.was_up and not is_down and not self._sockets.closed:
                is_down = True
                yield StreamLost(why=f"{why}; not rebuilt yet")
            await asyncio.sleep(pause)

    async def _next(self, socket: Socket) -> list[UserEvent]:
        try:
            message = await socket.receive()
            if message.get("e") == "listenKeyExpired":
                raise StreamEnded("the listen key expired")
            events = user_events(message, asset=self._asset)
        except Malformed as error:
            LOGGER.warning("an event of the account cannot be read: %s", error)
            return [StreamLost(why=f"an event cannot be read: {error}")]
        for event in events:
            if isinstance(event, OrderUpdate):
                self._owners.learn(event.order)
        return events


class _Listening:
    """One connection, with the key that it lives by."""

    def __init__(self, gateway: Gateway, sockets: Sockets) -> None:
        self._gateway = gateway
        self._sockets = sockets
        self._renewal_s = sockets.config.listen_key_renewal_s
        self._socket: Socket | None = None
        self._started_at = 0.0
        self.held_s = 0.0

    async def start(self) -> None:
        key = await self._gateway.request(START_STREAM)
        if not isinstance(key, str) or not key:
            raise StreamEnded("no listen key")
        self._socket = await self._sockets.user(key)
        self._started_at = self._sockets.clock.monotonic()
        self._socket.accompany(asyncio.create_task(self._renew(self._socket, key), name="listen key"))

    @property
    def was_up(self) -> bool:
        return self._socket is not None

    @property
    def socket(self) -> Socket:
        if self._socket is None:
            raise StreamEnded("not connected")
        return self._socket

    async def stop(self) -> None:
        if self._socket is not None:
            self.held_s = self._sockets.clock.monotonic() - self._started_at
            await self._socket.close()

    async def _renew(self, socket: Socket, key: str) -> None:
        wait = self._renewal_s
        while True:
            await asyncio.sleep(wait)
            try:
                await self._gateway.request(KEEP_STREAM, listenKey=key)
                wait = self._renewal_s
            except VenueError as error:
                if error.code == NO_SUCH_LISTEN_KEY:
                    await socket.fail("the listen key is gone")
                    return
                LOGGER.warning("the listen key was not renewed: %s", error)
                wait = self._renewal_s / _RETRIES_PER_RENEWAL

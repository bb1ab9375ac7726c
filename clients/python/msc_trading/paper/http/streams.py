"""The stream side: private, public and market connections."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from aiohttp import WSMsgType, web

from msc_trading.paper.desk import Desk
from msc_trading.paper.http.hub import PRIVATE, Listener
from msc_trading.paper.http.market_messages import Channel, channel_of
from msc_trading.paper.http.text import dumps

CATEGORIES = frozenset({"public", "market"})
INVALID_REQUEST = 2


class Streams:
    """Opens connections, feeds them, and lets them change what they listen to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._symbols = frozenset(spec.symbol for spec in desk.config.symbols)

    def mount(self, app: web.Application) -> None:
        """Adds the paths of the streams."""
        app.router.add_get("/private/ws", self.private)
        app.router.add_get("/{category:public|market}/ws", self.market)
        app.router.add_get("/{category:public|market}/ws/{names:.+}", self.market)
        app.router.add_get("/{category:public|market}/stream", self.market)

    async def private(self, request: web.Request) -> web.StreamResponse:
        """Serves the account's events to whoever has a ticket."""
        await self._desk.thawed.wait()
        listen_key = request.query.get("listenKey", "")
        if not self._desk.listen_keys.is_live(listen_key):
            raise web.HTTPBadRequest(text="This listenKey does not exist.")
        return await self._serve(request, PRIVATE, (), listen_key=listen_key)

    async def market(self, request: web.Request) -> web.StreamResponse:
        """Serves prices. A name under the wrong path, or of no stream, is refused instead of being silent."""
        await self._desk.thawed.wait()
        category = request.match_info["category"]
        combined = request.path.endswith("/stream")
        text = request.query.get("streams", "") if combined else request.match_info.get("names", "")
        names = [name for name in text.split("/") if name]
        channels = self._channels(category, names)
        if channels is None:
            raise web.HTTPBadRequest(text=f"No such stream under /{category}.")
        return await self._serve(request, category, channels, combined=combined)

    def _channels(self, category: str, names: list[str]) -> list[Channel] | None:
        found = [channel_of(name, self._symbols) for name in names]
        channels = [channel for channel in found if channel is not None and channel.category == category]
        return channels if len(channels) == len(names) else None

    async def _serve(
        self,
        request: web.Request,
        category: str,
        channels: list[Channel] | tuple[Channel, ...],
        *,
        combined: bool = False,
        listen_key: str = "",
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        listener = Listener(
            category=category,
            opened_s=self._desk.clock.real_s(),
            combined=combined,
            abort=lambda: _abort(request),
            queue=asyncio.Queue(maxsize=self._desk.config.stream_queue),
            listen_key=listen_key,
        )
        self._desk.hub.add(listener, channels)
        writer = asyncio.create_task(self._write(socket, listener))
        try:
            await self._read(socket, listener)
        finally:
            self._desk.hub.remove(listener)
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
        return socket

    async def _write(self, socket: web.WebSocketResponse, listener: Listener) -> None:
        # A connection that broke while we wrote shows itself to the reader, which ends it.
        with suppress(ConnectionError):
            while (text := await listener.queue.get()) is not None:
                await self._desk.thawed.wait()
                await socket.send_str(text)
            await socket.close()

    async def _read(self, socket: web.WebSocketResponse, listener: Listener) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                listener.put(self._command(message.data, listener))

    def _command(self, text: str, listener: Listener) -> str:
        try:
            asked = json.loads(text)
            method, names, number = asked["method"], asked.get("params", []), asked.get("id")
            channels = self._channels(listener.category, [str(name) for name in names])
        except (ValueError, KeyError, TypeError, AttributeError) as broken:
            return dumps({"error": {"code": INVALID_REQUEST, "msg": f"Invalid request: {type(broken).__name__}"}})
        if channels is None or method not in {"SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"}:
            return dumps({"error": {"code": INVALID_REQUEST, "msg": "Invalid request"}, "id": number})
        if method == "LIST_SUBSCRIPTIONS":
            return dumps({"result": sorted(listener.channels), "id": number})
        if method == "SUBSCRIBE":
            self._desk.hub.subscribe(listener, channels)
        else:
            self._desk.hub.unsubscribe(listener, names)
        return dumps({"result": None, "id": number})


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()

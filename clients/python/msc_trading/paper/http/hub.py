"""Everybody who listens, and what they are sent."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from msc_trading.paper.engine.bars import milliseconds
from msc_trading.paper.engine.core import Engine
from msc_trading.paper.engine.events import Event, ForcedOrder, PriceMoved
from msc_trading.paper.http.market_messages import (
    HEARTBEAT_KINDS,
    Channel,
    forced_order_message,
    market_message,
)
from msc_trading.paper.http.private_messages import listen_key_expired, private_message
from msc_trading.paper.http.text import dumps

PRIVATE = "private"
BURST_EVENT = "paperBurst"


class Socket(Protocol):
    """The sending end of a stream."""

    async def send_str(self, data: str) -> None:
        """Sends a text."""
        ...


@dataclass(eq=False, slots=True)
class Listener:
    """One connection: its category, what it listens to, and what waits to be sent. None in the queue ends it.

    `abort` cuts the connection without a goodbye.
    """

    category: str
    opened_s: float
    combined: bool
    abort: Callable[[], None]
    queue: asyncio.Queue[str | None]
    channels: dict[str, Channel] = field(default_factory=dict)
    listen_key: str = ""

    def put(self, text: str) -> None:
        """Queues a text; whoever reads too slowly is cut off."""
        try:
            self.queue.put_nowait(text)
        except asyncio.QueueFull:
            self.abort()


class Hub:
    """Hands events to those who listen. A message is written once, however many listen to it."""

    def __init__(self, engine: Engine, mangle: Callable[[str, str, Callable[[str], None]], None]) -> None:
        self._engine = engine
        self._mangle = mangle
        self._listeners: set[Listener] = set()
        self._by_channel: defaultdict[str, set[Listener]] = defaultdict(set)
        self._channels: dict[str, Channel] = {}
        self.sent = 0

    def add(self, listener: Listener, channels: Iterable[Channel] = ()) -> None:
        """Adds a connection."""
        self._listeners.add(listener)
        self.subscribe(listener, channels)

    def remove(self, listener: Listener) -> None:
        """Removes a connection; twice is fine."""
        self._listeners.discard(listener)
        self.unsubscribe(listener, list(listener.channels))

    def subscribe(self, listener: Listener, channels: Iterable[Channel]) -> None:
        """Lets a connection listen to more."""
        for channel in channels:
            listener.channels[channel.name] = channel
            self._channels[channel.name] = channel
            self._by_channel[channel.name].add(listener)

    def unsubscribe(self, listener: Listener, names: Iterable[str]) -> None:
        """Lets a connection listen to less."""
        for name in names:
            listener.channels.pop(name, None)
            self._by_channel[name].discard(listener)
            if not self._by_channel[name]:
                del self._by_channel[name]
                self._channels.pop(name, None)

    def count(self, category: str) -> int:
        """Returns how many connections of a category there are."""
        return sum(listener.category == category for listener in self._listeners)

    def publish(self, events: Iterable[Event]) -> None:
        """Sends each event to those whom it is for."""
        for event in events:
            if isinstance(event, PriceMoved):
                self._publish_move(event)
            elif isinstance(event, ForcedOrder):
                for channel in list(self._channels.values()):
                    self._send(channel, forced_order_message(channel, event))
            else:
                self._publish_private(event)

    def beat(self, event: PriceMoved) -> None:
        """Says again, on the streams that tell the present price, that it still stands."""
        self._publish_move(event, HEARTBEAT_KINDS)

    def _publish_move(self, event: PriceMoved, kinds: frozenset[str] | None = None) -> None:
        for channel in list(self._channels.values()):
            if channel.symbol in {None, event.symbol} and (kinds is None or channel.kind in kinds):
                self._send(channel, market_message(self._engine, channel, event))

    def _send(self, channel: Channel, message: object) -> None:
        if message is None:
            return
        plain = dumps(message)
        wrapped = dumps({"stream": channel.name, "data": message})
        for listener in self._by_channel[channel.name]:
            listener.put(wrapped if listener.combined else plain)
            self.sent += 1

    def _publish_private(self, event: Event) -> None:
        message = private_message(self._engine.state, event)
        # Mangled also when nobody listens: a fault is meant for the next message, not for the next listener.
        if message is not None:
            self._mangle(str(message["e"]), dumps(message), self._send_private)

    def _send_private(self, text: str) -> None:
        for listener in list(self._listeners):
            if listener.category == PRIVATE and listener.listen_key:
                listener.put(text)
                self.sent += 1

    def expire(self, listen_keys: Iterable[str]) -> None:
        """Tells the streams of expired tickets; they stay open and hear nothing more."""
        expired = set(listen_keys)
        for listener in list(self._listeners):
            if listener.listen_key in expired:
                now_ms = milliseconds(self._engine.state.now)
                listener.put(dumps(listen_key_expired(listener.listen_key, now_ms)))
                listener.listen_key = ""

    def burst(self, category: str, count: int) -> int:
        """Sends many messages at once to every connection of a category; returns to how many it went."""
        now_ms = milliseconds(self._engine.state.now)
        found = self._of(category)
        for listener in found:
            for number in range(count):
                listener.put(dumps({"e": BURST_EVENT, "E": now_ms, "n": number}))
        return len(found)

    def kill(self, category: str = "") -> int:
        """Cuts every connection of a category, "" for all, without a goodbye; returns how many."""
        found = self._of(category)
        for listener in found:
            listener.abort()
            self.remove(listener)
        return len(found)

    def close_older_than(self, opened_s: float) -> None:
        """Ends connections that were opened before then."""
        for listener in list(self._listeners):
            if listener.opened_s <= opened_s:
                listener.queue.put_nowait(None)
                self.remove(listener)

    def close(self) -> None:
        """Ends every connection."""
        self.close_older_than(float("inf"))

    def _of(self, category: str) -> list[Listener]:
        return [listener for listener in self._listeners if category in {"", listener.category}]

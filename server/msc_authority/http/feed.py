"""One stream of events for many subscribers: each event is told once, kept for a while, and sent to all.

Everything here runs on the HTTP event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from msc_authority.http.models.events import EndEvent, GapEvent

KEPT = 1024
"""Events kept for subscribers that come back."""
PENDING = 256
"""Events that may wait for one subscriber before it is ended as too slow."""
MAX_SUBSCRIBERS = 256
KEEP_ALIVE = b": keep-alive\n\n"
PIECE_BYTES = 64 * 1024
"""What is sent at once, about. What is written to a connection that nobody reads is kept until the connection ends."""
RETRY_MS = 2000
"""How long a browser waits before it connects again."""


class TooManySubscribers(Exception):
    """There are as many as are allowed."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as it goes out."""

    number: int
    kind: str
    text: bytes


class Feed:
    """Keeps the newest events and hands each to every subscriber."""

    def __init__(self, *, first_number: int, kept: int = KEPT, pending: int = PENDING) -> None:
        """Numbers grow from `first_number`, which has to be greater than any number told before a restart."""
        self._next, self._pending = first_number, pending
        self._ring: deque[Sent] = deque(maxlen=kept)
        self._subscribers: set[Subscriber] = set()
        self._closed = False

    def tell(self, kind: str, data: str) -> None:
        """Sends an event, `data` being one line of JSON, to everybody who wants that kind."""
        sent = Sent(self._next, kind, _message(kind, data, self._next))
        self._next += 1
        self._ring.append(sent)
        for subscriber in tuple(self._subscribers):
            subscriber.take(sent)

    def tell_gap(self) -> None:
        """Tells everybody that events are missing here."""
        gap = GapEvent(reason="OVERFLOW", detail="events came faster than they could be sent; read the status anew")
        self.tell("gap", gap.model_dump_json())

    def check_room(self) -> None:
        """Raises TooManySubscribers if there are as many as are allowed."""
        if len(self._subscribers) >= MAX_SUBSCRIBERS:
            raise TooManySubscribers(f"{MAX_SUBSCRIBERS} streams are open already")

    async def stream(
        self, kinds: Collection[str], after: int | None, keep_alive_s: float
    ) -> AsyncGenerator[bytes, None]:
        """Yields what a subscriber is sent. It is one from the first step on, and no longer when this is closed.

        Raises:
            TooManySubscribers: there are too many.
        """
        async with aclosing(self.subscribe(kinds, after).messages(keep_alive_s)) as messages:
            async for message in messages:
                yield message

    def subscribe(self, kinds: Collection[str], after: int | None) -> Subscriber:
        """Returns what sends the events of some kinds (none: all) after a number (None: from now on; 0: all kept).

        Raises:
            TooManySubscribers: there are too many.
        """
        self.check_room()
        subscriber = Subscriber(self._subscribers.discard, frozenset(kinds), self._pending)
        self._subscribers.add(subscriber)
        if after is not None:
            self._resume(subscriber, after)
        if self._closed:
            subscriber.end("STOPPING")
        return subscriber

    def _resume(self, subscriber: Subscriber, after: int) -> None:
        oldest = self._ring[0].number if self._ring else self._next
        if after and not oldest - 1 <= after < self._next:
            gap = GapEvent(reason="TOO_OLD", detail="events after that id are not kept any more; read the status anew")
            subscriber.put(_message("gap", gap.model_dump_json()))
        subscriber.catch_up(sent.text for sent in self._ring if sent.number > after and subscriber.wants(sent))

    def close(self) -> None:
        """Ends every stream, and those that are still to come."""
        self._closed = True
        for subscriber in tuple(self._subscribers):
            subscriber.end("STOPPING")

    @property
    def subscribers(self) -> int:
        """How many streams are open."""
        return len(self._subscribers)


class Subscriber:
    """One stream. What it cannot send at once waits; where too much waits, it is ended and says so."""

    def __init__(self, leave: Callable[[Subscriber], None], kinds: frozenset[str], pending: int) -> None:
        self._leave, self._kinds, self._limit = leave, kinds, pending
        self._missed: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._ended = False

    def wants(self, sent: Sent) -> bool:
        """Whether it asked for this kind. That something is missing concerns everybody."""
        return not self._kinds or sent.kind in self._kinds or sent.kind == "gap"

    def take(self, sent: Sent) -> None:
        """Has an event sent, if it is wanted."""
        if self._ended or not self.wants(sent):
            return
        if len(self._waiting) >= self._limit:
            self.end("SLOW_CONSUMER")
            return
        self.put(sent.text)

    def put(self, *texts: bytes) -> None:
        """Has messages sent, however many wait."""
        self._waiting.extend(texts)
        if texts:
            self._news.set()

    def catch_up(self, texts: Iterable[bytes]) -> None:
        """Has what was missed sent before all else; it does not count as waiting, however much it is."""
        self._missed.extend(self._waiting)
        self._missed.extend(texts)
        self._waiting.clear()
        self._news.set()

    def end(self, reason: str) -> None:
        """Has the stream end after what waits already, with the reason. Twice is fine."""
        if self._ended:
            return
        self._ended = True
        detail = "connect again with Last-Event-ID" if reason == "SLOW_CONSUMER" else "the authority is stopping"
        end = EndEvent.model_validate({"reason": reason, "detail": detail})
        self.put(_message("end", end.model_dump_json()))
        self._leave(self)

    async def messages(self, keep_alive_s: float) -> AsyncGenerator[bytes, None]:
        """Yields what is to be sent, and a comment where nothing was for a while, so that dead connections show."""
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while True:
                while self._missed or self._waiting:
                    yield self._piece()
                if self._ended:
                    return
                self._news.clear()
                if not await _in_time(self._news, keep_alive_s):
                    yield KEEP_ALIVE
        finally:
            self._leave(self)

    def _piece(self) -> bytes:
        texts: list[bytes] = []
        size = 0
        while size < PIECE_BYTES and (first := self._missed or self._waiting):
            texts.append(first.popleft())
            size += len(texts[-1])
        return b"".join(texts)


async def _in_time(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _message(kind: str, data: str, number: int | None = None) -> bytes:
    name = "" if number is None else f"id: {number}\n"
    return f"{name}event: {kind}\ndata: {data}\n\n".encode()

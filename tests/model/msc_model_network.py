"""What lies between processes: announcements that go astray, and watches over connections that break or stall."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol, cast

from msc_model_time import LeapingLoop

from msc_authority.core.policy import PolicyRef
from msc_authority.rpc.errors import refusal_of
from msc_client import Ref
from msc_client._messages import StreamEnd
from msc_policy import v1 as pb

if TYPE_CHECKING:
    from msc_model_replica import Replica

    from msc_authority.rpc.calls import Context

NO_ROUTE_RETRY_S = 0.5
Hears = Callable[[PolicyRef | None], None]


class Post(Enum):
    """What becomes of announcements."""

    DELIVERED = "delivered"
    LOST = "lost"
    TWICE = "twice"
    LATE = "late"


class Announced:
    """The announcements of all replicas. What is late waits here until it is let go, in whatever order."""

    def __init__(self) -> None:
        self.post = Post.DELIVERED
        self._ears: dict[str, Hears] = {}
        self._late: list[PolicyRef] = []

    def announce(self, ref: PolicyRef) -> None:
        match self.post:
            case Post.DELIVERED:
                self._tell(ref)
            case Post.TWICE:
                self._tell(ref)
                self._tell(ref)
            case Post.LATE:
                self._late.append(ref)
            case Post.LOST:
                pass

    def let_go(self, *, reverse: bool) -> None:
        """Delivers what is late."""
        late, self._late = self._late, []
        for ref in reversed(late) if reverse else late:
            self._tell(ref)

    def missed(self) -> None:
        """The connection that carries them broke: something may have been missed."""
        self._late = []
        self._tell(None)

    def hear(self, name: str, callback: Hears | None) -> None:
        """One replica listens from now on, or no more."""
        self._ears.pop(name, None)
        if callback is not None:
            self._ears[name] = callback

    def _tell(self, ref: PolicyRef | None) -> None:
        for callback in list(self._ears.values()):
            callback(ref)


class Ear:
    """The announcements as one replica has them. See `msc_authority.ports.announcements.Announcements`."""

    def __init__(self, announced: Announced, name: str, do: Callable[[Callable[[], None]], None]) -> None:
        self._announced, self._name, self._do = announced, name, do

    def announce(self, ref: PolicyRef) -> None:
        self._announced.announce(ref)

    def listen(self, callback: Hears) -> None:
        self._announced.hear(self._name, lambda ref: self._do(lambda: callback(ref)))

    def close(self) -> None:
        self._announced.hear(self._name, None)


class Reader(Protocol):
    """Who reads a watch."""

    @property
    def stalled(self) -> bool:
        """Whether what is sent to it waits on the way."""
        ...

    def route(self) -> Replica | None:
        """Returns the replica that its next watch comes out at, or None: there is none to be reached."""
        ...

    def message(self, stream: int, raw: bytes) -> None:
        """Takes a message."""
        ...

    def ended(self, stream: int, end: StreamEnd) -> None:
        """Takes the end."""
        ...


class Wire:
    """One watch: the real service on one side, the bytes of the wire between, in order, a reader on the other."""

    def __init__(self, loop: LeapingLoop, reader: Reader, stream: int, request: pb.WatchPolicyRequest) -> None:
        self._loop, self._reader, self._stream = loop, reader, stream
        self._on_the_way: deque[bytes | StreamEnd] = deque()
        self._cut = False
        self.replica: Replica | None = None
        self.held: Ref | None = None
        """What the reader had of it last."""
        self._task = loop.create_task(self._serve(request))

    async def write(self, frame: bytes) -> None:
        """Sends. See `grpc.aio.ServicerContext`."""
        if self.replica is not None:
            await self.replica.life.over()
        self._send(frame)

    def flow(self) -> None:
        """Delivers what is on the way, unless it is stalled."""
        while self._on_the_way and not self._cut and not self._reader.stalled:
            item = self._on_the_way.popleft()
            if isinstance(item, StreamEnd):
                self._reader.ended(self._stream, item)
            else:
                self._reader.message(self._stream, item)

    def cancel(self) -> None:
        """The reader ends it."""
        self._cut = True
        self._task.cancel()

    def tear(self) -> None:
        """The connection breaks: what was on the way is lost, and both sides see it."""
        self._task.cancel()
        self._on_the_way.clear()
        self._send(StreamEnd(code="UNAVAILABLE", detail="connection reset"))

    @property
    def done(self) -> bool:
        """Whether nothing comes of it any more."""
        return self._task.done() and (self._cut or not self._on_the_way)

    def failure(self) -> BaseException | None:
        """Returns what broke the service, which nothing may."""
        return self._task.exception() if self._task.done() and not self._task.cancelled() else None

    def _send(self, item: bytes | StreamEnd) -> None:
        self._on_the_way.append(item)
        self._loop.call_soon(self.flow)

    async def _serve(self, request: pb.WatchPolicyRequest) -> None:
        # As a channel does for a call that waits until it is ready.
        while (replica := self._reader.route()) is None:  # noqa: ASYNC110 -- there is no event for a network
            await asyncio.sleep(NO_ROUTE_RETRY_S)
        self.replica = replica
        await replica.life.over()
        try:
            await replica.service.watch_policy(request, cast("Context", self))
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            self._send(
                StreamEnd(
                    code=refusal.code.name,
                    detail=refusal.message,
                    reason=refusal.reason,
                    retry_after_s=refusal.retry_s,
                )
            )
            return
        self._send(StreamEnd(code="OK"))

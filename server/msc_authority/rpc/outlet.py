"""Writes what a watch says, each message as soon as it is due and the one before has been written.

A publication is written where it is made: watcher behind watcher, each up to where it waits for gRPC. A task of its own
for each watch would have to be woken first, through every coroutine that waits in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator

from msc_authority.app.broker import Watcher
from msc_authority.ports.clock import Clock
from msc_authority.rpc.watch import Watch

Write = Callable[[bytes], Awaitable[None]]


class Outlet:
    """The way of one watch to its caller: one write at a time, and whatever is current when that is done."""

    __slots__ = ("_clock", "_over", "_watch", "_watcher", "_write", "_writing")

    def __init__(self, watch: Watch, watcher: Watcher, write: Write, clock: Clock) -> None:
        """`write` returns what is done when a message has been taken over, and raises when that cannot be."""
        self._watch, self._watcher, self._write, self._clock = watch, watcher, write, clock
        self._writing: Generator[asyncio.Future[object], None, None] | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def serve(self, first: bytes) -> Awaitable[None]:
        """Begins to write the first message and all later ones. What is returned is done when the goodbye is written,
        and raises what writing did.
        """
        # No coroutine: it would keep the first message, of some hundred bytes, for as long as the watch lasts.
        self._watcher.on_wake(self._look)
        self._attempt(first)
        self._look()
        return self._over

    def _look(self) -> None:
        # Whoever publishes calls this for every watch: what goes wrong here ends this one and no other.
        while self._writing is None and not self._over.done():
            try:
                frame = self._watch.due()
                if frame is None:
                    break
                self._attempt(frame)
            except Exception as error:
                self._fail(error)
        if self._watch.over and self._writing is None and not self._over.done():
            self._over.set_result(None)

    def _attempt(self, frame: bytes) -> None:
        self._watcher.write_began = self._clock.monotonic()
        self._writing = self._write(frame).__await__()
        self._go_on(self._writing)

    def _go_on(self, writing: Generator[asyncio.Future[object], None, None]) -> None:
        # As a task takes a step: what is awaited comes out, and the step after it is made when that is done.
        try:
            awaited = next(writing)
        except StopIteration:
            self._writing = self._watcher.write_began = None
        except (Exception, asyncio.CancelledError) as error:
            self._writing = None
            self._fail(error)
        else:
            awaited.add_done_callback(self._done)

    def _done(self, _: asyncio.Future[object]) -> None:
        if self._writing is not None:
            self._go_on(self._writing)
            self._look()

    def _fail(self, error: BaseException) -> None:
        # When the call has ended, its last write fails: nothing that is not known.
        if self._over.done():
            return
        self._over.set_exception(error)
        # As good as looked at: if the call is cancelled before it could look, that is how it ended.
        self._over.exception()

"""Lines between programs that can be cut: connections through them then stay open, and nothing comes through."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

CHUNK = 65_536
ANSWER_WITHIN_S = 10.0
_RESET = struct.pack("ii", 1, 0)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a line leads: a port of this machine, or a socket in the file system."""

    port: int = 0
    path: Path | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Returns a connection. Raises OSError."""
        if self.path is not None:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection("127.0.0.1", self.port)


class Line:
    """Carries connections from a port of its own to its upstream."""

    def __init__(self, upstream: Upstream, run: asyncio.AbstractEventLoop) -> None:
        self._upstream, self._run = upstream, run
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._door: socket.socket | None = None
        self.port = 0

    async def begin(self, host: str) -> None:
        """Listens."""
        # Not by a server of asyncio's: what that has let in when it is closed, and not handed over yet, stays open.
        self._door = socket.create_server((host, 0))
        self._door.setblocking(False)
        self._run.add_reader(self._door, self._let_in, self._door)
        self.port = self._door.getsockname()[1]

    def cut(self) -> None:
        """From now on nothing comes through, and nobody is told."""
        self._run.call_soon_threadsafe(self._flows.clear)

    def heal(self, *, reset: bool = False) -> None:
        """Lets everything through again. With `reset`, connections of before are broken off first."""

        def heals() -> None:
            if reset:
                self._break_off()
            self._flows.set()

        self._run.call_soon_threadsafe(heals)

    async def end(self) -> None:
        """Listens no longer, and breaks off what is open."""
        if self._door is not None:
            self._run.remove_reader(self._door)
            self._door.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _break_off(self) -> None:
        for writer in self._writers:
            found: socket.socket = writer.get_extra_info("socket")
            if found.family is not socket.AF_UNIX:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def _let_in(self, door: socket.socket) -> None:
        try:
            connection, _ = door.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            # Whoever it was has hung up.
            return
        task = self._run.create_task(self._carry(connection))
        self._tasks.add(task)

        def over(_: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            # Cancelled before its first step, it has closed nothing.
            connection.close()

        task.add_done_callback(over)

    async def _carry(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            reader, writer = await asyncio.open_connection(sock=connection)
            self._writers.add(writer)
            try:
                await self._through(reader, writer)
            finally:
                self._writers.discard(writer)
                writer.transport.abort()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        there, back = await self._upstream.connect()
        self._writers.add(back)
        ways = {asyncio.create_task(self._pass_on(reader, back)), asyncio.create_task(self._pass_on(there, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Before anything is awaited: that may be cancelled, too.
            self._writers.discard(back)
            back.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        # That one side hung up is news, too.
        await self._flows.wait()


class Switchboard:
    """Runs lines on a thread of its own; gone with them behind `with`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._lines: list[Line] = []

    def open(self, upstream: Upstream, host: str = "127.0.0.1") -> Line:
        """Returns a line that listens on an address of this machine."""
        line = Line(upstream, self._loop)
        self._lines.append(line)
        self._wait(line.begin(host))
        return line

    def _wait(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_WITHIN_S)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in self._lines:
            self._wait(line.end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_WITHIN_S)
        self._loop.close()

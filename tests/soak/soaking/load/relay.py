"""A line to the authority that breaks as it is told to: resets, answers cut off by half, readers that read no more."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

CHUNK = 4096
READ_AHEAD = 1024
"""Small, so that who reads no more is felt at the other end."""


class Break(StrEnum):
    """How a line breaks."""

    RESET = "reset"
    """Both ends are reset at once."""
    CUT = "cut"
    """What comes next from the authority is passed on by half, and then both ends are reset."""
    STALL = "stall"
    """Nothing from the authority is read any more for a while, and then both ends are reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a line: how it breaks and after how long, and at most how much later the ends are reset."""

    how: Break
    after_s: float
    stalled_s: float = 0.0


class Relay:
    """Listens on a port of its own and connects each caller with the authority."""

    def __init__(self, port: int, fate: Callable[[], Fate | None]) -> None:
        """`fate` is asked for each line; None: it lasts until one of its ends closes it."""
        self._port, self._fate = port, fate
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self.broken = 0

    async def start(self) -> int:
        """Returns the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Resets every line, and listens no more."""
        if self._server is not None:
            self._server.close()
        lines = tuple(self._lines)
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        try:
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            # asyncio would log it as an error of the server: it is told to whoever waits in close.
            pass
        finally:
            self._lines.discard(line)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back, out = await asyncio.open_connection("127.0.0.1", self._port, limit=READ_AHEAD)
        except OSError:
            reset(writer)
            return
        flow = _Flow()
        pumps = [asyncio.create_task(flow.up(reader, out)), asyncio.create_task(flow.down(back, writer))]
        try:
            await self._until_broken(flow, pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            reset(out)
            reset(writer)
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _until_broken(self, flow: _Flow, pumps: list[asyncio.Task[None]]) -> None:
        fate = self._fate()
        done, _ = await asyncio.wait(pumps, timeout=fate.after_s if fate else None, return_when=asyncio.FIRST_COMPLETED)
        if done or fate is None:
            return
        self.broken += 1
        flow.break_down(fate.how)
        if fate.how is not Break.RESET:
            await asyncio.wait(pumps, timeout=fate.stalled_s, return_when=asyncio.FIRST_COMPLETED)


class _Flow:
    """What passes through one line."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.cut = False

    def break_down(self, how: Break) -> None:
        self.cut = how is Break.CUT
        if how is Break.STALL:
            self.open.clear()

    async def up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while some := await reader.read(CHUNK):
                writer.write(some)
                await writer.drain()

    async def down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                await self.open.wait()
                some = await reader.read(CHUNK)
                writer.write(some[: len(some) // 2] if self.cut else some)
                await writer.drain()
                if self.cut or not some:
                    return


def reset(writer: asyncio.StreamWriter) -> None:
    """Has the other end see a reset instead of an orderly end."""
    connected = writer.get_extra_info("socket")
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

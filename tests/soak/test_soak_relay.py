"""A line through a relay lasts, or breaks as it was told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from soaking.load.relay import CHUNK, Break, Fate, Relay

GREETING, ANSWER = b"hello", b"x" * 10_000
AT_ONCE_S = 0.05
DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The caller's end of a connection, and the relay in between."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    relay: Relay

    async def read_to_the_end(self) -> bytes:
        """Returns what came before the line was reset; fails if it was not."""
        got: list[bytes] = []
        with pytest.raises(ConnectionResetError):
            await self._read_into(got)
        return b"".join(got)

    async def _read_into(self, got: list[bytes]) -> None:
        while some := await self.reader.read(len(ANSWER)):
            got.append(some)

    async def until_broken(self) -> None:
        """Returns when the relay has broken it; the deadline is the scenario's."""
        while not self.relay.broken:  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0.001)


async def greet_and_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greets, and answers each byte at length."""
    try:
        writer.write(GREETING)
        while await reader.read(1):
            writer.write(ANSWER)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()


@asynccontextmanager
async def a_line(fate: Fate | None) -> AsyncIterator[Line]:
    server = await asyncio.start_server(greet_and_answer, "127.0.0.1", 0)
    relay = Relay(server.sockets[0].getsockname()[1], lambda: fate)
    reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
    try:
        yield Line(reader=reader, writer=writer, relay=relay)
    finally:
        writer.close()
        await relay.close()
        server.close()


def on_a_line(fate: Fate | None, scenario: Callable[[Line], Awaitable[None]]) -> None:
    async def played() -> None:
        async with asyncio.timeout(DEADLINE_S), a_line(fate) as line:
            assert await line.reader.readexactly(len(GREETING)) == GREETING
            await scenario(line)

    asyncio.run(played())


def test_a_line_without_a_fate_passes_everything_on_and_ends_with_its_caller() -> None:
    async def scenario(line: Line) -> None:
        line.writer.write(b"?")
        assert await line.reader.readexactly(len(ANSWER)) == ANSWER
        line.writer.write_eof()
        await line.read_to_the_end()
        assert line.relay.broken == 0

    on_a_line(None, scenario)


@pytest.mark.parametrize("how", [Break.RESET, Break.STALL])
def test_a_line_is_reset(how: Break) -> None:
    async def scenario(line: Line) -> None:
        await line.read_to_the_end()
        assert line.relay.broken == 1

    on_a_line(Fate(how=how, after_s=AT_ONCE_S), scenario)


def test_of_what_comes_once_nobody_reads_any_more_nothing_is_passed_on() -> None:
    async def scenario(line: Line) -> None:
        await line.until_broken()
        line.writer.write(b"??")
        # What had been asked to be read already is passed on: at most one piece.
        assert len(await line.read_to_the_end()) <= CHUNK

    on_a_line(Fate(how=Break.STALL, after_s=AT_ONCE_S, stalled_s=10 * AT_ONCE_S), scenario)


def test_an_answer_is_cut_off_by_half() -> None:
    async def scenario(line: Line) -> None:
        await line.until_broken()
        line.writer.write(b"?")
        assert len(await line.read_to_the_end()) <= CHUNK // 2

    on_a_line(Fate(how=Break.CUT, after_s=AT_ONCE_S, stalled_s=DEADLINE_S), scenario)


def test_a_relay_that_is_closed_resets_its_lines() -> None:
    async def scenario(line: Line) -> None:
        await line.relay.close()
        assert await line.read_to_the_end() == b""

    on_a_line(None, scenario)


def test_nobody_at_the_other_end_is_a_reset() -> None:
    async def played() -> None:
        vacant = await asyncio.start_server(greet_and_answer, "127.0.0.1", 0)
        port = vacant.sockets[0].getsockname()[1]
        vacant.close()
        await vacant.wait_closed()
        relay = Relay(port, lambda: None)
        reader, writer = await asyncio.open_connection("127.0.0.1", await relay.start())
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        await relay.close()

    asyncio.run(played())

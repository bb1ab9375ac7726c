"""A line that is cut is silent and open; one that is reset is not."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from drilling.lines import Line, Switchboard, Upstream

WITHIN_S = 10.0
SILENT_S = 0.05


def echo(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection: socket.socket) -> None:
    with connection:
        try:
            while said := connection.recv(1024):
                connection.sendall(said)
        except OSError:
            return


@pytest.fixture(params=["port", "path"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Line]:
    family = socket.AF_INET if request.param == "port" else socket.AF_UNIX
    with socket.socket(family) as server, Switchboard() as board:
        server.bind(("127.0.0.1", 0) if family is socket.AF_INET else str(tmp_path / "echo"))
        server.listen()
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        port = server.getsockname()[1] if family is socket.AF_INET else 0
        upstream = Upstream(port=port) if port else Upstream(path=tmp_path / "echo")
        yield board.open(upstream)
        server.shutdown(socket.SHUT_RDWR)


def connected(line: Line) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), timeout=WITHIN_S)


def said_back(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    return connection.recv(1024)


def test_a_cut_line_is_silent_and_goes_on_where_it_was(line: Line) -> None:
    with closing(connected(line)) as connection:
        assert said_back(connection, b"before") == b"before"
        line.cut()
        connection.settimeout(SILENT_S)
        with pytest.raises(TimeoutError):
            said_back(connection, b"meanwhile")
        line.heal()
        connection.settimeout(WITHIN_S)
        assert connection.recv(1024) == b"meanwhile"


def test_a_line_that_is_reset_breaks_what_was_open_and_takes_new_connections(line: Line) -> None:
    with closing(connected(line)) as old:
        assert said_back(old, b"before") == b"before"
        line.cut()
        line.heal(reset=True)
        with pytest.raises(ConnectionResetError):
            old.recv(1024)

    with closing(connected(line)) as new:
        assert said_back(new, b"after") == b"after"


def test_nobody_is_there_behind_a_line_to_nowhere() -> None:
    with Switchboard() as board, closing(connected(board.open(Upstream(port=1)))) as connection:
        assert connection.recv(1024) == b""


def test_lines_that_end_as_connections_come_in_leave_none_open() -> None:
    for _ in range(20):
        with ExitStack() as callers, Switchboard() as board:
            line = board.open(Upstream(port=1))
            for _ in range(4):
                callers.enter_context(closing(connected(line)))


@pytest.mark.parametrize("turns", range(12))
def test_a_line_that_ends_some_turns_after_its_caller_leaves_nothing_open(turns: int) -> None:
    async def played(port: int) -> None:
        line = Line(Upstream(port=port), asyncio.get_running_loop())
        await line.begin("127.0.0.1")
        reader, caller = await asyncio.open_connection("127.0.0.1", line.port)
        caller.write(b"there")
        assert await reader.readexactly(5) == b"there"
        caller.transport.abort()
        for _ in range(turns):
            await asyncio.sleep(0)
        await line.end()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=echo, args=(server,), daemon=True).start()
        asyncio.run(played(server.getsockname()[1]))
        server.shutdown(socket.SHUT_RDWR)

"""What systemd is told, over a real socket as it makes one."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from msc_authority.cli.systemd import ready, tell_systemd, watchdog_s

DEADLINE_S = 10.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The end that systemd listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(DEADLINE_S)
        yield listening


def environ_of(manager: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), **more}


def test_without_systemd_nobody_is_told() -> None:
    assert not tell_systemd("READY=1", {})
    assert not tell_systemd("READY=1", {"NOTIFY_SOCKET": "vsock:1:2"})


def test_it_is_told_that_callers_are_answered(manager: socket.socket) -> None:
    ready("Serving on 127.0.0.1:7443, policy 1:2", environ_of(manager))

    assert manager.recv(200) == b"READY=1\nSTATUS=Serving on 127.0.0.1:7443, policy 1:2"


def test_it_is_reached_in_the_abstract_namespace_too() -> None:
    name = f"msc-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(DEADLINE_S)

        assert tell_systemd("READY=1", {"NOTIFY_SOCKET": f"@{name}"})
        assert listening.recv(200) == b"READY=1"


def test_a_socket_that_is_gone_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert tell_systemd("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})

    assert "systemd cannot be told 'READY=1'" in caplog.text


async def test_it_hears_of_a_loop_that_turns_again_and_again(manager: socket.socket) -> None:
    ready("up", environ_of(manager, WATCHDOG_USEC="30000", WATCHDOG_PID=str(os.getpid())))

    told = [await asyncio.to_thread(manager.recv, 200) for _ in range(4)]

    assert told == [b"READY=1\nSTATUS=up", b"WATCHDOG=1", b"WATCHDOG=1", b"WATCHDOG=1"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_how_long_it_waits_is_what_it_says_to_this_process(environ: dict[str, str], expected: float | None) -> None:
    assert watchdog_s(environ) == expected

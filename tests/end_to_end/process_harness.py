"""Real processes: the authority by its command line, and a client that watches it and tells what it sees."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import grpc

from msc_policy import v1 as pb

_T = TypeVar("_T")
_WATCHING_CLIENT = Path(__file__).with_name("watching_client.py")
_GIVEN_OUT: set[int] = set()


def until(reads: Callable[[], _T | None], *, deadline_s: float = 20.0, what: str = "", pause_s: float = 0.02) -> _T:
    """Returns the first value of `reads` that is not None or False, or fails at the deadline."""
    wait = threading.Event()
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        value = reads()
        if value is not None and value is not False:
            return value
        wait.wait(pause_s)
    raise AssertionError(f"not within {deadline_s} s: {what or reads}")


def free_port() -> int:
    """Returns a port below the ephemeral range that is free now, another one each time."""
    # Those that run side by side are not to take each other's before they are used, or while one is started again.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20000 + worker % 3 * 4000 + os.getpid() * 41 % 2500
    for port in range(first, 32000):
        with socket.socket() as probe:
            if port not in _GIVEN_OUT and probe.connect_ex(("127.0.0.1", port)):
                _GIVEN_OUT.add(port)
                return port
    raise AssertionError("no free port")


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Returns the environment without MSC_* except what is given. Nobody serves HTTP unless a test gives a port."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MSC_")}
    return {**kept, "MSC_HOME": str(home), "MSC_SERVE_HTTP": "false", "PYTHONUNBUFFERED": "1", **more}


@dataclass
class AuthorityProcess:
    """`msc serve` on a port of its own. It serves HTTP when it is given a port for it."""

    home: Path
    port: int = field(default_factory=free_port)
    http_port: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    host: str = "127.0.0.1"
    within: tuple[str, ...] = ()
    """A command that the process is run by, and becomes: for a network of its own."""

    @property
    def target(self) -> str:
        """Where it listens."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Where it serves HTTP."""
        assert self.http_port is not None
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.home / "serve.log"

    def start(self) -> AuthorityProcess:
        """Starts it and returns when it answers."""
        self.spawn()
        try:
            # Loading the sample for a demo takes a while where many tests share few cores.
            until(self.answers, deadline_s=120, what="the authority answers")
        except AssertionError as error:
            raise AssertionError(f"{error}; it printed:\n{self.printed()}") from None
        return self

    def spawn(self) -> None:
        """Starts it and returns at once."""
        self.home.mkdir(parents=True, exist_ok=True)
        http = {} if self.http_port is None else {"MSC_SERVE_HTTP": "true", "MSC_HTTP_PORT": str(self.http_port)}
        environment = clean_environment(self.home, MSC_GRPC_PORT=str(self.port), **http, **self.environment)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.within, sys.executable, "-m", "msc_authority", "serve", *self.arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def printed(self) -> str:
        """Returns everything it printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def answers(self) -> pb.GetPolicyResponse | None:
        """Returns its answer to GetPolicy, or None."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"the authority ended with {self.process.returncode}:\n{self.printed()}")
        with self.stub() as stub:
            try:
                answer: pb.GetPolicyResponse = stub.GetPolicy(pb.GetPolicyRequest(), timeout=1)
            except grpc.RpcError:
                return None
            return answer

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """Yields a channel of its own to the authority."""
        with grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            yield channel

    @contextmanager
    def stub(self) -> Iterator[pb.PolicyAuthorityStub]:
        """Yields a stub on a channel of its own."""
        with self.channel() as channel:
            yield pb.PolicyAuthorityStub(channel)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        self.wait()

    def wait(self, timeout_s: float = 20.0) -> int:
        """Returns its exit code."""
        assert self.process is not None
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """Makes sure that nothing is left running."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the client said of itself at one moment."""

    tier: str
    version: int
    epoch: int
    state: str
    risk_mode: str
    max_risk_per_trade: float
    watchdog_timeouts: int


class WatchingClient:
    """A process with a PolicySource in it that prints what it sees, twenty times a second."""

    def __init__(self, target: str, home: Path, **config: float) -> None:
        """Starts it. `config` are timers of the client, by name."""
        self._process = subprocess.Popen(
            [sys.executable, str(_WATCHING_CLIENT), target, str(home), json.dumps(config)],
            env=clean_environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.seen: list[Seen] = []
        self.logged: list[str] = []
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._read_views, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_views(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.seen.append(Seen(**json.loads(line)))

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.logged.append(line.rstrip("\n"))

    @property
    def now(self) -> Seen:
        """What it said last."""
        return self.seen[-1]

    def until(self, holds: Callable[[Seen], bool], *, deadline_s: float = 20.0, what: str = "") -> Seen:
        """Returns the newest thing it said once `holds` is true of it."""

        def reads() -> Seen | None:
            return self.now if self.seen and holds(self.now) else None

        try:
            return until(reads, deadline_s=deadline_s, what=what)
        except AssertionError as error:
            last = self.seen[-1] if self.seen else None
            raise AssertionError(f"{error}; last seen {last}; logged: {self.logged[-12:]}") from None

    def close(self) -> None:
        """Ends it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)
        for thread in self._threads:
            thread.join(10)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

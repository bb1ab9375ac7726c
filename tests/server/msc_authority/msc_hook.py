"""A web server on this machine that takes alerts, or does not; and waiting for what threads do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What was posted."""

    path: str
    document: Mapping[str, object]
    authorization: str


@dataclass
class Hook:
    """Answers with `answers` in turn, then with 200. While `open` is not set, it does not answer at all."""

    port: int = 0
    answers: list[int] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/alerts", scheme: str = "http", user: str = "") -> str:
        return f"{scheme}://{user}127.0.0.1:{self.port}{path}"

    def states(self) -> list[object]:
        return [posted.document["state"] for posted in self.posted]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        hook = cast("_Server", self.server).hook
        size = int(self.headers.get("Content-Length", 0))
        document = json.loads(self.rfile.read(size))
        authorization = self.headers.get("Authorization", "")
        hook.posted.append(Posted(path=self.path, document=document, authorization=authorization))
        hook.open.wait(DEADLINE_S)
        self.send_response(hook.answers.pop(0) if hook.answers else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hook: Hook) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hook = hook

    def handle_error(self, *_: object) -> None:
        """Says nothing: that a client hangs up is what some tests are about."""


@contextmanager
def hook(*answers: int) -> Iterator[Hook]:
    """Yields a server that answers, and ends it."""
    taken = Hook(answers=list(answers))
    taken.open.set()
    server = _Server(taken)
    taken.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="hook")
    thread.start()
    try:
        yield taken
    finally:
        taken.open.set()
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE_S)


def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def eventually(condition: Callable[[], bool]) -> None:
    """Returns when a condition holds, or fails at a deadline."""
    tick = threading.Event()
    for _ in range(int(DEADLINE_S / 0.005)):
        if condition():
            return
        tick.wait(0.005)
    raise AssertionError("it did not come to pass")

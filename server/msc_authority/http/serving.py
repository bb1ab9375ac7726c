"""The HTTP server: its port, its thread with an event loop of its own, and how it stops."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

    from msc_authority.http.app import Face
    from msc_authority.ports.tls import TlsSource

_log = logging.getLogger(__name__)

BACKLOG = 512
GRACE_S = 1
"""Longest time that requests get to end at a stop."""
STOP_WITHIN_S = 1.8
UNREAD_FOR_MS = 30_000
"""A connection is given up by the system when what was sent to it is not taken for so long."""


class CannotListen(Exception):
    """The server cannot listen where it was told to."""

    def __init__(self, host: str, port: int, problem: str) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {problem}")
        self.host, self.port = host, port


class PortInUse(CannotListen):
    """Another program listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            host,
            port,
            f"another program uses port {port}. Stop it, choose another port with --http-port or MSC_HTTP_PORT, "
            "or do without the dashboard with --no-http",
        )


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens: who connects before the server is up waits for it. Port 0: any free one.

    Raises:
        PortInUse: another program listens there.
        CannotListen: the address is none of this machine, or the port needs a privilege.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CannotListen(host, port, f"{error.strerror}. Check --http-host") from error
    listening = socket.socket(family, kind, number)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Connections inherit it. Without, one that reads nothing would keep what was sent to it for hours.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_FOR_MS)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from error
        raise CannotListen(host, port, f"{error.strerror}. Check --http-host and --http-port") from error
    return listening


def url_of(host: str, listening: socket.socket, scheme: str = "http") -> str:
    """Returns where a browser on this machine reaches what listens."""
    return url_at(host, listening.getsockname()[1], scheme)


def url_at(host: str, port: int, scheme: str) -> str:
    """Returns where a browser on this machine reaches what listens on an address."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))  # noqa: S104 -- not bound here
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"


class HttpServer:
    """Serves in a thread of its own, so that a slow page never holds up the event loop that calls of gRPC run on."""

    def __init__(
        self,
        make: Callable[[], Face],
        listening: socket.socket,
        *,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
        on_up: Callable[[], None] = lambda: None,
        tls: TlsSource | None = None,
    ) -> None:
        """`make` makes the application, and `on_up` is called when it answers; both in the server's thread.

        `tls` None: it speaks plaintext.
        """
        self._tls = tls
        self._make, self._listening, self._on_up = make, listening, on_up
        self._loop_factory = loop_factory
        # A daemon: what imports for seconds must not keep a process that was told to stop.
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._state = threading.Lock()
        self._stopping = False
        self._server: uvicorn.Server | None = None
        self._up = threading.Event()

    def start(self) -> None:
        """Starts the thread and returns at once."""
        self._thread.start()

    def wait_until_up(self, timeout_s: float) -> bool:
        """Returns whether it answers, at the latest after so long."""
        return self._up.wait(timeout_s)

    def begin_stop(self) -> None:
        """Has it stop: no new connections, an end for every stream. Returns at once; twice is fine."""
        with self._state:
            self._stopping = True
            if self._server is not None:
                self._server.should_exit = True

    def join(self, timeout_s: float = STOP_WITHIN_S) -> bool:
        """Returns whether it has stopped, at the latest after so long."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            _log.warning("The HTTP server has not stopped within %.1f s and is left behind", timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with self._listening:
                self._serve()
        except (Exception, SystemExit) as error:
            # The policy does not depend on pages: the authority goes on without them, and says so loudly.
            _log.critical("The HTTP server failed; the authority goes on without it", exc_info=error)

    def _serve(self) -> None:
        face = self._make()
        server = _server_of(face, self._came_up, self._tls)
        with self._state:
            if self._stopping:
                return
            self._server = server
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            runner.run(server.serve(sockets=[self._listening]))

    def _came_up(self) -> None:
        self._up.set()
        self._on_up()


def _server_of(face: Face, on_up: Callable[[], None], tls: TlsSource | None) -> uvicorn.Server:
    import uvicorn

    from msc_authority.http.security.connections import (
        MAX_MESSAGE_BYTES,
        http_protocol,
        ssl_context,
        websocket_protocol,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_up()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # Before it waits for connections: streams of events would never end by themselves.
            face.feed.close()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        face.app,
        http=http_protocol(),
        ws=websocket_protocol() or "none",
        ws_max_size=MAX_MESSAGE_BYTES,
        lifespan="on",
        # Loggers as they are: what uvicorn says goes where everything goes.
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_S,
    )
    config.load()
    if tls is not None:
        config.ssl = ssl_context(tls)
    return Server(config)

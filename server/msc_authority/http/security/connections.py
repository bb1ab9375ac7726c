"""Connections of the HTTP server: those that say nothing, or say it byte by byte, are not kept."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, cast

from msc_authority.app.certificates import read_certificate
from msc_authority.http.security.presented import CERTIFICATE, NAMES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from msc_authority.ports.tls import TlsSource

HEAD_WITHIN_S = 10.0
"""A connection is closed when the head of a request has not come within so long."""
MAX_HEAD_BYTES = 64 * 1024
"""Largest head of a request that is read."""
MAX_MESSAGE_BYTES = 64 * 1024
"""Largest message of a websocket that is read: as much as of a body. The dashboard's have some hundred bytes."""
MAX_CONNECTIONS = 4096


class _Connection(Protocol):
    """What of a protocol of uvicorn is used here."""

    app: ASGIApp
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    connections: set[object]
    cycle: object | None

    def connection_made(self, transport: asyncio.Transport) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...


def http_protocol() -> type[asyncio.Protocol]:
    """Returns the protocol of uvicorn for HTTP, with bounds on the head of a request and on connections."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    base = cast("type[_Connection]", AutoHTTPProtocol)

    class Bounded(base):  # type: ignore[misc, valid-type]  # which of two classes it is, the installation says
        _hurry: asyncio.TimerHandle | None = None
        _head_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            if len(self.connections) > MAX_CONNECTIONS:
                transport.abort()
                return
            _name(self, transport)
            self._await_head()

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            if before is None or getattr(before, "response_complete", True):
                self._await_head()
                self._head_bytes += len(data)
            super().data_received(data)
            if self.cycle is not before or self.transport.get_protocol() is not self:
                self._has_head()
            elif self._head_bytes > MAX_HEAD_BYTES:
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._has_head()
            super().connection_lost(exc)

        def _await_head(self) -> None:
            if self._hurry is None:
                self._hurry = self.loop.call_later(HEAD_WITHIN_S, self.transport.abort)

        def _has_head(self) -> None:
            self._head_bytes = 0
            if self._hurry is not None:
                self._hurry.cancel()
                self._hurry = None

    return cast("type[asyncio.Protocol]", Bounded)


def websocket_protocol() -> type[asyncio.Protocol] | None:
    """Returns the protocol of uvicorn for websockets, which tells the names in a certificate; None: there is none."""
    from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

    if AutoWebSocketsProtocol is None:
        return None
    base = cast("type[_Connection]", AutoWebSocketsProtocol)

    class Named(base):  # type: ignore[misc, valid-type]  # which of several classes it is, the installation says
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            _name(self, transport)

    return cast("type[asyncio.Protocol]", Named)


def ssl_context(source: TlsSource) -> ssl.SSLContext:
    """Returns a context that shows, at each handshake, the certificate that `source` has then."""
    context = source.material.context

    def newest(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = source.material.context

    context.sni_callback = newest
    return context


def _name(connection: _Connection, transport: asyncio.Transport) -> None:
    connection.app = _with_names(connection.app, transport)


def _with_names(app: ASGIApp, transport: asyncio.BaseTransport) -> ASGIApp:
    names = tuple(dict.fromkeys(_names(transport.get_extra_info("peercert") or {})))
    if not names:
        return app
    certificate = read_certificate(transport.get_extra_info("ssl_object").getpeercert(binary_form=True))

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        scope[NAMES], scope[CERTIFICATE] = names, certificate
        await app(scope, receive, send)

    return named


def _names(certificate: Mapping[str, object]) -> Iterator[str]:
    # What is written into every certificate for, first; the common name is the older way to say it.
    read = cast("Callable[[str], tuple[tuple[str, str], ...]]", lambda key: certificate.get(key, ()))
    yield from (value for kind, value in read("subjectAltName") if kind in {"DNS", "URI", "email", "IP Address"})
    subject = cast("tuple[tuple[tuple[str, str], ...], ...]", certificate.get("subject", ()))
    yield from (value for part in subject for key, value in part if key == "commonName")

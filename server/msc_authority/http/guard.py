"""Stands before every answer: who asks, how much is sent, what browsers are told, and that nothing escapes."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from msc_authority.app.access import SOCKETS
from msc_authority.http.errors import problem_answer, unexpected_answer
from msc_authority.http.hosts import Hosts, is_same_origin

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
BODY_WITHIN_S = 10.0
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
_PAGE_POLICY = (
    # The dashboard's library compiles its templates in the browser and writes styles into elements. Everything it
    # loads is from this server.
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _PAGE_POLICY,
}


class _TooLarge(Exception):
    """More was sent than is taken."""


class _TooSlow(Exception):
    """What was announced did not come in time."""


class Guard:
    """Refuses what must not reach the app, and answers what escapes from it."""

    def __init__(
        self, app: ASGIApp, hosts: Hosts, new_id: Callable[[], str], body_within_s: float = BODY_WITHIN_S
    ) -> None:
        self._app, self._hosts, self._new_id, self._body_within_s = app, hosts, new_id, body_within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket" and self._refusal(scope, Headers(scope=scope)):
            # Before it was accepted, this becomes a 403.
            await send({"type": "websocket.close", "code": 1008, "reason": "not allowed"})
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = _Incoming(receive, self._body_within_s)
        outgoing = _Outgoing(send, incoming)
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, _Outgoing(send))
            return
        try:
            await self._app(scope, incoming, outgoing)
        except Exception as error:
            if outgoing.started:
                _log.error("An answer over HTTP broke off: %s", error, exc_info=error)
                return
            answer = self._expected(error) or unexpected_answer(error, self._new_id)
            await answer(scope, receive, _Outgoing(send))

    def _expected(self, error: Exception) -> Response | None:
        if isinstance(error, _TooLarge):
            return _too_large()
        if isinstance(error, _TooSlow):
            detail = f"the body did not come within {self._body_within_s:g} s"
            return problem_answer(HTTPStatus.REQUEST_TIMEOUT, "BODY_TOO_SLOW", detail, headers={"Connection": "close"})
        return None

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._hosts.allow(host):
            detail = "this server does not answer for that host; add its name to http_allowed_hosts to have it do so"
            return problem_answer(HTTPStatus.FORBIDDEN, "HOST_NOT_ALLOWED", detail)
        if not _is_harmless(scope) and not _is_own(headers, host):
            detail = "only this server's own pages, and programs, may ask for this; a page of another site may not"
            return problem_answer(HTTPStatus.FORBIDDEN, "ORIGIN_NOT_ALLOWED", detail)
        if _announced(headers) > MAX_BODY_BYTES:
            return _too_large()
        return None


def _is_harmless(scope: Scope) -> bool:
    # The dashboard's connection answers plain requests of any site unless it is kept.
    return scope["type"] == "http" and scope["method"] in _HARMLESS and not scope["path"].startswith(SOCKETS)


def _is_own(headers: Headers, host: str) -> bool:
    origins = headers.getlist("origin")
    if origins:
        return all(is_same_origin(origin, host) for origin in origins)
    # No browser sends an unsafe request of another site without saying so; a program sends neither header.
    return headers.get("sec-fetch-site", "none") in {"same-origin", "none"}


def _announced(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 19 else MAX_BODY_BYTES + 1


def _too_large() -> Response:
    detail = f"a body may have {MAX_BODY_BYTES} bytes"
    # What was not read of it would be taken for the next request.
    headers = {"Connection": "close"}
    return problem_answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "BODY_TOO_LARGE", detail, headers=headers)


class _Incoming:
    """Counts what comes in."""

    def __init__(self, receive: Receive, within_s: float) -> None:
        self._receive, self._received, self._within_s = receive, 0, within_s
        self._complete, self._late, self._due = False, False, math.inf

    def check(self) -> None:
        """Raises if too much came in, or not in time."""
        if self._received > MAX_BODY_BYTES:
            raise _TooLarge
        if self._late:
            raise _TooSlow

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        # From the first look on: an application that takes its time does not make its caller late.
        self._due = min(self._due, asyncio.get_running_loop().time() + self._within_s)
        try:
            async with asyncio.timeout_at(self._due):
                message = await self._receive()
        except TimeoutError:
            self._late = True
            raise _TooSlow from None
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            self.check()
        return message


class _Outgoing:
    """Adds the headers that every answer has, and knows whether one has begun."""

    def __init__(self, send: Send, incoming: _Incoming | None = None) -> None:
        self._send, self._incoming, self.started = send, incoming, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # The app may have taken it for a body that is broken.
            if self._incoming is not None:
                self._incoming.check()
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

"""Before every answer: who asks, and whether it may. The same table and the same door as over gRPC."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

from msc_authority.app.access import (
    STREAMS,
    WEBSOCKET,
    AccessRefused,
    Identity,
    TokenMissing,
    Unauthenticated,
    acting_as,
    methods_of,
    need_of_route,
)
from msc_authority.app.admission import Admission
from msc_authority.app.rates import RateLimited, StreamLimitReached
from msc_authority.http.errors import challenge, plain_answer, problem_answer
from msc_authority.http.security.presented import presented_by
from msc_authority.ports.store import StoreUnavailable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGIN_PATH = "/login"


class Access:
    """Lets a request through to the application if the table allows it."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app, self._admission = app, admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        with ExitStack() as stack:
            try:
                identity = await self._admitted(scope)
                cut = self._lasting(scope, receive, send, identity, stack)
            except (AccessRefused, RateLimited, StreamLimitReached, StoreUnavailable) as error:
                await _refuse(error, scope, receive, send)
                return
            if identity is None:
                await _not_here(scope)(scope, receive, send)
                return
            stack.enter_context(acting_as(identity))
            if cut is None:
                await self._app(scope, receive, send)
                return
            await self._app(scope, cut.receive, cut.send)
            await cut.finish()

    async def _admitted(self, scope: Scope) -> Identity | None:
        """Returns who asks; None: nothing is there."""
        method = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        need = need_of_route(method, scope["path"])
        if need is None and scope["type"] == "http":
            return None
        return await self._admission.admit(presented_by(scope), need, f"{method} {scope['path']}"[:200])

    def _lasting(
        self, scope: Scope, receive: Receive, send: Send, identity: Identity | None, stack: ExitStack
    ) -> _Cut | None:
        if identity is None or (scope["type"] == "http" and scope["path"] not in STREAMS):
            return None
        cut = _Cut(receive, send, scope["type"])
        stack.enter_context(self._admission.stream(identity, cut.from_any_thread))
        return cut


class _Cut:
    """Both ways of a stream, until its permit is lost: then it looks as if the other side had gone."""

    def __init__(self, receive: Receive, send: Send, kind: str) -> None:
        self._receive, self._send, self._kind = receive, send, kind
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._unfinished = False

    def from_any_thread(self) -> None:
        """Has it end."""
        self._loop.call_soon_threadsafe(self._over.set)

    async def receive(self) -> Message:
        """Returns what comes in."""
        message, over = asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((message, over), return_when=asyncio.FIRST_COMPLETED)
            if message.done():
                return message.result()
            return {"type": f"{self._kind}.disconnect", "code": 1008}
        finally:
            message.cancel()
            over.cancel()

    async def send(self, message: Message) -> None:
        """Passes on what goes out."""
        if message["type"] == "http.response.start":
            self._unfinished = True
        elif message["type"] == "http.response.body":
            self._unfinished = bool(message.get("more_body", False))
        await self._send(message)

    async def finish(self) -> None:
        """Ends an answer that was cut, so that the other side, which has not gone, sees an end."""
        if self._over.is_set() and self._unfinished:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _refuse(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # Before it was accepted, this becomes a 403.
        await send({"type": "websocket.close", "code": 1008, "reason": "not allowed"})
        return
    await _refusal(error, scope)(scope, receive, send)


def _refusal(error: Exception, scope: Scope) -> Response:
    if isinstance(error, Unauthenticated):
        return _unauthenticated(error, scope)
    if isinstance(error, AccessRefused):
        return problem_answer(HTTPStatus.FORBIDDEN, error.reason, str(error))
    if isinstance(error, RateLimited):
        return problem_answer(HTTPStatus.TOO_MANY_REQUESTS, "RATE_LIMITED", str(error), retry_s=1)
    if isinstance(error, StreamLimitReached):
        return problem_answer(HTTPStatus.TOO_MANY_REQUESTS, "STREAM_LIMIT_REACHED", str(error), retry_s=10)
    return problem_answer(HTTPStatus.SERVICE_UNAVAILABLE, "STORE_UNAVAILABLE", str(error), retry_s=2)


def _unauthenticated(error: Unauthenticated, scope: Scope) -> Response:
    if scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", ""):
        # A person with a browser.
        why = "" if isinstance(error, TokenMissing) else f"&reason={error.reason}"
        to = f"{LOGIN_PATH}?next={quote(scope['path'], safe='/')}{why}"
        return RedirectResponse(to, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
    headers = {"WWW-Authenticate": challenge(error)}
    return problem_answer(HTTPStatus.UNAUTHORIZED, error.reason, str(error), headers=headers)


def _not_here(scope: Scope) -> Response:
    methods = methods_of(scope["path"])
    if methods:
        return plain_answer(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": ", ".join(methods)})
    return plain_answer(HTTPStatus.NOT_FOUND)

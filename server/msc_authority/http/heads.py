"""HEAD: what GET answers, without its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msc_authority.app.access import answers_head

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Has everything behind it answer HEAD as it answers GET, and keeps the body back, also that of a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # A copy: the server looks at the original to know that no body is to follow.
        asked = {**scope, "method": "GET"} if answers_head(scope["path"]) else scope
        await self._app(asked, receive, without_body)

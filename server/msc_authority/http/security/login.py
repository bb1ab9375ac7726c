"""Logging in with a browser: the token goes into a cookie that no script can read."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from msc_authority.app.access import Unauthenticated
from msc_authority.app.admission import RATE_LIMITED, Admission, Presented
from msc_authority.app.rates import RateLimited
from msc_authority.http.security.presented import COOKIE, presented_by
from msc_authority.ports.store import StoreUnavailable

if TYPE_CHECKING:
    from datetime import datetime

_SAID = {
    "TOKEN_INVALID": "This is no token of this authority.",
    "TOKEN_EXPIRED": "This token has expired.",
    "TOKEN_REVOKED": "This token was revoked.",
    RATE_LIMITED: "Too many requests came from you. Try again in a moment.",
    "STORE_UNAVAILABLE": "The database does not answer. Try again in a moment.",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Log in · Meta Strategy Controller</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
main {{ max-width: 26rem; margin: 15vh auto; padding: 0 1rem }}
label, input, button {{ display: block; font: inherit }}
input {{ width: 100%; box-sizing: border-box; margin: .3rem 0 1rem; padding: .5rem }}
button {{ padding: .5rem 1.2rem }}
[role=alert] {{ color: #c01c28 }}
</style></head><body><main>
<h1>Meta Strategy Controller</h1>
{said}
<form method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus
 aria-describedby="how">
<p id="how">Made by <code>msc token create NAME --role reader</code> on the authority's machine.</p>
<button type="submit">Log in</button>
</form></main></body></html>
"""


def add_login(app: FastAPI, admission: Admission) -> None:
    """Adds the routes."""

    @app.get("/login", include_in_schema=False, response_class=HTMLResponse)
    async def login_page(request: Request) -> Response:
        """The form."""
        return _page(request.query_params.get("next", "/"), request.query_params.get("reason", ""), HTTPStatus.OK)

    @app.post("/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        """Takes the token if it holds, and goes where the person wanted to."""
        form = parse_qs((await request.body()).decode("ascii", errors="replace"))
        token, where = form.get("token", [""])[0].strip(), form.get("next", ["/"])[0]
        asked = presented_by(request.scope)
        shown = Presented(host=asked.host, is_local=asked.is_local, authorization=(f"Bearer {token}",))
        try:
            identity = await admission.log_in(shown, "POST /login")
        except Unauthenticated as error:
            return _page(where, error.reason, HTTPStatus.UNAUTHORIZED)
        except RateLimited:
            return _page(where, RATE_LIMITED, HTTPStatus.TOO_MANY_REQUESTS)
        except StoreUnavailable:
            return _page(where, "STORE_UNAVAILABLE", HTTPStatus.SERVICE_UNAVAILABLE)
        answer = RedirectResponse(_own(where), HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        _keep(answer, request, token, identity.expires_at)
        return answer

    @app.post("/logout", include_in_schema=False)
    async def logout(request: Request) -> Response:
        """Forgets the token."""
        answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=_is_secure(request))
        return answer


def _keep(answer: Response, request: Request, token: str, expires_at: datetime | None) -> None:
    answer.set_cookie(
        COOKIE, token, path="/", httponly=True, samesite="strict", secure=_is_secure(request), expires=expires_at
    )


def _is_secure(request: Request) -> bool:
    return bool(request.url.scheme == "https")


def _own(where: str) -> str:
    """A path of this server, wherever a link wanted to lead."""
    inside = where.startswith("/") and not where.startswith(("//", "/\\")) and where.isprintable()
    return where if inside else "/"


def _page(where: str, reason: str, status: HTTPStatus) -> Response:
    from html import escape

    text = _SAID.get(reason, "")
    said = f'<p role="alert">{text}</p>' if text else ""
    return HTMLResponse(
        _PAGE.format(said=said, next=escape(_own(where), quote=True)), status, {"Cache-Control": "no-store"}
    )

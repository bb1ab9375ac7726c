"""Puts the dashboard into a web application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from nicegui import app as pages
from nicegui import ui

from msc_authority.app.alerts.links import PAGE
from msc_authority.app.alerts.rules import RULES
from msc_authority.app.insight import Insight
from msc_authority.app.timing import LoopTimer
from msc_authority.http.dashboard.feed import Feed
from msc_authority.http.dashboard.page import TITLE, Page
from msc_authority.http.dashboard.render import render
from msc_authority.http.dashboard.screen import Screen
from msc_authority.http.security.presented import COOKIE

_STATIC = Path(__file__).parent / "static"
_ASSETS = "/dashboard-assets"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#1a5fb4" fill-rule="evenodd" '
    'd="M8 1 2.5 3v4.2c0 3.4 2.3 6.3 5.5 7.3 3.2-1 5.5-3.9 5.5-7.3V3Z"/></svg>'
)
MESSAGES_KEPT = 100
"""Messages kept for a page whose connection breaks for a moment."""


def add_dashboard(app: FastAPI, insight: Insight, new_id: Callable[[], str]) -> Callable[[], int]:
    """Serves the dashboard at `/`, behind every route that `app` has by now. Returns what counts the open pages.

    `new_id` names what operators ask for on it, so that it is done once at most.

    NiceGUI keeps its state in the process: there is one dashboard at a time, that of the newest call.
    """
    feed = Feed(insight, LoopTimer())
    _forget_earlier()
    app.mount(_ASSETS, StaticFiles(directory=_STATIC), name="dashboard-assets")
    app.add_api_route(f"/{PAGE}", _troubleshooting, include_in_schema=False, response_class=HTMLResponse)
    _add_page(insight, feed, new_id)
    ui.run_with(
        app,
        title=TITLE,
        favicon=_ICON,
        dark=None,
        language="en-US",
        binding_refresh_interval=None,
        message_history_length=MESSAGES_KEPT,
        tailwind=False,
        show_welcome_message=False,
    )
    _rest_at_the_end(app, feed)
    return lambda: feed.onlookers


def _add_page(insight: Insight, feed: Feed, new_id: Callable[[], str]) -> None:
    head = render("head", {"assets": _ASSETS, "version": _version()})

    @ui.page("/")
    async def dashboard() -> None:
        client = ui.context.client
        ui.add_head_html(head)
        opened: list[Page] = []

        def show(screen: Screen, changed: frozenset[str]) -> None:
            # What is told before the page is built, it is built with.
            for page in opened:
                with client:
                    page.show(screen, changed)

        # Not a function that holds the client: it and all that was sent to it would wait for the collector.
        client.on_delete(partial(feed.leave, client.id))
        screen = await feed.join(client.id, show)
        opened.append(Page(insight, screen, new_id, cookie=COOKIE in client.request.cookies))


def _forget_earlier() -> None:
    # Only an application that has served before has built its middleware, and would refuse another one.
    pages.user_middleware.clear()
    pages.middleware_stack = None


def _rest_at_the_end(app: FastAPI, feed: Feed) -> None:
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(of: FastAPI) -> AsyncIterator[Mapping[str, object]]:
        async with inner(of) as state:
            try:
                yield state or {}
            finally:
                feed.rest()

    app.router.lifespan_context = lifespan


def _version() -> str:
    """A word that changes with the files, so that no browser shows old ones."""
    digest = sha256()
    for path in sorted(_STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


async def _troubleshooting() -> str:
    return render("troubleshooting", {"rules": RULES, "assets": _ASSETS, "version": _version()})

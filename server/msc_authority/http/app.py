"""The web application: REST, events, metrics and the dashboard over one Insight."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route

from msc_authority.http.documents import TITLE, add_documents, describe
from msc_authority.http.errors import DOCS_PATH, answer_errors
from msc_authority.http.evaluating import add_evaluating
from msc_authority.http.events import Listening
from msc_authority.http.feed import Feed
from msc_authority.http.guard import Guard
from msc_authority.http.heads import Heads
from msc_authority.http.hosts import Hosts
from msc_authority.http.inbox import Inbox
from msc_authority.http.metrics import Audience, Metrics
from msc_authority.http.models.status import VersionsAnswer
from msc_authority.http.operating import add_operating
from msc_authority.http.parameters import known_parameters
from msc_authority.http.probes import METRICS_PATH, add_metrics, add_probes
from msc_authority.http.reading import Reading, add_reading
from msc_authority.http.security.access import Access
from msc_authority.http.security.login import add_login
from msc_authority.http.streaming import KEEP_ALIVE_S, add_streaming

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from msc_authority.app.admission import Admission
    from msc_authority.app.alerts.delivery import SinkTally
    from msc_authority.app.insight import Insight

CONTRACT = "msc_policy.v1"
_OURS = ("/api", "/healthz", "/readyz", METRICS_PATH, DOCS_PATH, "/openapi.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """The application and its stream of events, which has to be closed before a server waits for its streams."""

    app: FastAPI
    feed: Feed


def make_app(
    insight: Insight,
    *,
    hosts: Hosts,
    admission: Admission,
    new_id: Callable[[], str],
    inbox: Inbox | None = None,
    deliveries: Callable[[], Sequence[SinkTally]] = tuple,
    dashboard: bool = True,
    keep_alive_s: float = KEEP_ALIVE_S,
) -> Face:
    """Returns the application, which answers from `insight` alone whom `admission` lets in.

    `new_id` names errors that nobody expected. `inbox` has what was told before; None: nothing. `deliveries` says what
    became of alerts that were sent out.

    The dashboard's library keeps its state for the whole process: there can be one application with it at a time.
    """
    # Numbers of events grow over restarts: a thousand events a second would be needed to catch up with the clock.
    feed = Feed(first_number=int(insight.observation.started_at.timestamp() * 1000))
    audience = Audience(streams=lambda: feed.subscribers)
    listening = Listening(insight, feed, inbox or Inbox(insight))
    metrics = Metrics(insight, deliveries=deliveries, audience=audience)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        listening.begin()
        await metrics.start()
        try:
            yield
        finally:
            metrics.close()
            listening.end()

    versions = _versions()
    app = FastAPI(
        title=TITLE,
        version=versions.msc,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        dependencies=[Depends(known_parameters)],
    )
    add_reading(app, Reading(insight, versions))
    add_evaluating(app, insight)
    add_operating(app, insight)
    add_streaming(app, feed, keep_alive_s)
    add_probes(app, insight)
    add_documents(app)
    add_metrics(app, metrics)
    add_login(app, admission)
    answer_errors(app)
    describe(app)
    # Added to the application itself, none of them is hidden from this one.
    app.router.routes.append(_NothingElse(app))
    if dashboard:
        from msc_authority.http.dashboard import add_dashboard

        audience.pages = add_dashboard(app, insight, new_id)
    app.add_middleware(Access, admission=admission)
    app.add_middleware(Guard, hosts=hosts, new_id=new_id)
    app.add_middleware(Heads)
    return Face(app=app, feed=feed)


def _versions() -> VersionsAnswer:
    return VersionsAnswer(
        msc=installed("meta-strategy-controller"), python=platform.python_version(), contract=CONTRACT
    )


class _NothingElse(BaseRoute):
    """Says of every path that is ours, and that no route before it answered, that it does not: the dashboard behind
    it would answer with a page, to whatever method.
    """

    def __init__(self, app: FastAPI) -> None:
        self._routes = [route for route in app.routes if isinstance(route, Route)]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a path is one of ours."""
        path = scope.get("path", "")
        ours = any(path == root or path.startswith(f"{root}/") for root in _OURS)
        return (Match.FULL if ours and scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises what fits: the path is there for other methods, or it is not there at all."""
        methods = {
            method
            for route in self._routes
            if route.matches(scope)[0] is not Match.NONE
            for method in route.methods or ()
        }
        if methods:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(methods))})
        raise HTTPException(404)

"""The HTTP side in a test: the application itself, or a real server on a free port; and events as they come in."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
from msc_doors import an_open_door
from msc_observed import StillInsight

from msc_authority.app.admission import Admission
from msc_authority.app.insight import Insight
from msc_authority.http.app import Face, make_app
from msc_authority.http.hosts import Hosts
from msc_authority.http.serving import HttpServer, listen, url_of

URL = "http://127.0.0.1:8000"
PROBLEM = "application/problem+json"
DEADLINE_S = 30.0
LOOPBACK = Hosts.of("127.0.0.1")


def a_face(
    insight: Insight | None = None,
    *,
    hosts: Hosts = LOOPBACK,
    keep_alive_s: float = 15.0,
    admission: Admission | None = None,
) -> Face:
    """The application without its dashboard. Errors that nobody expected are called id-1, id-2, ..."""
    ids = itertools.count(1)
    return make_app(
        insight or StillInsight(),
        hosts=hosts,
        admission=admission or an_open_door(),
        new_id=lambda: f"id-{next(ids)}",
        dashboard=False,
        keep_alive_s=keep_alive_s,
    )


@asynccontextmanager
async def talking(
    insight: Insight | None = None, *, hosts: Hosts = LOOPBACK, admission: Admission | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that is up, on this event loop."""
    face = a_face(insight, hosts=hosts, admission=admission)
    async with (
        face.app.router.lifespan_context(face.app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=face.app), base_url=URL) as client,
    ):
        yield client


@dataclass
class Site:
    """A real server that answers."""

    url: str
    face: Face
    server: HttpServer


@contextmanager
def serving(face: Face) -> Iterator[Site]:
    """A server of an application, on a free port, in its thread."""
    listening = listen("127.0.0.1", 0)
    url = url_of("127.0.0.1", listening)
    server = HttpServer(lambda: face, listening)
    server.start()
    try:
        assert server.wait_until_up(DEADLINE_S)
        yield Site(url=url, face=face, server=server)
    finally:
        server.begin_stop()
        assert server.join(DEADLINE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event as a client reads it. `number` is empty for one without."""

    kind: str
    number: str
    data: dict[str, object]


class Reader:
    """Reads a stream of events block by block, keeping comments apart."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()
        self.comments: list[str] = []

    def __iter__(self) -> Iterator[Heard]:
        """Yields the events until the stream ends."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(":"):
                self.comments.append(line[1:].strip())
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield Heard(kind=fields["event"], number=fields.get("id", ""), data=json.loads(fields["data"]))
                fields = {}

    def take(self, count: int) -> list[Heard]:
        """The next events, so many."""
        return list(itertools.islice(iter(self), count))


def problem_of(response: httpx.Response) -> dict[str, object]:
    """The problem in an answer, after a look at its form."""
    assert response.headers["content-type"] == PROBLEM
    problem: dict[str, object] = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "reason", "errors"}
    assert problem["status"] == response.status_code
    assert "Traceback" not in response.text
    return problem

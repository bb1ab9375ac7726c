"""HEAD is answered as GET is, without a body, wherever an answer ends by itself."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import httpx
import pytest
from msc_http import PROBLEM, a_face, serving, talking
from msc_served import served

from msc_authority.app.access import ROUTES, WEBSOCKET, answers_head

PATHS = [path for method, path in ROUTES if method == "GET" and answers_head(path) and not path.endswith("/*")]
PAGES = ("/", "/troubleshooting", "/favicon.ico")
"""Those of the dashboard, which these applications are without. They have tests of their own."""


@pytest.mark.parametrize("path", [path for path in PATHS if path not in PAGES])
async def test_every_route_that_answers_get_answers_head_with_the_same_head_and_no_body(path: str) -> None:
    async with served() as scene:
        await scene.publish()
        async with talking(scene.authority.insight) as client:
            whole, short = await client.get(path), await client.head(path)

    # The overrides cannot be read from a store that was made up; that is a problem for both.
    assert whole.status_code == short.status_code == (409 if path.endswith("/overrides") else 200)
    assert short.content == b""
    assert set(short.headers) == set(whole.headers)
    assert short.headers["content-type"] == whole.headers["content-type"]


async def test_what_has_not_changed_is_so_for_head_too() -> None:
    async with served() as scene:
        await scene.publish()
        async with talking(scene.authority.insight) as client:
            etag = (await client.head("/api/msc/status")).headers["etag"]
            again = await client.head("/api/msc/status", headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status", "allow"),
    [
        ("/api/msc/events", 405, "GET"),
        ("/api/msc/evaluate", 405, "POST"),
        ("/nothing", 404, None),
        ("/api/msc/history?limit=0", 422, None),
    ],
)
async def test_what_is_refused_says_so_in_its_head_alone(path: str, status: int, allow: str | None) -> None:
    async with talking() as client:
        answer = await client.head(path)

    assert (answer.status_code, answer.headers["content-type"], answer.content) == (status, PROBLEM, b"")
    assert answer.headers.get("allow") == allow


async def test_other_methods_are_told_of_head_beside_get() -> None:
    async with talking() as client:
        ended, lasting = await client.post("/api/msc/status"), await client.post("/api/msc/events")

    assert (ended.headers["allow"], lasting.headers["allow"]) == ("GET, HEAD", "GET")


def test_over_a_connection_the_next_answer_follows_a_head_at_once() -> None:
    with serving(a_face()) as site:
        connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=10)
        try:
            for method, body in (("HEAD", b""), ("GET", b'{"status":"up"}'), ("HEAD", b"")):
                connection.request(method, "/healthz")
                answer = connection.getresponse()
                assert (answer.status, answer.getheader("content-length")) == (200, "15")
                assert answer.read() == body
        finally:
            connection.close()


async def test_the_document_says_that_head_is_answered() -> None:
    async with talking() as client:
        document: httpx.Response = await client.get("/openapi.json")

    assert "HEAD answers what GET does" in document.json()["info"]["description"]


def test_no_path_that_lasts_or_is_nowhere_answers_head() -> None:
    assert not any(map(answers_head, ("/api/msc/events", "/_nicegui_ws/socket.io/", "/nowhere", "/api/msc/evaluate")))
    assert {method for method, _ in ROUTES} == {"GET", "POST", WEBSOCKET}

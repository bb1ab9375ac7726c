"""Each role on each route; how a person logs in; and what is said to those who are not let in."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from msc_doors import Door, a_door, shown
from msc_http import LOOPBACK, Reader, Site, a_face, problem_of, serving, talking
from msc_live import ManualTime
from msc_observed import StillInsight
from starlette.routing import BaseRoute, Mount, Route

from msc_authority.app.access import OPEN, ROUTES, WEBSOCKET, Role, need_of_route
from msc_authority.app.admission import AccessRules
from msc_authority.http.app import make_app

SECRET_LENGTH = 43


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@asynccontextmanager
async def guarded(rules: AccessRules | None = None) -> AsyncIterator[tuple[Door, httpx.AsyncClient]]:
    """An application that lets nobody in without a token, unless the rules say so."""
    with a_door(ManualTime(), rules=rules or AccessRules(local=None)) as door:
        await door.book.read()
        async with talking(admission=door.admission) as client:
            yield door, client


def served_paths(routes: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and an example of a path of every route."""
    for route in routes:
        if isinstance(route, Mount):
            inner = list(getattr(route.app, "routes", []))
            if inner:
                yield from served_paths(inner, prefix + route.path)
            else:
                # Files, and the websocket of pages, which also goes over requests.
                for method in ("GET", *(("POST", WEBSOCKET) if route.path.endswith("_ws") else ())):
                    yield method, f"{prefix}{route.path}/x"
        elif isinstance(route, Route):
            for method in route.methods or ():
                yield method, prefix + route.path.replace("{", "").replace("}", "").replace(":path", "")


async def test_every_route_of_the_application_stands_in_the_table_and_nothing_else_does() -> None:
    with a_door(ManualTime()) as door:
        app = make_app(StillInsight(), hosts=LOOPBACK, admission=door.admission, new_id=lambda: "id").app
    # Some routes are added when it comes up.
    async with app.router.lifespan_context(app):
        found = set(served_paths(list(app.routes)))

    assert len(found) > 20
    assert {one for one in found if need_of_route(*one) is None} == set()
    in_use = {
        (method, entry) for method, entry in ROUTES for other, path in found if method == other and covers(entry, path)
    }
    assert in_use == set(ROUTES)


def covers(entry: str, path: str) -> bool:
    return path == entry or (entry.endswith("/*") and path.startswith(entry[:-1]))


REQUESTS = [(method, path.replace("*", "x")) for method, path in ROUTES if method != WEBSOCKET]


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_may_ask_for_what_the_table_says_and_nothing_else(role: Role) -> None:
    async with guarded() as (door, client):
        token = door.give(role)
        let_in = {}
        for method, path in REQUESTS:
            if path == "/api/msc/events":
                continue
            answer = await client.request(method, path, headers=bearer(token.text))
            let_in[method, path] = answer.status_code != 403

    expected = {one: need is OPEN or need in role.covers for one in let_in if (need := need_of_route(*one)) is not None}
    assert let_in == expected


async def test_without_a_token_only_what_is_open_is_answered() -> None:
    async with guarded() as (_, client):
        answers = {one: await client.request(*one) for one in REQUESTS}

    for (method, path), answer in answers.items():
        if need_of_route(method, path) is OPEN:
            assert answer.status_code != 401 or path == "/login"
        else:
            assert answer.status_code == 401
            assert problem_of(answer)["reason"] == "TOKEN_MISSING"
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="msc"'
            assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Bearer nonsense", "TOKEN_INVALID"),
        ("Bearer msc_0123456789ab_" + "x" * SECRET_LENGTH, "TOKEN_INVALID"),
        ("Basic YTpi", "TOKEN_INVALID"),
    ],
)
async def test_a_bad_token_is_refused_as_the_standard_says(header: str, reason: str) -> None:
    async with guarded() as (_, client):
        answer = await client.get("/api/msc/status", headers={"Authorization": header})

    assert answer.status_code == 401
    assert problem_of(answer)["reason"] == reason
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="msc", error="invalid_token", error_description="{reason}"'
    )


async def test_expired_and_revoked_tokens_and_missing_roles_are_told_apart() -> None:
    async with guarded() as (door, client):
        expired = door.give(Role.READER, valid_for=timedelta(seconds=1))
        revoked, reader = door.give(Role.READER), door.give(Role.READER)
        door.tokens.revoke(revoked.stored.token_id, "a test")
        await door.book.read()
        assert isinstance(door.clock, ManualTime)
        door.clock.leap(1)
        answers = [
            await client.get("/api/msc/status", headers=bearer(expired.text)),
            await client.get("/api/msc/status", headers=bearer(revoked.text)),
            await client.post("/api/msc/evaluate", headers=bearer(reader.text)),
        ]

    assert [(answer.status_code, problem_of(answer)["reason"]) for answer in answers] == [
        (401, "TOKEN_EXPIRED"),
        (401, "TOKEN_REVOKED"),
        (403, "ROLE_MISSING"),
    ]


async def test_what_is_nowhere_is_said_to_be_nowhere_also_to_strangers() -> None:
    async with guarded() as (_, client):
        nowhere = await client.get("/admin")
        method = await client.delete("/api/msc/status")

    assert (nowhere.status_code, problem_of(nowhere)["reason"]) == (404, "NOT_FOUND")
    assert (method.status_code, method.headers["Allow"]) == (405, "GET, HEAD")


async def test_neither_answers_nor_log_hold_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = ""
    async with guarded() as (door, client):
        minted = door.give(Role.READER)
        secret = minted.text.split("_", 2)[2]
        for text in (minted.text, minted.text + "x", minted.text[:-1]):
            for method, path in REQUESTS:
                if path != "/api/msc/events":
                    answer = await client.request(method, path, headers=bearer(text))
                    said += f"{answer.headers}{answer.text}"
            answer = await client.post("/login", content=f"token={text}&next=/")
            said += answer.text
        (door_answer,) = [await client.get("/api/msc/status", headers=bearer(minted.text))]

    assert door_answer.status_code == 200
    assert secret[:20] not in caplog.text
    assert secret[:20] not in said


async def test_who_asks_too_often_is_told_to_wait() -> None:
    with a_door(ManualTime(), per_s=1.0) as door:
        async with talking(admission=door.admission) as client:
            answers = [await client.get("/healthz") for _ in range(12)]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert problem_of(answers[-1])["reason"] == "RATE_LIMITED"
    assert answers[-1].headers["Retry-After"] == "1"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via", "CF-Ray"])
async def test_whoever_a_proxy_on_this_machine_forwards_is_not_from_this_machine(header: str) -> None:
    async with guarded(AccessRules()) as (_, client):
        forwarded = await client.get("/api/msc/status", headers={header: "192.0.2.9"})
        direct = await client.get("/api/msc/status")

    assert (forwarded.status_code, direct.status_code) == (401, 200)


# Logging in.


@pytest.mark.parametrize("path", ["/", "/troubleshooting", "/docs"])
async def test_a_person_who_is_not_logged_in_is_sent_to_log_in(path: str) -> None:
    async with guarded() as (_, client):
        answer = await client.get(path, headers={"Accept": "text/html,*/*"})
        page = await client.get(answer.headers["Location"])

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/login?next={path}"
    assert page.status_code == 200
    assert f'name="next" value="{path}"' in page.text
    assert 'type="password"' in page.text


async def test_a_token_logs_in_is_kept_from_scripts_and_lets_the_person_in() -> None:
    async with guarded() as (door, client):
        bounded = door.give(Role.READER, valid_for=timedelta(hours=1))
        until = (await client.post("/login", data={"token": bounded.text})).headers["Set-Cookie"]
        answer = await client.post("/login", data={"token": f" {door.give(Role.READER).text}\n", "next": "/docs"})
        cookie = answer.headers["Set-Cookie"]
        page = await client.get("/docs", headers={"Accept": "text/html"})
        left = await client.post("/logout")
        again = await client.get("/docs", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.headers["Location"]) == (303, "/docs")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert ("expires=" in until, "expires=" in cookie) == (True, False)
    assert page.status_code == 200
    assert left.headers["Location"] == "/login"
    assert again.status_code == 303


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", ""])
async def test_logging_in_leads_nowhere_else(where: str) -> None:
    async with guarded() as (door, client):
        answer = await client.post("/login", data={"token": door.give(Role.READER).text, "next": where})
        page = await client.get("/login", params={"next": where})

    assert answer.headers["Location"] == "/"
    assert 'value="/"' in page.text


@pytest.mark.parametrize("token", ["", "nonsense", '"><script>alert(1)</script>'])
async def test_what_is_no_token_does_not_log_in_is_not_repeated_and_is_counted(token: str) -> None:
    async with guarded() as (door, client):
        answer = await client.post("/login", data={"token": token, "next": '"><script>'})
        refused = door.admission.tally().refused

    assert refused == {"TOKEN_INVALID": 1}
    assert answer.status_code == 401
    assert "This is no token" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert "<script>" not in answer.text


async def test_who_tries_tokens_too_often_is_told_to_wait() -> None:
    with a_door(ManualTime(), per_s=1.0) as door:
        await door.book.read()
        async with talking(admission=door.admission) as client:
            answers = [await client.post("/login", data={"token": f"guess-{number}"}) for number in range(12)]

    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert door.admission.tally().refused == {"TOKEN_INVALID": 10, "RATE_LIMITED": 2}


async def test_who_logs_in_too_often_reads_so_on_the_page() -> None:
    with a_door(ManualTime(), per_s=1.0) as door:
        async with talking(admission=door.admission) as client:
            minted = door.give(Role.READER)
            for number in range(10):
                # From elsewhere, so that it is the identity that asks too often.
                await door.admission.log_in(shown(minted.text, host=f"192.0.2.{number}"), "POST /login")
            answer = await client.post("/login", data={"token": minted.text})

    assert (answer.status_code, "Too many requests came from you" in answer.text) == (429, True)
    assert "Set-Cookie" not in answer.headers


async def test_a_page_of_another_site_cannot_log_somebody_in_or_out() -> None:
    async with guarded() as (door, client):
        for path in ("/login", "/logout"):
            answer = await client.post(
                path, data={"token": door.give(Role.READER).text}, headers={"Origin": "https://evil.example"}
            )
            assert problem_of(answer)["reason"] == "ORIGIN_NOT_ALLOWED"


async def test_where_people_of_this_machine_are_let_in_nobody_has_to_log_in() -> None:
    async with guarded(AccessRules()) as (_, client):
        assert (await client.get("/docs", headers={"Accept": "text/html"})).status_code == 200


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_listen_to_events_as_the_table_says(role: Role) -> None:
    with a_door(ManualTime()) as door, serving(a_face(admission=door.admission)) as site:
        text = door.give(role).text
        with httpx.stream("GET", f"{site.url}/api/msc/events", headers=bearer(text), timeout=20) as response:
            status = response.status_code
        nobody = httpx.get(f"{site.url}/api/msc/events", headers=bearer("nonsense"), timeout=20)

    need = need_of_route("GET", "/api/msc/events")
    assert isinstance(need, Role)
    assert (status == 200) is (need in role.covers)
    assert nobody.status_code == 401


def test_a_stream_of_events_ends_when_its_token_is_revoked() -> None:
    with a_door(ManualTime()) as door, serving(a_face(admission=door.admission)) as site:
        minted = door.give(Role.READER)
        headers = bearer(minted.text)
        with httpx.stream("GET", f"{site.url}/api/msc/events", headers=headers, timeout=20) as response:
            assert response.status_code == 200
            door.tokens.revoke(minted.stored.token_id, "a test")
            door.read_now()
            door.permits.review()
            assert list(Reader(response)) == []
        assert httpx.get(f"{site.url}/api/msc/status", headers=headers).status_code == 401


def opened(site: Site, headers: dict[str, str]) -> int:
    """The status of an answer to a request for the websocket of pages."""
    host, port = site.url.removeprefix("http://").split(":")
    asked = {
        "Host": f"{host}:{port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
        connection.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


def test_the_websocket_of_pages_opens_only_to_who_may_read() -> None:
    with a_door(ManualTime()) as door:
        text = door.give(Role.READER).text
        face = make_app(StillInsight(), hosts=LOOPBACK, admission=door.admission, new_id=lambda: "id")
        with serving(face) as site:
            statuses = {
                "nothing": opened(site, {}),
                "a bad token": opened(site, bearer("nonsense")),
                "a bad cookie": opened(site, {"Cookie": "msc_token=nonsense"}),
                "a token": opened(site, bearer(text)),
                "a cookie": opened(site, {"Cookie": f"msc_token={text}"}),
                "a page of another site": opened(
                    site, {"Cookie": f"msc_token={text}", "Origin": "https://evil.example"}
                ),
            }

    assert statuses == {
        "nothing": 403,
        "a bad token": 403,
        "a bad cookie": 403,
        "a token": 101,
        "a cookie": 101,
        "a page of another site": 403,
    }

"""The dashboard within the web application, without a browser."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest
from msc_builders import a_content
from msc_dashboard import AskedInsight, head_of
from msc_doors import a_door, an_open_door
from msc_live import until
from msc_observed import an_observation
from nicegui import Client

from msc_authority.adapters.clock import SystemClock
from msc_authority.app.access import Role
from msc_authority.app.admission import Admission
from msc_authority.core.policy import RiskMode
from msc_authority.http.app import make_app
from msc_authority.http.hosts import Hosts


@asynccontextmanager
async def _serving(
    insight: AskedInsight, admission: Admission | None = None, token: str = ""
) -> AsyncIterator[httpx.AsyncClient]:
    ids = itertools.count(1)
    door = admission or an_open_door()
    app = make_app(insight, hosts=Hosts.of("127.0.0.1"), admission=door, new_id=lambda: f"id-{next(ids)}").app
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://127.0.0.1",
            cookies={"msc_token": token} if token else None,
        ) as client,
    ):
        yield client


async def test_the_page_comes_with_the_values_of_now() -> None:
    async with _serving(AskedInsight()) as client:
        answer = await client.get("/")

        assert answer.status_code == 200
        assert "NORMAL · Meta Strategy Controller" in answer.text
        assert "Risk per trade" in answer.text
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/troubleshooting", "/favicon.ico", "/dashboard-assets/dashboard.css"])
async def test_head_of_a_page_is_that_of_get(path: str) -> None:
    async with _serving(AskedInsight()) as client:
        whole, short = await client.get(path), await client.head(path)

    assert (whole.status_code, short.status_code, short.content) == (200, 200, b"")
    assert short.headers["content-type"] == whole.headers["content-type"]


async def test_the_page_names_no_other_host() -> None:
    async with _serving(AskedInsight()) as client:
        page = (await client.get("/")).text

    assert 'src="http' not in page
    assert 'href="http' not in page


async def test_style_and_scripts_come_from_this_server() -> None:
    async with _serving(AskedInsight()) as client:
        page = (await client.get("/")).text
        style = await client.get("/dashboard-assets/dashboard.css")
        script = await client.get("/dashboard-assets/dashboard.js")

    assert "/dashboard-assets/dashboard.css?v=" in page
    assert (style.status_code, script.status_code) == (200, 200)
    assert "light-dark(" in style.text


async def test_troubleshooting_has_a_place_for_every_alert() -> None:
    from msc_authority.app.alerts.rules import RULES

    async with _serving(AskedInsight()) as client:
        page = (await client.get("/troubleshooting")).text

    assert all(f'id="{rule.anchor}"' in page for rule in RULES)


@pytest.mark.parametrize(("role", "offered"), [(Role.READER, False), (Role.EVALUATOR, False), (Role.OPERATOR, True)])
async def test_only_an_operator_is_offered_controls_and_all_who_log_in_may_log_out(role: Role, offered: bool) -> None:
    with a_door(SystemClock()) as door:
        token = door.give(role, name="anna").text
        await door.book.read()
        async with _serving(AskedInsight(), door.admission, token) as client:
            page = (await client.get("/", headers={"Accept": "text/html"})).text

    assert ("h-operate" in page) is offered
    assert "By a person" in page
    assert "anna" in page
    assert "Log out" in page


async def test_where_nobody_logs_in_nobody_logs_out() -> None:
    async with _serving(AskedInsight()) as client:
        page = (await client.get("/")).text

    assert "h-operate" in page
    assert "Log out" not in page


async def test_an_application_made_later_shows_its_own_authority() -> None:
    async with _serving(AskedInsight()) as client:
        assert "NORMAL · " in (await client.get("/")).text

    head = head_of(a_content(RiskMode.AGGRESSIVE), 2)
    async with _serving(AskedInsight(observation=an_observation(head=head))) as client:
        assert "AGGRESSIVE · " in (await client.get("/")).text


async def test_nobody_looks_any_more_when_the_application_has_ended() -> None:
    async with _serving(AskedInsight()) as client:
        await client.get("/")
        assert "dashboard" in _tasks()

    await until(lambda: "dashboard" not in _tasks())


async def test_a_page_that_was_closed_and_all_that_was_sent_to_it_do_not_wait_for_the_collector() -> None:
    async with _serving(AskedInsight()) as client:
        await client.get("/")
        with _without_collector():
            closed = _close_the_newest_page()

            await until(lambda: closed() is None)


def _close_the_newest_page() -> weakref.ref[Client]:
    # Applications that ended leave their pages behind.
    page = list(Client.instances.values())[-1]
    page.delete()
    return weakref.ref(page)


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks()}

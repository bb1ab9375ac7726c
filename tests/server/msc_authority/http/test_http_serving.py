"""A real server in its thread: how it begins, what streams do, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from msc_builders import a_content
from msc_http import DEADLINE_S, Reader, Site, a_face, serving
from msc_live import a_policy
from msc_observed import StillInsight, an_alert

from msc_authority.app.events import AlertChanged, PolicyPublished, SignalBlocked
from msc_authority.app.insight import Evaluations
from msc_authority.app.signals import BlockedSignal
from msc_authority.core.policy import RiskMode
from msc_authority.http.app import Face
from msc_authority.http.serving import CannotListen, HttpServer, PortInUse, listen, url_of

EVENTS = "/api/msc/events"


@contextlib.contextmanager
def streaming(site: Site, path: str = EVENTS, **headers: str) -> Iterator[Reader]:
    with (
        httpx.Client(base_url=site.url, timeout=DEADLINE_S) as client,
        client.stream("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}) as it,
    ):
        assert it.status_code == 200
        assert it.headers["content-type"].startswith("text/event-stream")
        assert it.headers["cache-control"] == "no-store"
        yield Reader(it)


@contextlib.contextmanager
def still(keep_alive_s: float = 15.0) -> Iterator[tuple[Site, StillInsight]]:
    insight = StillInsight()
    with serving(a_face(insight, keep_alive_s=keep_alive_s)) as site:
        yield site, insight


def wait_for(count: int, site: Site) -> None:
    """Returns when so many streams are open. What opens them is another thread."""
    waiting = threading.Event()
    for _ in range(int(DEADLINE_S / 0.005)):
        if site.face.feed.subscribers == count:
            return
        waiting.wait(0.005)
    raise AssertionError(f"{site.face.feed.subscribers} streams are open, not {count}")


def publish(insight: StillInsight, version: int) -> None:
    before, after = a_policy(version - 1), a_policy(version, content=a_content(RiskMode.DEFENSIVE))
    insight.events.emit(PolicyPublished(before=before, after=after))


def test_events_come_as_they_happen_with_growing_numbers() -> None:
    with still() as (site, insight), streaming(site) as reader:
        wait_for(1, site)
        publish(insight, 2)
        insight.events.emit(AlertChanged(alert=an_alert()))
        policy, alert = reader.take(2)

    assert (policy.kind, alert.kind) == ("policy", "alert")
    assert int(alert.number) == int(policy.number) + 1
    assert policy.data["changes"] == [{"field": "risk_mode", "before": "NORMAL", "after": "DEFENSIVE"}]
    assert alert.data["code"] == "CLIENT_SAFE"


def test_who_lost_the_connection_gets_what_was_missed() -> None:
    with still() as (site, insight):
        with streaming(site) as reader:
            wait_for(1, site)
            publish(insight, 2)
            [first] = reader.take(1)
        publish(insight, 3)
        publish(insight, 4)
        with streaming(site, Last_Event_ID=first.number) as reader:
            missed = reader.take(2)
            publish(insight, 5)
            [then] = reader.take(1)

    assert [event.data["policy"]["ref"]["version"] for event in (*missed, then)] == [3, 4, 5]  # type: ignore[index]  # JSON


def test_after_a_restart_an_old_number_is_known_to_be_old() -> None:
    with still() as (site, insight):
        publish(insight, 2)
        with streaming(site, Last_Event_ID="17") as reader:
            gap, policy = reader.take(2)

    assert (gap.kind, gap.data["reason"], gap.number) == ("gap", "TOO_OLD", "")
    assert policy.kind == "policy"


def test_only_the_kinds_asked_for_come() -> None:
    with still() as (site, insight), streaming(site, f"{EVENTS}?types=alert,block") as reader:
        wait_for(1, site)
        publish(insight, 2)
        insight.events.emit(AlertChanged(alert=an_alert()))

        assert [event.kind for event in reader.take(1)] == ["alert"]


def test_a_comment_comes_where_nothing_happens() -> None:
    with still(keep_alive_s=0.01) as (site, insight), streaming(site) as reader:
        wait_for(1, site)
        events = iter(reader)
        threading.Timer(0.2, publish, (insight, 2)).start()
        assert next(events).kind == "policy"

    assert "keep-alive" in reader.comments


def test_who_goes_away_is_forgotten() -> None:
    with still(keep_alive_s=0.01) as (site, _):
        with streaming(site):
            wait_for(1, site)
        wait_for(0, site)


def test_one_that_reads_nothing_is_ended_and_told_so_while_another_misses_nothing() -> None:
    block = BlockedSignal(
        at=a_policy().created_at,
        strategy_id="TREND_001",
        symbol="BTCUSDT",
        side="BUY",
        reason="CONFIDENCE",
        text="x" * 30_000,
        executor="executor-1",
        policy_version=1,
    )
    with still() as (site, insight), streaming(site) as quick, socket.socket() as slow:
        port = int(site.url.rpartition(":")[2])
        slow.connect(("127.0.0.1", port))
        slow.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        wait_for(2, site)
        events, sent = iter(quick), 0
        while site.face.feed.subscribers == 2:
            insight.events.emit(SignalBlocked(signal=block))
            sent += 1
            assert next(events).kind == "block"
            assert sent < 5000
        slow.settimeout(DEADLINE_S)
        heard = b""
        while b"event: end" not in heard:
            chunk = slow.recv(65536)
            assert chunk
            heard += chunk

    assert b"SLOW_CONSUMER" in heard
    assert heard.count(b"event: block") < sent


def test_a_stop_ends_every_stream_with_a_word_and_in_time() -> None:
    heard: list[str] = []

    def follow(url: str) -> None:
        with httpx.stream("GET", url + EVENTS, timeout=DEADLINE_S) as response:
            heard.extend(f"{event.kind} {event.data['reason']}" for event in Reader(response))

    with still() as (site, _), httpx.Client() as idle:
        threads = [threading.Thread(target=follow, args=(site.url,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        wait_for(5, site)
        assert idle.get(f"{site.url}/healthz").status_code == 200

        site.server.begin_stop()
        site.server.begin_stop()
        assert site.server.join()

    for thread in threads:
        thread.join(DEADLINE_S)
    assert heard == ["end STOPPING"] * 5
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{site.url}/healthz")


def test_a_port_in_use_is_said_at_once_with_what_to_do() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"{port}.*--http-port.*MSC_HTTP_PORT.*--no-http"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_nobody_here_is_said_with_what_to_check(host: str) -> None:
    with pytest.raises(CannotListen, match=f"{host}:8000.*--http-host"):
        listen(host, 8000)


def test_the_address_is_one_that_a_browser_can_open() -> None:
    with listen("0.0.0.0", 0) as everywhere:  # noqa: S104 -- for the moment of a test
        assert url_of("0.0.0.0", everywhere).startswith("http://127.0.0.1:")  # noqa: S104 -- likewise
    with listen("localhost", 0) as named:
        assert url_of("localhost", named).startswith("http://localhost:")
    with listen("::1", 0) as sixth:
        assert url_of("::1", sixth).startswith("http://[::1]:")


def test_who_connects_before_the_application_is_there_waits_for_it() -> None:
    may_load = threading.Event()

    def make() -> Face:
        assert may_load.wait(DEADLINE_S)
        return a_face()

    listening = listen("127.0.0.1", 0)
    url = url_of("127.0.0.1", listening)
    server = HttpServer(make, listening)
    server.start()
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.get(f"{url}/healthz", timeout=DEADLINE_S).status_code)
    )
    asking.start()
    may_load.set()
    asking.join(DEADLINE_S)
    server.begin_stop()

    assert server.join(DEADLINE_S)
    assert answers == [200]


def test_an_application_that_cannot_be_made_is_said_loudly_and_frees_the_port(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def make() -> Face:
        raise ImportError("no such library")

    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = HttpServer(make, listening)
    server.start()

    assert server.join(DEADLINE_S)
    assert not server.wait_until_up(0)
    record = next(record for record in caplog.records if "HTTP server failed" in record.getMessage())
    assert record.levelno == logging.CRITICAL
    listen("127.0.0.1", port).close()


def test_an_application_that_cannot_start_is_said_loudly(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(StillInsight):
        async def evaluations(self) -> Evaluations:
            raise ZeroDivisionError("at the start")

    server = HttpServer(lambda: a_face(Broken()), listen("127.0.0.1", 0))
    server.start()

    assert server.join(DEADLINE_S)
    assert "HTTP server failed" in caplog.text
    assert "at the start" in caplog.text


def test_a_stop_while_the_application_loads_is_heard() -> None:
    may_load = threading.Event()

    def make() -> Face:
        assert may_load.wait(DEADLINE_S)
        return a_face()

    server = HttpServer(make, listen("127.0.0.1", 0))
    server.start()
    server.begin_stop()
    assert not server.join(0.0)
    may_load.set()

    assert server.join(DEADLINE_S)
    assert not server.wait_until_up(0)


async def test_it_runs_on_a_loop_and_a_thread_of_its_own() -> None:
    found: list[object] = []

    class Curious(StillInsight):
        async def evaluations(self) -> Evaluations:
            found.extend((asyncio.get_running_loop(), threading.current_thread().name))
            return self.latest

    with serving(a_face(Curious())):
        pass

    assert found[0] is not asyncio.get_running_loop()
    assert found[1] == "http"

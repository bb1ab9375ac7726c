"""The whole authority with its HTTP side: REST and dashboard in one application, in one process with gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from msc_http import DEADLINE_S, PROBLEM, Heard, Reader
from msc_live import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from msc_authority.compose.parts import Running
from msc_authority.compose.running import serve
from msc_authority.http import app
from msc_authority.http.serving import PortInUse, listen
from msc_authority.settings import Settings
from msc_policy import v1 as pb

SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


@dataclass
class Process:
    """`msc serve` in a process of its own."""

    popen: subprocess.Popen[str]
    url: str
    target: str

    def stopped(self) -> tuple[int, str]:
        """Its exit code and what it logged, after Ctrl-C."""
        self.popen.send_signal(signal.SIGINT)
        _, err = self.popen.communicate(timeout=DEADLINE_S)
        return self.popen.returncode, err


@contextlib.contextmanager
def process(home: Path) -> Iterator[Process]:
    command = [sys.executable, "-m", "msc_authority", "serve", "--home", str(home), "--json"]
    command += ["--grpc-port", "0", "--http-port", "0"]
    popen = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert popen.stdout is not None
        ready = json.loads(popen.stdout.readline())
        yield Process(popen=popen, url=ready["http_url"], target=ready["target"])
    finally:
        popen.kill()
        popen.communicate()


@contextlib.asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[Running]:
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.create_task(serve(settings, on_ready=ready.set_result, stop=stop))
    task.add_done_callback(lambda ended: ended.cancelled() or (ended.exception() and ready.cancel()))
    try:
        yield await asyncio.wait_for(ready, DEADLINE_S)
    finally:
        stop.set()
        await asyncio.wait_for(task, DEADLINE_S)


def open_socket(url: str, origin: str | None = None) -> ClientConnection:
    headers = {} if origin is None else {"Origin": origin}
    return connect(url.replace("http", "ws", 1) + SOCKET, additional_headers=headers, proxy=None)


def drain(page: ClientConnection) -> None:
    """Reads until the other side closes."""
    while True:
        page.recv(DEADLINE_S)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One process for those that only ask it something."""
    with process(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.mark.parametrize(
    "path",
    [
        "/api/msc/status",
        "/api/msc/history?limit=10",
        "/api/msc/strategies",
        "/api/msc/health",
        "/api/msc/clients",
        "/api/msc/alerts",
        "/healthz",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/",
    ],
)
def test_rest_metrics_documents_and_dashboard_are_answered_by_one_process(whole: Process, path: str) -> None:
    response = httpx.get(whole.url + path, timeout=DEADLINE_S)

    assert response.status_code == 200
    assert response.headers["x-content-type-options"] == "nosniff"


def test_an_evaluation_asked_for_over_http_is_seen_over_grpc(whole: Process) -> None:
    answer = httpx.post(f"{whole.url}/api/msc/evaluate", timeout=DEADLINE_S).json()

    with grpc.insecure_channel(whole.target) as channel:
        listed = pb.PolicyAuthorityStub(channel).ListEvaluations(pb.ListEvaluationsRequest())
    assert answer["evaluation"]["evaluation_id"] in [one.evaluation_id for one in listed.evaluations]
    assert answer["candidate"]["risk_mode"] == "DEFENSIVE"


def test_an_evaluation_comes_over_the_stream(whole: Process) -> None:
    heard: list[Heard] = []
    with (
        httpx.Client(base_url=whole.url, timeout=DEADLINE_S) as client,
        client.stream("GET", "/api/msc/events?types=evaluation", headers={"Last-Event-ID": "0"}) as stream,
    ):
        asked = client.post("/api/msc/evaluate").json()["evaluation"]["evaluation_id"]
        for event in Reader(stream):
            heard.append(event)
            made = event.data["evaluation"]
            if isinstance(made, dict) and made["evaluation_id"] == asked:
                break

    assert {event.kind for event in heard} == {"evaluation"}


@pytest.mark.parametrize("path", ["/api/msc/nothing", "/api", "/metrics/x"])
def test_what_is_missing_beside_the_dashboard_is_a_problem_and_no_page(whole: Process, path: str) -> None:
    response = httpx.get(whole.url + path, timeout=DEADLINE_S)

    assert (response.status_code, response.headers["content-type"]) == (404, PROBLEM)


def test_another_method_beside_the_dashboard_is_a_problem_and_no_page(whole: Process) -> None:
    response = httpx.post(f"{whole.url}/api/msc/status", timeout=DEADLINE_S)

    assert (response.status_code, response.headers["content-type"]) == (405, PROBLEM)


@pytest.mark.parametrize("path", ["/", "/troubleshooting", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"])
def test_the_dashboard_is_guarded_like_the_rest(whole: Process, path: str) -> None:
    response = httpx.get(whole.url + path, headers={"Host": "evil.example"}, timeout=DEADLINE_S)

    assert (response.status_code, response.json()["reason"]) == (403, "HOST_NOT_ALLOWED")


def test_only_our_own_page_may_open_a_socket(whole: Process) -> None:
    with open_socket(whole.url, whole.url) as own:
        assert str(own.recv(DEADLINE_S)).startswith("0{")
    with pytest.raises(InvalidStatus) as refused:
        open_socket(whole.url, "http://evil.example").close()

    assert refused.value.response.status_code == 403


def test_ctrl_c_ends_streams_and_pages_in_time_and_without_a_complaint(tmp_path: Path) -> None:
    ends: list[str] = []

    def follow(url: str) -> None:
        with httpx.stream("GET", f"{url}/api/msc/events?types=alert", timeout=DEADLINE_S) as response:
            following.release()
            ends.extend(f"{event.kind} {event.data.get('reason')}" for event in Reader(response))

    following = threading.Semaphore(0)
    with process(tmp_path) as running:
        httpx.get(running.url, timeout=DEADLINE_S).raise_for_status()
        threads = [threading.Thread(target=follow, args=(running.url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
            assert following.acquire(timeout=DEADLINE_S)
        with open_socket(running.url) as page:
            page.recv(DEADLINE_S)
            code, err = running.stopped()
            with pytest.raises(ConnectionClosed):
                drain(page)
        for thread in threads:
            thread.join(DEADLINE_S)

    assert code == 0
    assert [end for end in ends if end.startswith("end")] == ["end STOPPING"] * 3
    complaints = ("Traceback", "Cancel", "left behind", "HTTP server failed", "Exception in ASGI")
    assert not [word for word in complaints if word in err], err


async def test_a_port_in_use_ends_the_start_with_the_port_in_words(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"uses port {port}"):
            await serve(Settings(home=tmp_path, grpc_port=0, http_port=port), stop=asyncio.Event())


async def test_without_http_there_is_no_address_and_no_thread(tmp_path: Path) -> None:
    async with in_process(Settings(home=tmp_path, grpc_port=0, serve_http=False)) as running:
        assert running.http_url is None
        assert "http" not in {thread.name for thread in threading.enumerate()}


async def test_the_policy_is_served_where_the_application_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "msc_authority.http.app", None)
    async with in_process(Settings(home=tmp_path, grpc_port=0, http_port=0)) as running:
        await until(lambda: "the authority goes on without it" in caplog.text)
        async with grpc.aio.insecure_channel(running.address) as channel:
            answer = await pb.PolicyAuthorityStub(channel).Evaluate(pb.EvaluateRequest())

    assert answer.head.version == 1


async def test_what_happened_before_the_application_was_loaded_is_told_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_load, make = threading.Event(), app.make_app

    def made_late(*args: Any, **kwargs: Any) -> app.Face:  # noqa: ANN401 -- whatever it takes
        may_load.wait(DEADLINE_S)
        return make(*args, **kwargs)

    def told(url: str) -> list[Heard]:
        with httpx.stream("GET", f"{url}/api/msc/events", headers={"Last-Event-ID": "0"}, timeout=DEADLINE_S) as stream:
            return Reader(stream).take(2)

    monkeypatch.setattr(app, "make_app", made_late)
    async with in_process(Settings(home=tmp_path, grpc_port=0, http_port=0)) as running:
        await until(lambda: running.insight.current.head.policy is not None)
        may_load.set()
        heard = await asyncio.wait_for(asyncio.to_thread(told, running.http_url or ""), DEADLINE_S)

    assert [one.kind for one in heard] == ["policy", "evaluation"]

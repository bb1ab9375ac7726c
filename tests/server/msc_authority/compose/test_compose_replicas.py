"""Several whole authorities on one database, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from msc_live import DEADLINE_S, until

from msc_authority.compose.parts import Running
from msc_authority.compose.replicas import address_of
from msc_authority.compose.running import serve
from msc_authority.settings import Settings
from msc_policy import v1 as pb


class Started:
    """One authority that answers."""

    def __init__(self, running: Running, stop: asyncio.Event, task: asyncio.Task[None], channel: grpc.aio.Channel):
        self.running, self._stop, self._task = running, stop, task
        self.stub = pb.PolicyAuthorityStub(channel)

    @property
    def leads(self) -> bool:
        """Whether it leads, as it observed last."""
        return self.running.insight.observation.standing.leading

    async def stop(self) -> None:
        """Stops it gracefully."""
        self._stop.set()
        await asyncio.wait_for(asyncio.shield(self._task), DEADLINE_S)

    async def replicas(self) -> list[pb.Replica]:
        """Who is there, as it says."""
        return list((await self.stub.GetSystemHealth(pb.GetSystemHealthRequest())).replicas)


@asynccontextmanager
async def started(home: Path, url: str) -> AsyncIterator[Started]:
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    settings = Settings(home=home, grpc_port=0, http_port=0, database_url=url)
    task = asyncio.create_task(serve(settings, on_ready=ready.set_result, stop=stop))
    task.add_done_callback(lambda ended: ready.cancel() if ended.exception() else None)
    running = await ready
    async with grpc.aio.insecure_channel(running.address) as channel:
        authority = Started(running, stop, task, channel)
        try:
            yield authority
        finally:
            await authority.stop()


@asynccontextmanager
async def two(tmp_path: Path, url: str) -> AsyncIterator[tuple[Started, Started]]:
    """Yields the one that leads, and one that follows."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(started(tmp_path / "one", url))
        await until(lambda: first.leads)
        second = await stack.enter_async_context(started(tmp_path / "two", url))
        yield first, second


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shared.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


async def test_one_of_two_leads_and_only_that_one_evaluates(tmp_path: Path, url: str) -> None:
    async with two(tmp_path, url) as (first, second):
        await first.stub.Evaluate(pb.EvaluateRequest())
        answer = await second.stub.ListEvaluations(pb.ListEvaluationsRequest())

        assert not second.leads
        assert [evaluation.trigger for evaluation in answer.evaluations] == ["request", "start"]


async def test_an_evaluation_asked_of_the_other_is_made_by_the_leader_and_seen_here(tmp_path: Path, url: str) -> None:
    async with two(tmp_path, url) as (first, second):
        answer = await second.stub.Evaluate(pb.EvaluateRequest(request_id="deploy-7", reason="new limits"))
        again = await first.stub.Evaluate(pb.EvaluateRequest(request_id="deploy-7"))
        what_if = await second.stub.Evaluate(pb.EvaluateRequest(what_if=pb.SuppliedMetrics(drawdown_pct=4.0)))
        here = await second.stub.GetPolicy(pb.GetPolicyRequest())

    assert answer.evaluation.trigger == "request"
    assert answer.evaluation == again.evaluation
    assert here.head == answer.head
    assert what_if.candidate.risk_mode == pb.RISK_MODE_DEFENSIVE


async def test_when_the_leader_stops_the_other_leads_within_its_next_look(tmp_path: Path, url: str) -> None:
    async with two(tmp_path, url) as (first, second):
        await first.stop()
        await until(lambda: second.leads)
        answer = await second.stub.Evaluate(pb.EvaluateRequest())

    assert answer.evaluation.trigger == "request"


async def test_each_shows_all_and_who_leads(tmp_path: Path, url: str) -> None:
    async with two(tmp_path, url) as (first, second):
        await until(lambda: len(first.running.insight.observation.standing.replicas) == 2)
        for authority in (first, second):
            replicas = await authority.replicas()
            assert {replica.address for replica in replicas} == {first.running.address, second.running.address}
            assert [replica.address for replica in replicas if replica.leads] == [first.running.address]
            assert [replica.address for replica in replicas if replica.answering] == [authority.running.address]


async def test_the_status_over_http_shows_them_too(tmp_path: Path, url: str) -> None:
    async with two(tmp_path, url) as (first, second), httpx.AsyncClient(timeout=DEADLINE_S) as client:
        await until(lambda: second.running.insight.observation.standing.leader_address != "")
        status = (await client.get(f"{second.running.http_url}/api/msc/status")).json()

    assert status["leader"] == {
        "here": False,
        "address": first.running.address,
        "term": 1,
        "changes": {"follows": 1},
        "commits_fenced": 0,
    }
    assert [replica["here"] for replica in status["replicas"] if replica["address"] == second.running.address] == [True]


@pytest.mark.parametrize(
    ("host", "advertised", "address"),
    [
        ("127.0.0.1", "", "127.0.0.1:7443"),
        ("::1", "", "[::1]:7443"),
        ("127.0.0.1", "one.example:443", "one.example:443"),
    ],
)
def test_where_it_is_reached(host: str, advertised: str, address: str) -> None:
    assert address_of(Settings(grpc_host=host, advertised_address=advertised), 7443) == address


def test_one_that_listens_everywhere_is_reached_by_the_name_of_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    settings = Settings(grpc_host="0.0.0.0", allow_plaintext_remote=True)  # noqa: S104 -- listened on by nobody here

    assert address_of(settings, 7443) == "desk:7443"

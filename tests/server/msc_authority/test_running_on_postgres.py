"""A whole authority on a real PostgreSQL that goes away and comes back: what is served, said, kept and recovered."""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from msc_live import DEADLINE_S, until
from msc_postgres import PASSWORD, PostgresServer, postgres_or_skip
from msc_served import reason_of
from sqlalchemy import make_url

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.app import vitals
from msc_authority.compose.parts import Running
from msc_authority.compose.running import serve
from msc_authority.settings import Settings
from msc_policy import v1 as pb

BORN_S = 1_760_000_000


@pytest.fixture(scope="module")
def module_postgres() -> Iterator[PostgresServer]:
    with postgres_or_skip(PostgresServer) as server:
        yield server


@pytest.fixture
def server(module_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that only this test uses, and may stop."""
    yield module_postgres
    module_postgres.thaw()
    if not module_postgres.is_running:
        module_postgres.start()


@dataclass
class Scene:
    """An authority and a channel to it."""

    channel: grpc.aio.Channel
    policies: pb.PolicyAuthorityAsyncStub
    journal: pb.JournalServiceAsyncStub

    async def answer(self) -> pb.GetPolicyResponse:
        return await self.policies.GetPolicy(pb.GetPolicyRequest())

    async def record(self, number: int) -> int:
        """Returns how many facts the authority acknowledged as new."""
        point = pb.EquityPoint(account="main", wallet_balance="100000", unrealized_pnl="0")
        point.at.FromSeconds(BORN_S + number)
        entry = pb.JournalEntry(seq=number, equity=point)
        return (await self.journal.Record(iter([pb.RecordRequest(entries=[entry])]))).accepted

    async def refusal_of(self, call: Awaitable[object]) -> str:
        """Returns the reason why the authority refused; fails when it did not."""
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        return reason_of(refused.value)


@asynccontextmanager
async def serving(url: str, home: Path) -> AsyncIterator[Scene]:
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    settings = Settings(home=home, database_url=url, grpc_port=0, serve_http=False)
    task = asyncio.create_task(serve(settings, on_ready=ready.set_result, stop=stop))
    task.add_done_callback(lambda ended: ready.cancel() if ended.exception() else None)
    running = await ready
    async with grpc.aio.insecure_channel(running.address) as channel:
        scene = Scene(channel, pb.PolicyAuthorityStub(channel), pb.JournalServiceStub(channel))
        await eventually(scene, lambda answer: answer.policy.ref.version > 0)
        yield scene
    stop.set()
    await asyncio.wait_for(task, DEADLINE_S)


async def eventually(scene: Scene, condition: Callable[[pb.GetPolicyResponse], bool]) -> None:
    """Waits for what GetPolicy answers."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                if condition(await scene.answer()):
                    return
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.NOT_FOUND, error
            await asyncio.sleep(0.005)


def older_than(age_s: float) -> Callable[[pb.GetPolicyResponse], bool]:
    return lambda answer: answer.freshness.replica_age.ToTimedelta().total_seconds() > age_s


def younger_than(age_s: float) -> Callable[[pb.GetPolicyResponse], bool]:
    return lambda answer: answer.freshness.replica_age.ToTimedelta().total_seconds() < age_s


def stored(url: str) -> set[datetime]:
    with open_store(url, SystemClock()) as store:
        return {each.at for each in store.journal.evidence_after(None, store.journal.end())}


async def test_while_the_server_is_down_the_policy_ages_and_it_is_said_and_all_is_well_when_it_is_back(
    server: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "msc_authority")
    url = server.new_database()
    async with serving(url, tmp_path) as scene:
        version = (await scene.answer()).policy.ref.version
        assert await scene.record(1) == 1
        await asyncio.to_thread(server.stop)
        await eventually(scene, older_than(1.5))
        assert (await scene.answer()).policy.ref.version == version
        assert await scene.refusal_of(scene.record(2)) == "STORE_UNAVAILABLE"
        assert await scene.refusal_of(scene.policies.Evaluate(pb.EvaluateRequest())) == "STORE_UNAVAILABLE"
        server.start()
        await eventually(scene, younger_than(0.5))
        assert (await scene.policies.Evaluate(pb.EvaluateRequest())).head.version >= version
        assert await scene.record(1) == 0
        assert await scene.record(2) == 1
    warnings = [message for message in caplog.messages if message.startswith("The head cannot be read")]
    assert sum(record.levelno >= logging.WARNING for record in caplog.records if record.message in warnings) == 1
    assert "Evaluation (request) failed, the policy is kept" in caplog.text
    assert PASSWORD not in caplog.text


async def test_what_was_acknowledged_is_there_however_often_the_server_was_killed(
    server: PostgresServer, tmp_path: Path
) -> None:
    url = server.new_database()
    acknowledged: set[datetime] = set()
    async with serving(url, tmp_path) as scene:

        async def send() -> None:
            for number in itertools.count(1):
                try:
                    assert await scene.record(number) == 1
                    acknowledged.add(datetime.fromtimestamp(BORN_S + number, UTC))
                except grpc.aio.AioRpcError as error:
                    assert reason_of(error) == "STORE_UNAVAILABLE"

        sending = asyncio.create_task(send())
        for _ in range(4):
            before = len(acknowledged)
            await until(lambda before=before: len(acknowledged) > before + 5)  # type: ignore[misc]  # bound now
            server.restart(signal.SIGQUIT)
        sending.cancel()
    assert len(acknowledged) > 20
    assert stored(url) >= acknowledged


async def test_a_server_that_was_frozen_is_gone_on_with(server: PostgresServer, tmp_path: Path) -> None:
    async with serving(server.new_database(), tmp_path) as scene:
        server.freeze()
        await eventually(scene, older_than(2.0))
        server.thaw()
        await eventually(scene, younger_than(0.5))
        assert await scene.record(1) == 1


@pytest.mark.parametrize(
    "asked",
    [
        pb.ActRequest(reason="it is over", resume=pb.ResumeAction()),
        pb.ActRequest(
            reason="it is over",
            pin_mode=pb.PinModeAction(risk_mode=pb.RISK_MODE_AGGRESSIVE, allow_loosening=True),
        ),
    ],
    ids=["resume", "loosening pin"],
)
async def test_what_loosens_is_not_done_by_a_server_that_goes_on_behind_the_deadline(
    asked: pb.ActRequest, server: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(server.new_database(), tmp_path) as scene:
        operator = pb.OperatorServiceStub(scene.channel)
        await operator.Act(pb.ActRequest(reason="exchange incident", halt=pb.HaltAction()))
        server.freeze()
        with pytest.raises(grpc.aio.AioRpcError) as unanswered:
            await operator.Act(asked, timeout=1.0)
        server.thaw()
        await until(lambda: "An act that may loosen something was not done" in caplog.text)
        assert unanswered.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert (await scene.answer()).policy.trading_state == pb.TRADING_STATE_HALTED
        assert (await operator.ListOverrides(pb.ListOverridesRequest())).overrides == []


async def test_sessions_that_are_ended_again_and_again_cost_nothing(server: PostgresServer, tmp_path: Path) -> None:
    url = server.new_database()
    name = make_url(url).database
    assert name
    async with serving(url, tmp_path) as scene:
        for number in range(1, 6):
            server.end_sessions(name)
            assert await scene.record(number) == 1
            assert (await scene.policies.Evaluate(pb.EvaluateRequest())).head.version == 1


async def test_a_server_that_takes_no_writes_still_confirms_the_head(server: PostgresServer, tmp_path: Path) -> None:
    async with serving(server.new_database(), tmp_path) as scene:
        server.sql("ALTER SYSTEM SET default_transaction_read_only = on")
        server.restart()
        assert await scene.refusal_of(scene.record(1)) == "STORE_UNAVAILABLE"
        assert await scene.refusal_of(scene.policies.Evaluate(pb.EvaluateRequest())) == "STORE_UNAVAILABLE"
        await eventually(scene, younger_than(0.5))
        server.sql("ALTER SYSTEM RESET default_transaction_read_only")
        server.restart()
        assert await scene.record(1) == 1


async def test_what_one_authority_commits_reaches_the_watchers_of_another_without_waiting_for_the_second(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vitals, "CONFIRM_PERIOD_S", 3600.0)
    url = server.new_database()
    async with serving(url, tmp_path / "one") as one, serving(url, tmp_path / "other") as other:
        halt = pb.ActRequest(reason="a drill", halt=pb.HaltAction())
        resume = pb.ActRequest(reason="a drill", resume=pb.ResumeAction())
        for act, scene, watched in ((halt, one, other), (resume, other, one)):
            watch = watched.policies.WatchPolicy(pb.WatchPolicyRequest())
            messages = aiter(watch)
            first = await anext(messages)
            await pb.OperatorServiceStub(scene.channel).Act(act)
            async with asyncio.timeout(DEADLINE_S):
                while (await anext(messages)).head.version <= first.head.version:
                    pass
            watch.cancel()

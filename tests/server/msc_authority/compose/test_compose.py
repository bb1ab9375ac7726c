from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from msc_builders import a_content
from msc_live import DEADLINE_S, until
from msc_served import served

from msc_authority.adapters.clock import SystemClock
from msc_authority.compose.parts import Machine, Running, simulated_machine
from msc_authority.compose.running import serve
from msc_authority.settings import Settings
from msc_policy import v1 as pb


@asynccontextmanager
async def serving(
    home: Path, machine: Machine | None = None
) -> AsyncIterator[tuple[Running, pb.PolicyAuthorityAsyncStub]]:
    """The whole authority on a database in `home`."""
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    settings = Settings(home=home, grpc_port=0, http_port=0)
    task = asyncio.create_task(serve(settings, on_ready=ready.set_result, stop=stop, machine=machine))
    task.add_done_callback(lambda ended: ready.cancel() if ended.exception() else None)
    running = await ready
    async with grpc.aio.insecure_channel(running.address) as channel:
        yield running, pb.PolicyAuthorityStub(channel)
    stop.set()
    await asyncio.wait_for(task, DEADLINE_S)


async def first_policy(stub: pb.PolicyAuthorityAsyncStub) -> pb.Policy:
    async for message in stub.WatchPolicy(pb.WatchPolicyRequest()):
        if message.HasField("snapshot"):
            return message.snapshot.policy
    raise AssertionError("the watch ended without a policy")


async def test_an_empty_database_leads_to_a_defensive_policy_that_allows_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as (running, stub):
        assert running.head.ref.version == 0
        policy = await first_policy(stub)
        assert policy.risk_mode == pb.RISK_MODE_DEFENSIVE
        assert policy.evaluation_metrics.system_health == pb.SYSTEM_HEALTH_UNKNOWN
        assert not policy.allowed_strategies


async def test_in_simulated_time_a_policy_is_valid_for_two_periods_of_it_in_real_seconds(tmp_path: Path) -> None:
    start = SystemClock().now()
    machine = simulated_machine(origin=datetime(2026, 1, 1, tzinfo=UTC), started_at=start, speed=60.0)
    async with serving(tmp_path, machine) as (_, stub):
        policy = await first_policy(stub)
        answer = await stub.GetPolicy(pb.GetPolicyRequest())
    assert policy.created_at.ToDatetime().date() == datetime(2026, 1, 1, tzinfo=UTC).date()
    assert 0 < answer.freshness.ttl.ToTimedelta().total_seconds() <= 60


async def test_a_restart_serves_the_same_policy_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, stub):
        before = await first_policy(stub)
    async with serving(tmp_path) as (running, stub):
        assert running.head.ref.version == before.ref.version
        assert (await stub.GetPolicy(pb.GetPolicyRequest())).policy == before


async def test_two_authorities_on_one_database_follow_each_other(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, one), serving(tmp_path) as (_, other):
        assert (await first_policy(one)).ref == (await first_policy(other)).ref


async def test_scenarios_supplied_as_metrics_give_their_modes_and_write_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, stub):
        version = (await first_policy(stub)).ref.version
        supplied = pb.SuppliedMetrics(drawdown_pct=4.0, winrate_fraction=0.45)
        response = await stub.Evaluate(pb.EvaluateRequest(what_if=supplied))
        assert response.candidate.risk_mode == pb.RISK_MODE_DEFENSIVE
        assert response.candidate.max_risk_per_trade == 0.003
        assert response.head.version == version


async def test_a_task_that_fails_is_started_again_and_said_loudly(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as scene:
        await scene.publish()
        broken = scene.store.policies.head
        scene.store.policies.head = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]  # a bug
        await scene.time.advance(1)
        await until(lambda: "confirm task failed" in caplog.text)
        scene.store.policies.head = broken  # type: ignore[method-assign]  # the bug is gone
        await scene.publish(a_content(author="ada"))
        for _ in range(3):
            await scene.time.advance(1)
        async with asyncio.timeout(DEADLINE_S):
            while (await scene.stub.GetPolicy(pb.GetPolicyRequest())).freshness.replica_age.seconds:
                await scene.time.advance(0)


async def test_an_empty_list_is_said_again_at_start(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as scene:
        await scene.publish(a_content(grants=()))
        store = scene.store
    caplog.clear()
    async with served(store=store):
        await until(lambda: "[NO_STRATEGY_ALLOWED]" in caplog.text)

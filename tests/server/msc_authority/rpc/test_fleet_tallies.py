"""What the services tell the fleet: reads of the policy, and why watches end. Over a real server, beside the fleet."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import grpc
import pytest
from msc_builders import a_content, a_reason
from msc_doors import Door
from msc_live import DEADLINE_S, EPOCH, ManualTime, Told, a_broker, a_fleet, a_head, lowest, until

from msc_authority.adapters.memory import MemoryStore
from msc_authority.app.admission import AccessRules
from msc_authority.app.broker import Broker
from msc_authority.app.clients import ClientTier
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.events import PolicyApplied
from msc_authority.app.fleet import Fleet
from msc_authority.app.observation import ReadTally
from msc_authority.app.scheduler import Scheduler
from msc_authority.app.work import Worker
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.policy import PolicyRef
from msc_authority.rpc.frames import Frames
from msc_authority.rpc.health import Health
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_authority.rpc.policy_service import PolicyService, policy_handlers
from msc_authority.rpc.serving import PolicyServer
from msc_authority.rpc.watch_service import WatchMaker, WatchService
from msc_policy import v1 as pb

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Context

    Call = grpc.aio.UnaryStreamCall[pb.WatchPolicyRequest, pb.WatchPolicyResponse]

DRAIN_S = 0.2
CLIENT = pb.ClientInfo(instance_id="one", name="executor-1", role=pb.CLIENT_ROLE_EXECUTOR)


class NoEvaluator:
    """Is never asked: heads are published by hand."""

    def evaluate(
        self, *, trigger: str, request_id: str = "", requested_by: str = "", reason: str = ""
    ) -> EvaluationOutcome:
        raise AssertionError("nobody evaluates here")

    def preview(self, *, requested_by: str = "", reason: str = "") -> EvaluationOutcome:
        raise AssertionError("nobody evaluates here")

    def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        raise AssertionError("nobody evaluates here")


async def read(call: Call) -> pb.WatchPolicyResponse:
    message = await asyncio.wait_for(call.read(), DEADLINE_S)
    assert isinstance(message, pb.WatchPolicyResponse)
    return message


class Gone:
    """What gRPC hands a handler whose caller has gone."""

    async def write(self, frame: bytes) -> None:
        raise grpc.aio.InternalError("nobody is there")


@dataclass
class Scene:
    """A server that nothing but the test moves, and the fleet behind it."""

    time: ManualTime
    told: Told
    broker: Broker
    fleet: Fleet
    server: PolicyServer
    stub: pb.PolicyAuthorityAsyncStub
    watches: WatchService

    def publish(self, version: int, text: str = "because") -> None:
        content = a_content(author=f"author-{version}", reasons=(a_reason(text=text),))
        self.broker.publish(a_head(version, content=content), confirmed_at=self.time.monotonic())

    async def refused(self, request: pb.GetPolicyRequest) -> None:
        with pytest.raises(grpc.aio.AioRpcError):
            await self.stub.GetPolicy(request)

    def reads(self) -> ReadTally:
        return self.fleet.reads(self.time.monotonic())


@asynccontextmanager
async def serving(*, version: int = 1) -> AsyncIterator[Scene]:
    time, told, worker, served = ManualTime(), Told(), Worker(threads=1, name="test"), ServedPolicy()
    broker, fleet = a_broker(time, a_head(version), told), a_fleet(time, told, version=version)
    store = MemoryStore(time)
    scheduler = Scheduler(
        evaluator=NoEvaluator(),
        broker=broker,
        events=told.bus,
        clock=time,
        timer=time,
        worker=worker,
        previews=worker,
        period_s=1800.0,
    )
    service = PolicyService(
        broker=broker,
        scheduler=scheduler,
        fleet=fleet,
        policies=store.policies,
        log=store.log,
        served=served,
        worker=worker,
        clock=time,
    )
    door = Door(time, AccessRules())
    maker = WatchMaker(
        broker=broker,
        frames=Frames(broker, time, served),
        clock=time,
        uniform=lowest,
        new_id=lambda: "stream",
        server_id="server",
    )
    watches = WatchService(maker=maker, fleet=fleet, clock=time, heartbeat_s=5.0)
    server = PolicyServer(
        handlers=[policy_handlers(service, watches.watch_policy)],
        health=Health(),
        broker=broker,
        admission=door.admission,
        tls=None,
        clock=time,
        new_id=lambda: "call",
    )
    port = await server.start("127.0.0.1", 0)
    options = [("grpc.http2.bdp_probe", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield Scene(time, told, broker, fleet, server, pb.PolicyAuthorityStub(channel), watches)
        await server.stop(DRAIN_S)
    worker.close()
    door.close()


async def test_calls_for_the_policy_in_force_are_counted_with_those_that_failed() -> None:
    async with serving(version=0) as scene:
        await scene.refused(pb.GetPolicyRequest())
        scene.publish(1)
        for _ in range(3):
            await scene.stub.GetPolicy(pb.GetPolicyRequest())
        await scene.refused(pb.GetPolicyRequest(min_ref=pb.PolicyRef(epoch=EPOCH, version=2)))
        assert scene.reads() == ReadTally(reads=5, failed=2)


async def test_a_look_at_a_revision_of_the_past_is_no_read_of_the_policy() -> None:
    async with serving() as scene:
        await scene.stub.GetPolicy(pb.GetPolicyRequest(version=1))
        await scene.refused(pb.GetPolicyRequest(version=99))
        assert scene.reads() == ReadTally()


async def test_reads_that_a_client_reports_count_from_its_first_report() -> None:
    async with serving() as scene:
        for reads, fallback_reads in ((500, 100), (600, 120)):
            counters = pb.ClientCounters(reads=reads, fallback_reads=fallback_reads)
            status = pb.ClientStatus(tier=pb.CLIENT_TIER_FRESH, counters=counters)
            await scene.stub.ReportClientStatus(pb.ReportClientStatusRequest(client=CLIENT, status=status))
        assert scene.reads() == ReadTally(reads=100, failed=20)


async def test_a_client_that_watches_and_reports_tells_how_long_a_policy_took_to_it() -> None:
    async with serving() as scene:
        call = scene.stub.WatchPolicy(pb.WatchPolicyRequest(client=CLIENT))
        await read(call)
        scene.time.leap(10)
        scene.publish(2)
        scene.time.leap(3)
        status = pb.ClientStatus(tier=pb.CLIENT_TIER_FRESH, applied=pb.PolicyRef(epoch=EPOCH, version=2))
        status.applied_for.FromMilliseconds(2_750)
        await scene.stub.ReportClientStatus(pb.ReportClientStatusRequest(client=CLIENT, status=status))
        [applied] = [event for event in scene.told.events if isinstance(event, PolicyApplied)]
        assert applied.propagation_s == pytest.approx(0.25)
        assert applied.entry.status.tier is ClientTier.FRESH
        assert applied.entry.status.applied == PolicyRef(EPOCH, 2)
        call.cancel()


async def test_a_watch_that_its_caller_ends_is_counted_as_such() -> None:
    async with serving() as scene:
        call = scene.stub.WatchPolicy(pb.WatchPolicyRequest())
        await read(call)
        call.cancel()
        await until(lambda: scene.fleet.watch_ends == {"caller": 1})


async def test_a_watch_whose_caller_is_found_gone_by_a_write_is_counted_as_such() -> None:
    async with serving() as scene:
        with pytest.raises(grpc.aio.InternalError):
            await scene.watches.watch_policy(pb.WatchPolicyRequest(), cast("Context", Gone()))
        assert scene.fleet.watch_ends == {"caller": 1}


async def test_a_watch_that_grew_old_and_one_that_is_refused_are_counted_as_such() -> None:
    async with serving() as scene:
        call = scene.stub.WatchPolicy(pb.WatchPolicyRequest())
        await read(call)
        scene.time.leap(1201)
        await scene.time.advance(1)
        assert (await read(call)).goodbye.reason == pb.GOODBYE_REASON_MAX_AGE
        await until(lambda: scene.fleet.watch_ends == {"max_age": 1})
        ahead = pb.WatchPolicyRequest(known=pb.PolicyRef(epoch=EPOCH, version=5))
        with pytest.raises(grpc.aio.AioRpcError):
            await scene.stub.WatchPolicy(ahead).read()
        await until(lambda: scene.fleet.watch_ends == {"max_age": 1, "refused": 1})


async def test_a_stop_of_the_authority_is_counted_for_each_watch() -> None:
    async with serving() as scene:
        calls = [scene.stub.WatchPolicy(pb.WatchPolicyRequest()) for _ in range(3)]
        for call in calls:
            await read(call)
        stopping = asyncio.create_task(scene.server.stop(DRAIN_S))
        for call in calls:
            assert (await read(call)).goodbye.reason == pb.GOODBYE_REASON_DRAINING
        await stopping
        assert scene.fleet.watch_ends == {"draining": 3}


async def test_a_watch_that_nobody_reads_is_counted_as_a_slow_consumer() -> None:
    async with serving() as scene:
        call = scene.stub.WatchPolicy(pb.WatchPolicyRequest())
        await read(call)
        versions = itertools.count(2)

        def ended() -> bool:
            # Some 2 KiB a message, so that the flow-control window of 64 KiB is soon full.
            scene.publish(next(versions), "x" * 2000)
            scene.time.leap(1)
            scene.broker.end_slow(10.0)
            return scene.fleet.watch_ends == {"slow_consumer": 1}

        await until(ended)

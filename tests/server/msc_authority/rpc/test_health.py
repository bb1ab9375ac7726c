from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import grpc
import pytest
from grpc_health.v1 import health_pb2
from msc_live import settle
from msc_served import served

from msc_authority.app.vitals import VitalSigns
from msc_authority.rpc.health import FRESH, OVERALL, UP_SERVICES, Health

SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
NOT_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
ALL = (OVERALL, FRESH, *UP_SERVICES)


@dataclass
class FakeContext:
    """Keeps what is written. A reader that does not read is one whose gate is closed."""

    written: list[health_pb2.HealthCheckResponse] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, message: health_pb2.HealthCheckResponse) -> None:
        await self.gate.wait()
        self.written.append(message)


def a_watch(health: Health, service: str = FRESH, *, reads: bool = True) -> tuple[FakeContext, asyncio.Task[None]]:
    context = FakeContext()
    if reads:
        context.gate.set()
    request = health_pb2.HealthCheckRequest(service=service)
    return context, asyncio.create_task(health.watch(request, context))  # type: ignore[arg-type]  # what it uses of it


async def check(channel: grpc.aio.Channel, service: str) -> health_pb2.HealthCheckResponse:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, health_pb2.HealthCheckResponse] = channel.unary_unary(
        "/grpc.health.v1.Health/Check", response_deserializer=health_pb2.HealthCheckResponse.FromString
    )
    return await call(health_pb2.HealthCheckRequest(service=service).SerializeToString())


def watched(channel: grpc.aio.Channel, service: str) -> grpc.aio.UnaryStreamCall[bytes, health_pb2.HealthCheckResponse]:
    call: grpc.aio.UnaryStreamMultiCallable[bytes, health_pb2.HealthCheckResponse] = channel.unary_stream(
        "/grpc.health.v1.Health/Watch", response_deserializer=health_pb2.HealthCheckResponse.FromString
    )
    return call(health_pb2.HealthCheckRequest(service=service).SerializeToString())


async def test_everything_is_served_while_the_head_is_confirmed() -> None:
    async with served() as scene:
        assert [await check(scene.channel, name) for name in ALL] == [SERVING] * len(ALL)


async def test_nothing_is_served_before_the_first_signs() -> None:
    health = Health()
    context, task = a_watch(health)
    await settle()
    task.cancel()
    assert context.written == [NOT_SERVING]


async def test_fresh_and_overall_follow_the_head_the_services_follow_the_process() -> None:
    health = Health()
    watches = [a_watch(health, name) for name in ALL]
    for signs in (
        VitalSigns(fresh=True, up=True),
        VitalSigns(fresh=False, up=True),
        VitalSigns(fresh=True, up=True),
        VitalSigns(fresh=False, up=False),
    ):
        await settle()
        health.show(signs)
    await settle()
    for _, task in watches:
        task.cancel()
    aged = [NOT_SERVING, SERVING, NOT_SERVING, SERVING, NOT_SERVING]
    up = [NOT_SERVING, SERVING, NOT_SERVING]
    assert [context.written for context, _ in watches] == [aged, aged, up, up, up]


async def test_a_watcher_that_leaves_does_not_cut_off_the_others() -> None:
    health = Health()
    leaving, staying = a_watch(health), a_watch(health)
    await settle()
    leaving[1].cancel()
    await settle()
    health.show(VitalSigns(fresh=True, up=True))
    await settle()
    staying[1].cancel()
    assert staying[0].written == [NOT_SERVING, SERVING]


async def test_a_watcher_that_does_not_read_holds_nobody_up_and_gets_the_latest() -> None:
    health = Health()
    stuck, reader = a_watch(health, reads=False), a_watch(health)
    await settle()
    health.show(VitalSigns(fresh=True, up=True))
    await settle()
    assert reader[0].written == [NOT_SERVING, SERVING]
    stuck[0].gate.set()
    await settle()
    assert stuck[0].written == [NOT_SERVING, SERVING]
    for _, task in (stuck, reader):
        task.cancel()


async def test_an_unknown_service_is_not_found_by_check_and_unknown_to_watch() -> None:
    async with served() as scene:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(scene.channel, "other")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        call = watched(scene.channel, "other")
        assert await call.read() == SERVICE_UNKNOWN
        call.cancel()


async def test_a_stop_is_shown_to_health_watchers_before_the_port_closes() -> None:
    async with served() as scene:
        channel = grpc.aio.insecure_channel(scene.authority.address)
        call = watched(channel, UP_SERVICES[0])
        assert await call.read() == SERVING
        last = asyncio.ensure_future(call.read())
    assert await last == NOT_SERVING
    await channel.close()

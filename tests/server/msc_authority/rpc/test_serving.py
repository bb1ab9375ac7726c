from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2
from msc_served import served

from msc_authority.rpc.interceptors import Layers
from msc_authority.rpc.options import SERVER_OPTIONS
from msc_authority.rpc.serving import CannotListen, PortInUse, calls_outlived
from msc_policy import v1 as pb
from msc_policy.v1 import journal_service_pb2, operator_service_pb2, policy_authority_pb2

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def test_the_options_are_exactly_those_that_were_tried() -> None:
    assert dict(SERVER_OPTIONS) == {
        "grpc.so_reuseport": 0,
        "grpc.server.max_pending_requests": 100_000,
        "grpc.server.max_pending_requests_hard_limit": 200_000,
        "grpc.keepalive_time_ms": 30_000,
        "grpc.keepalive_timeout_ms": 10_000,
        "grpc.http2.ping_timeout_ms": 10_000,
        "grpc.http2.max_pings_without_data": 0,
        "grpc.http2.min_ping_interval_without_data_ms": 10_000,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.max_connection_age_ms": 2_100_000,
        "grpc.max_connection_age_grace_ms": 30_000,
        "grpc.max_receive_message_length": 1_048_576,
        "grpc.server_handshake_timeout_ms": 10_000,
    }


async def test_a_second_server_on_the_port_fails_and_names_it() -> None:
    async with served() as scene:
        port = scene.authority.port
        with pytest.raises(PortInUse, match=f"port {port}"):
            async with served(port=port):
                pass
        assert (await scene.stub.ListClients(pb.ListClientsRequest())).head.version == 0


async def test_an_address_of_another_machine_is_not_taken_for_a_port_in_use() -> None:
    with pytest.raises(CannotListen, match="--grpc-host") as caught:
        async with served(host="192.0.2.1"):
            pass
    assert not isinstance(caught.value, PortInUse)


def test_calls_that_were_cut_off_end_before_their_loop_does(capfd: pytest.CaptureFixture[str]) -> None:
    ended: list[str] = []

    async def stopped_amid_a_call() -> None:
        begun = asyncio.Event()

        async def takes_its_leave(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            begun.set()
            try:
                await asyncio.Event().wait()
                return b""
            finally:
                for _ in range(20):
                    await asyncio.sleep(0)
                ended.append("its own way")

        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(takes_its_leave)
        async with calls_outlived(10.0):
            server = grpc.aio.server()
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a", {"call": handler}),))
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/a/call")
                call = method(b"")
                await begun.wait()
                await server.stop(0)
                with pytest.raises(grpc.aio.AioRpcError):
                    await call

    asyncio.run(stopped_amid_a_call())

    assert ended == ["its own way"]
    assert "Traceback" not in capfd.readouterr().err


async def test_reflection_shows_the_services_and_their_files() -> None:
    async with served() as scene:
        reflect: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = scene.channel.stream_stream(REFLECTION)
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="msc_policy.v1.PolicyAuthority.WatchPolicy"),
        ]
        call = reflect(iter([request.SerializeToString() for request in requests]))
        listed, described = [reflection_pb2.ServerReflectionResponse.FromString(raw) async for raw in call]
        assert {service.name for service in listed.list_services_response.service} == {
            "msc_policy.v1.PolicyAuthority",
            "msc_policy.v1.JournalService",
            "msc_policy.v1.OperatorService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        assert described.file_descriptor_response.file_descriptor_proto


async def test_after_a_stop_the_port_answers_no_more() -> None:
    async with served() as scene:
        address = scene.authority.address
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pb.PolicyAuthorityStub(channel).GetPolicy(pb.GetPolicyRequest())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_every_method_of_the_contract_is_served() -> None:
    services = [*policy_authority_pb2.DESCRIPTOR.services_by_name.values()]
    services += journal_service_pb2.DESCRIPTOR.services_by_name.values()
    services += operator_service_pb2.DESCRIPTOR.services_by_name.values()
    async with served() as scene:
        for service in services:
            for method in service.methods:
                assert await is_served(scene.channel, f"/{service.full_name}/{method.name}"), method.full_name
        assert not await is_served(scene.channel, "/msc_policy.v1.PolicyAuthority/Other")


async def is_served(channel: grpc.aio.Channel, path: str) -> bool:
    calls: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(path)
    call = calls(iter([b""]))
    try:
        await call.read()
    except grpc.aio.AioRpcError as error:
        return error.code() is not grpc.StatusCode.UNIMPLEMENTED
    call.cancel()
    return True


async def test_the_server_is_given_nothing_but_what_is_behind_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    kind = type(grpc.aio.server())
    add = kind.add_generic_rpc_handlers

    def add_generic(server: grpc.aio.Server, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        given.extend(handlers)
        add(server, handlers)

    monkeypatch.setattr(kind, "add_generic_rpc_handlers", add_generic)
    # A handler that is registered for one method goes before all others.
    monkeypatch.setattr(kind, "add_registered_method_handlers", lambda _, *names: given.extend(names))

    async with served() as scene:
        assert [type(handlers) for handlers in given] == [Layers]
        assert await is_served(scene.channel, "/msc_policy.v1.PolicyAuthority/GetPolicy")

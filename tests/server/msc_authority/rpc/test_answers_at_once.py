"""A call that is answered without waiting goes through the same door, and ends in the same ways, as any other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from msc_doors import Door, a_door
from msc_live import ManualTime
from msc_served import reason_of, served

from msc_authority.app.access import Role, actor
from msc_authority.app.admission import AccessRules
from msc_authority.app.observation import ReadTally
from msc_authority.rpc.interceptors import AnswerErrors, Layers, LogCalls
from msc_authority.rpc.security.interceptor import CheckAccess
from msc_policy import v1 as pb

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Handler

SERVICE, METHOD = "msc_policy.v1.PolicyAuthority", "GetPolicy"
AT_ONCE, LATER, BROKEN = b"", b"later", b"broken"
LETS_IN = AccessRules(local=Role.READER)
Headers = tuple[tuple[str, str], ...]
Call = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


def answered(request: bytes, context: object) -> bytes | Awaitable[bytes]:
    """Answers at once, or when awaited with the name of who asks."""
    if request == BROKEN:
        raise RuntimeError("a bug")
    return later() if request == LATER else b"at once"


async def later() -> bytes:
    return actor().encode()


@asynccontextmanager
async def behind(door: Door) -> AsyncIterator[Call]:
    """A server whose one method is behind that door."""
    handler: Handler = grpc.unary_unary_rpc_method_handler(answered)
    layers = (AnswerErrors(lambda: "id-1"), LogCalls(door.clock), CheckAccess(door.admission, over_tls=False))
    server = grpc.aio.server()
    around = (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
    server.add_generic_rpc_handlers((Layers(*layers, around=around),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel.unary_unary(f"/{SERVICE}/{METHOD}")
    finally:
        await server.stop(None)


async def refused(call: Call, request: bytes, metadata: Headers = ()) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(request, metadata=metadata)
    return caught.value.code(), reason_of(caught.value)


def bearer(text: str) -> Headers:
    return (("authorization", f"Bearer {text}"),)


@pytest.mark.parametrize("request_", [AT_ONCE, LATER])
async def test_nobody_gets_an_answer_who_is_not_let_in(request_: bytes) -> None:
    with a_door(ManualTime()) as door:
        text = door.give(Role.JOURNAL).text
        async with behind(door) as call:
            for metadata, reason in (
                ((), "TOKEN_MISSING"),
                ((("x-forwarded-for", "192.0.2.1"),), "TOKEN_MISSING"),
                (bearer("nonsense"), "TOKEN_INVALID"),
                ((*bearer(text), *bearer(text)), "TOKEN_INVALID"),
            ):
                assert await refused(call, request_, metadata) == (grpc.StatusCode.UNAUTHENTICATED, reason)
            assert await call(request_, metadata=bearer(text))

    assert door.admission.refused == {"TOKEN_MISSING": 2, "TOKEN_INVALID": 2}


async def test_somebody_behind_a_proxy_is_not_of_this_machine() -> None:
    with a_door(ManualTime(), rules=LETS_IN) as door:
        async with behind(door) as call:
            assert await call(AT_ONCE) == b"at once"
            forwarded = await refused(call, AT_ONCE, (("via", "1.1 proxy"),))

    assert forwarded == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")


@pytest.mark.parametrize("with_token", [False, True])
@pytest.mark.parametrize("request_", [AT_ONCE, LATER])
async def test_each_answer_takes_one_request_of_its_caller(with_token: bool, request_: bytes) -> None:
    time = ManualTime()
    with a_door(time, rules=LETS_IN, per_s=1.0) as door:
        metadata = bearer(door.give(Role.READER).text) if with_token else ()
        async with behind(door) as call:
            for _ in range(10):
                await call(request_, metadata=metadata)
            too_many = await refused(call, request_, metadata)
            time.leap(1.0)
            await call(request_, metadata=metadata)

    assert too_many == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert door.admission.refused == {"RATE_LIMITED": 1}


async def test_what_is_waited_for_is_done_as_whom_the_door_knows() -> None:
    with a_door(ManualTime(), rules=LETS_IN) as door:
        async with behind(door) as call:
            by_nobody = await call(LATER)
            by_token = await call(LATER, metadata=bearer(door.give(Role.READER, name="anna").text))

    assert (by_nobody, by_token) == (b"anonymous@127.0.0.1", b"anna")


@pytest.mark.parametrize(("request_", "end"), [(AT_ONCE, "OK"), (LATER, "OK"), (BROKEN, "RuntimeError")])
async def test_each_call_is_logged_at_debug_with_how_it_ended(
    request_: bytes, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="msc_authority.rpc.interceptors")
    with a_door(ManualTime(), rules=LETS_IN) as door:
        async with behind(door) as call:
            if end == "OK":
                await call(request_)
            else:
                await refused(call, request_)

    [line] = [text for text in caplog.messages if f"/{METHOD} from ipv4:127.0.0.1" in text]
    assert f": {end} in 0.000 s" in line


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
async def test_a_bug_before_there_is_anything_to_wait_for_goes_out_opaque(
    level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(level, logger="msc_authority.rpc.interceptors")
    with a_door(ManualTime(), rules=LETS_IN) as door:
        async with behind(door) as call:
            assert await refused(call, BROKEN) == (grpc.StatusCode.INTERNAL, "INTERNAL")

    assert f"Internal error id-1 in /{SERVICE}/{METHOD}" in caplog.messages


async def test_a_policy_that_is_given_at_once_counts_as_read() -> None:
    async with served() as scene:
        await scene.publish()
        for _ in range(3):
            await scene.stub.GetPolicy(pb.GetPolicyRequest())
        await scene.time.advance(20)
        reads = scene.authority.insight.observation.reads

    assert reads == ReadTally(reads=3, failed=0)

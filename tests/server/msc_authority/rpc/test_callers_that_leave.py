"""Callers that go away while they are answered, refused or written to: nobody is to blame, so nothing is logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest

from msc_authority.rpc.errors import FieldProblem, InvalidRequest, Refusal
from msc_authority.rpc.interceptors import AnswerErrors, Layers, abort

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Context, Handler

    Behaviour = Callable[[bytes, Context], Awaitable[bytes]]

SERVICE, METHOD, WATCH = "msc_policy.v1.PolicyAuthority", "ReportClientStatus", "WatchPolicy"
REFUSAL = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="RATE_LIMITED", message="too often")
WITHIN_S = 10.0


class Door:
    """A layer that refuses or lets through only when the caller has gone away and the authority has noticed."""

    def __init__(self, then: Behaviour) -> None:
        self.reached, self.ended = asyncio.Event(), asyncio.Event()
        self._then = then

    def wrapped(self, method: str, handler: Handler) -> Handler:
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(self.behind_it)
        return grpc.unary_unary_rpc_method_handler(self.behind_it)

    async def behind_it(self, request: bytes, context: Context) -> bytes:
        context.add_done_callback(lambda _: self.ended.set())  # type: ignore[arg-type]  # it is called with the context
        try:
            self.reached.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # gRPC tells by cancelling; where it comes too late for that, what follows is the same.
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        return await self._then(request, context)


@asynccontextmanager
async def served(door: Door) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    handlers: dict[str, Handler] = {
        METHOD: grpc.unary_unary_rpc_method_handler(lambda request, context: b""),
        WATCH: grpc.unary_stream_rpc_method_handler(lambda request, context: iter(())),
    }
    around = (grpc.method_handlers_generic_handler(SERVICE, handlers),)
    server.add_generic_rpc_handlers((Layers(AnswerErrors(lambda: "id-1"), door, around=around),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def left_while(then: Behaviour, *, watching: bool = False) -> None:
    door = Door(then)
    async with served(door) as channel, asyncio.timeout(WITHIN_S):
        if watching:
            watch: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(f"/{SERVICE}/{WATCH}")
            stream = watch(b"")
            await door.reached.wait()
            stream.cancel()
        else:
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/{METHOD}")
            call = unary(b"")
            await door.reached.wait()
            call.cancel()
        await door.ended.wait()


async def refuse(request: bytes, context: Context) -> bytes:
    await abort(context, REFUSAL)


async def complain(request: bytes, context: Context) -> bytes:
    raise InvalidRequest(FieldProblem(field="client", problem="is missing"))


async def answer(request: bytes, context: Context) -> bytes:
    return b"answer"


async def write(request: bytes, context: Context) -> bytes:
    await context.write(b"frame")
    return b""


async def fail(request: bytes, context: Context) -> bytes:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("then", [refuse, complain, answer])
def test_a_call_whose_caller_has_gone_ends_in_silence(then: Behaviour, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(left_while(then))

    assert said(caplog) == []


@pytest.mark.parametrize("then", [refuse, complain, write])
def test_a_watch_whose_caller_has_gone_ends_in_silence(then: Behaviour, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(left_while(then, watching=True))

    assert said(caplog) == []


def test_a_bug_is_logged_once_also_when_nobody_is_left_to_be_told(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(left_while(fail))

    assert said(caplog) == [f"Internal error id-1 in /{SERVICE}/{METHOD}"]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

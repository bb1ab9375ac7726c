"""From a method and its request's type to a handler that gRPC can call."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from msc_authority.rpc.errors import FieldProblem, InvalidRequest

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[bytes, bytes]
    Handler = grpc.RpcMethodHandler[bytes, bytes]
_Request = TypeVar("_Request", bound=Message)


def unary(
    kind: type[_Request],
    method: Callable[[_Request, Context], Awaitable[Message]],
    *,
    empty: Callable[[], bytes | None] = lambda: None,
) -> Handler:
    """Handler of a method with one request and one response.

    `empty` returns the serialized response to a request without any field; None: `method` is to answer.
    """

    # No coroutine: what is ready needs none, and it is the layers around this that gRPC awaits.
    def call(raw: bytes, context: Context) -> bytes | Awaitable[bytes]:
        if not raw and (ready := empty()) is not None:
            return ready
        return answered(raw, context)

    async def answered(raw: bytes, context: Context) -> bytes:
        return (await method(_parsed(kind, raw), context)).SerializeToString()

    return grpc.unary_unary_rpc_method_handler(call)


def server_stream(kind: type[_Request], method: Callable[[_Request, Context], Awaitable[None]]) -> Handler:
    """Handler of a method that writes serialized responses itself."""

    # No coroutine of its own: a stream would keep it, and the request with it, as long as it lasts.
    def call(raw: bytes, context: Context) -> Awaitable[None]:
        return method(_parsed(kind, raw), context)

    return grpc.unary_stream_rpc_method_handler(call)


def client_stream(kind: type[_Request], method: Callable[[AsyncIterator[_Request]], Awaitable[Message]]) -> Handler:
    """Handler of a method with a stream of requests and one response."""

    async def call(raws: AsyncIterable[bytes], context: Context) -> bytes:
        return (await method(_parsed(kind, raw) async for raw in raws)).SerializeToString()

    return grpc.stream_unary_rpc_method_handler(call)


def _parsed(kind: type[_Request], raw: bytes) -> _Request:
    # Here and not in gRPC's deserializer, whose failures never reach our table of errors.
    request = kind()
    try:
        request.ParseFromString(raw)
    except DecodeError as error:
        name = request.DESCRIPTOR.name
        raise InvalidRequest(FieldProblem(field="request", problem=f"cannot be read as {name}")) from error
    return request

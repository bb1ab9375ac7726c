"""Before every call: who makes it, and whether it may."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import grpc

from msc_authority.app.access import AccessRefused, acting_as, need_of_rpc
from msc_authority.app.admission import Admission
from msc_authority.app.permits import Permit
from msc_authority.app.rates import RateLimited, StreamLimitReached
from msc_authority.ports import StoreError
from msc_authority.rpc.errors import Refusal, refusal_of
from msc_authority.rpc.interceptors import abort
from msc_authority.rpc.security.presented import presented_by

if TYPE_CHECKING:
    from msc_authority.app.access import Identity
    from msc_authority.rpc.calls import Context

    Coroutine = Callable[[object, Context], Awaitable[object]]
    Generator = Callable[[object, Context], AsyncIterator[object]]

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class _Made(Protocol):
    def __call__(self, behaviour: object, request_deserializer: object, response_serializer: object) -> object: ...


_KINDS = cast(
    "Mapping[str, _Made]",
    {
        "unary_unary": grpc.unary_unary_rpc_method_handler,
        "unary_stream": grpc.unary_stream_rpc_method_handler,
        "stream_unary": grpc.stream_unary_rpc_method_handler,
        "stream_stream": grpc.stream_stream_rpc_method_handler,
    },
)


class CheckAccess(grpc.aio.ServerInterceptor):
    """Lets a call through to its handler if the table allows it: those of health and reflection, too."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[_Request, _Response] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[_Request, _Response] | None:
        """Returns the handler behind the door; None: there is none of that name."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        kind = next(kind for kind in _KINDS if getattr(handler, kind) is not None)
        lasts = handler.request_streaming or handler.response_streaming
        behaviour = getattr(handler, kind)
        guard = self._around_generator if inspect.isasyncgenfunction(behaviour) else self._around
        guarded = guard(handler_call_details.method, behaviour, lasts)
        # Health and reflection bring serializers of their own.
        made = _KINDS[kind](guarded, handler.request_deserializer, handler.response_serializer)
        return cast("grpc.RpcMethodHandler[_Request, _Response]", made)

    def _around(self, method: str, behaviour: Coroutine, lasts: bool) -> Coroutine:
        async def guarded(request: object, context: Context) -> object:
            with ExitStack() as stack:
                identity, permit = await self._admitted(method, context, stack, lasts)
                stack.enter_context(acting_as(identity))
                if permit is not None:
                    stack.enter_context(permit.serving())
                return await behaviour(request, context)

        return guarded

    def _around_generator(self, method: str, behaviour: Generator, lasts: bool) -> Generator:
        async def guarded(request: object, context: Context) -> AsyncIterator[object]:
            with ExitStack() as stack:
                await self._admitted(method, context, stack, lasts)
                async for response in behaviour(request, context):
                    yield response

        return guarded

    async def _admitted(
        self, method: str, context: Context, stack: ExitStack, lasts: bool
    ) -> tuple[Identity, Permit | None]:
        task = asyncio.current_task()
        try:
            identity = await self._admission.admit(presented_by(context), need_of_rpc(method), method)
            permit = None
            if lasts and task is not None:
                permit = stack.enter_context(self._admission.stream(identity, task.cancel))
        except (AccessRefused, RateLimited, StreamLimitReached, StoreError) as error:
            await abort(context, _refusal(error))
        return identity, permit


def _refusal(error: Exception) -> Refusal:
    refusal = refusal_of(error)
    if refusal is None:
        raise error
    return refusal

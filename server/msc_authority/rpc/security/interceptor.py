"""Before every call: who makes it, and whether it may."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, cast

import grpc

from msc_authority.app.access import AccessRefused, acting_as, need_of_rpc
from msc_authority.app.admission import Admission
from msc_authority.app.permits import Permit
from msc_authority.app.rates import RateLimited, StreamLimitReached
from msc_authority.ports.store import StoreError
from msc_authority.rpc.errors import Refusal, refusal_of
from msc_authority.rpc.interceptors import abort
from msc_authority.rpc.security.presented import presented_by

if TYPE_CHECKING:
    from msc_authority.app.access import Identity, Need
    from msc_authority.app.admission import Presented
    from msc_authority.rpc.calls import Context, Handler

    Coroutine = Callable[[object, Context], Awaitable[object]]
    Behaviour = Callable[[object, Context], bytes | Awaitable[object]]
    Generator = Callable[[object, Context], AsyncIterator[object]]


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


_REFUSALS = (AccessRefused, RateLimited, StoreError)


class CheckAccess:
    """Lets a call through to its handler if the table allows it: those of health and reflection, too."""

    def __init__(self, admission: Admission, *, over_tls: bool = True) -> None:
        """`over_tls` False: no call can show a certificate."""
        self._admission, self._over_tls = admission, over_tls

    def wrapped(self, method: str, handler: Handler) -> Handler:
        """Returns the handler behind the door."""
        kind = next(kind for kind in _KINDS if getattr(handler, kind) is not None)
        behaviour = getattr(handler, kind)
        # Health and reflection bring serializers of their own.
        made = _KINDS[kind](
            self._around(method, handler, behaviour), handler.request_deserializer, handler.response_serializer
        )
        return cast("Handler", made)

    def _around(self, method: str, handler: Handler, behaviour: Behaviour | Generator) -> Behaviour | Generator:
        if inspect.isasyncgenfunction(behaviour):
            return self._around_generator(method, handler, cast("Generator", behaviour))
        if handler.request_streaming or handler.response_streaming:
            return self._around_stream(method, handler, cast("Coroutine", behaviour))
        return self._around_answer(method, cast("Behaviour", behaviour))

    def _around_answer(self, method: str, behaviour: Behaviour) -> Behaviour:
        need, over_tls, at_once = need_of_rpc(method), self._over_tls, self._admission.admit_at_once

        # No coroutine until something has to be waited for: this is asked most.
        def guarded(request: object, context: Context) -> bytes | Awaitable[object]:
            shown = presented_by(context, over_tls=over_tls)
            try:
                identity = at_once(shown, need, method)
            except _REFUSALS as error:
                return abort(context, _refusal(error))
            if identity is None:
                return waited(shown, request, context)
            # What is there at once is given, and nobody acts; all else is done when it is awaited.
            answer = behaviour(request, context)
            return answer if isinstance(answer, bytes) else _as(identity, answer)

        async def waited(shown: Presented, request: object, context: Context) -> object:
            identity = await self._let_in(shown, need, method, context)
            with acting_as(identity):
                answer = behaviour(request, context)
                return answer if isinstance(answer, bytes) else await answer

        async def awaited(request: object, context: Context) -> object:
            return await cast("Awaitable[object]", guarded(request, context))

        # gRPC awaits none but a coroutine function; where there is another layer around this one, it is that.
        return awaited if inspect.iscoroutinefunction(behaviour) else guarded

    def _around_stream(self, method: str, handler: Handler, behaviour: Coroutine) -> Coroutine:
        counted = self._counted_by(method, handler)

        async def guarded(request: object, context: Context) -> object:
            identity = await self._admitted(method, context)
            try:
                with self._permitted(identity) as permit, acting_as(identity), permit.serving():
                    try:
                        return await behaviour(counted(request, identity, context), context)
                    except asyncio.CancelledError:
                        await _tell(permit, context)
                        raise
            except StreamLimitReached as error:
                await abort(context, _refusal(error))

        return guarded

    def _around_generator(self, method: str, handler: Handler, behaviour: Generator) -> Generator:
        counted = self._counted_by(method, handler)

        async def guarded(request: object, context: Context) -> AsyncIterator[object]:
            identity = await self._admitted(method, context)
            try:
                with self._permitted(identity) as permit:
                    try:
                        async for response in behaviour(counted(request, identity, context), context):
                            yield response
                    except asyncio.CancelledError:
                        await _tell(permit, context)
                        raise
            except StreamLimitReached as error:
                await abort(context, _refusal(error))

        return guarded

    def _counted_by(self, method: str, handler: Handler) -> Callable[[object, Identity, Context], object]:
        if not handler.request_streaming:
            return lambda request, _identity, _context: request

        # Each message counts as a request does: else one stream would do for any number of them.
        async def counted(requests: object, identity: Identity, context: Context) -> AsyncIterator[object]:
            shown = presented_by(context, over_tls=self._over_tls)
            async for message in cast("AsyncIterable[object]", requests):
                try:
                    self._admission.count_message(identity, shown, method)
                except RateLimited as error:
                    await abort(context, _refusal(error))
                yield message

        return counted

    async def _admitted(self, method: str, context: Context) -> Identity:
        return await self._let_in(presented_by(context, over_tls=self._over_tls), need_of_rpc(method), method, context)

    async def _let_in(self, shown: Presented, need: Need | None, method: str, context: Context) -> Identity:
        try:
            return await self._admission.admit(shown, need, method)
        except _REFUSALS as error:
            await abort(context, _refusal(error))

    def _permitted(self, identity: Identity) -> AbstractContextManager[Permit]:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is served by a task")
        return self._admission.stream(identity, task.cancel)


async def _as(identity: Identity, answer: Awaitable[object]) -> object:
    with acting_as(identity):
        return await answer


async def _tell(permit: Permit, context: Context) -> None:
    # A call that is only cancelled tells its caller nothing.
    task = asyncio.current_task()
    if permit.lost is not None and task is not None:
        task.uncancel()
        await abort(context, _refusal(permit.lost))


def _refusal(error: Exception) -> Refusal:
    refusal = refusal_of(error)
    if refusal is None:
        raise error
    return refusal

"""Around every call of ours: a line in the log, and exceptions turned into statuses by the table."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import grpc

from msc_authority.ports.clock import Clock
from msc_authority.rpc.errors import Refusal, opaque, refusal_of

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Context, Handler

    Answer = bytes | Awaitable[bytes | None]
    Behaviour = Callable[[object, Context], Answer]

_log = logging.getLogger(__name__)

OURS = "/msc_policy."
_ENDED = (grpc.aio.AbortError, grpc.aio.InternalError)
"""What a call raises that has its status, or whose caller went away while it was being answered or refused.

The latter is no fault of ours, and a second status for it would be one. gRPC ends it, and logs it where it is not that.
"""
# gRPC's types describe the blocking server; ours are coroutines on bytes, see calls.py.
_KINDS = cast(
    "Mapping[str, Callable[[Behaviour], Handler]]",
    {
        "unary_unary": grpc.unary_unary_rpc_method_handler,
        "unary_stream": grpc.unary_stream_rpc_method_handler,
        "stream_unary": grpc.stream_unary_rpc_method_handler,
    },
)


class Wraps(Protocol):
    """Puts something around the handler of a method."""

    def wrapped(self, method: str, handler: Handler) -> Handler:
        """Returns the handler with it, or as it is."""
        ...


class Layers(grpc.GenericRpcHandler):
    """Finds handlers as the handlers it is given do, each behind all layers. What a server is given besides it is not.

    In place of an interceptor, which gRPC asks anew with every call and waits for: a method is found and wrapped once.
    """

    def __init__(self, *layers: Wraps, around: Sequence[grpc.GenericRpcHandler]) -> None:
        """The first layer is the outermost."""
        self._layers, self._around = layers, around
        self._made: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Returns the handler behind all layers; None: there is none of that name."""
        return self._made.get(handler_call_details.method) or self._make(handler_call_details)

    def _make(self, details: grpc.HandlerCallDetails) -> Handler | None:
        found = next((found for handlers in self._around if (found := handlers.service(details)) is not None), None)
        # Names that nobody serves are not kept: anybody can ask for any number of them.
        if found is None:
            return None
        made = cast("Handler", found)
        for layer in reversed(self._layers):
            made = layer.wrapped(details.method, made)
        self._made[details.method] = made
        return made


class _Around(ABC):
    """Wraps the behaviour of our methods; those of health and reflection are left as they are."""

    def wrapped(self, method: str, handler: Handler) -> Handler:
        """Returns the handler with its behaviour wrapped, one that is not ours as it is."""
        if not method.startswith(OURS):
            return handler
        for kind, make in _KINDS.items():
            if behaviour := getattr(handler, kind):
                return make(self._around(method, behaviour))
        return handler

    @abstractmethod
    def _around(self, method: str, behaviour: Behaviour) -> Behaviour: ...


class LogCalls(_Around):
    """Writes one line at level DEBUG for each call that ended: method, peer, time, and how it ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def _around(self, method: str, behaviour: Behaviour) -> Behaviour:
        # No coroutine where there is nothing to log: it would stand in each call, and in a stream for as long as that.
        def heard(request: object, context: Context) -> Answer:
            return (logged if _log.isEnabledFor(logging.DEBUG) else behaviour)(request, context)

        async def logged(request: object, context: Context) -> bytes | None:
            began = self._clock.monotonic()
            end = "OK"
            try:
                answer = behaviour(request, context)
                return answer if isinstance(answer, bytes) else await answer
            except BaseException as error:
                end = type(error).__name__
                raise
            finally:
                _log.debug("%s from %s: %s in %.3f s", method, context.peer(), end, self._clock.monotonic() - began)

        return heard


class AnswerErrors(_Around):
    """Ends a call whose behaviour raised with the status of the table, an unexpected one with an opaque status.

    The outermost layer: gRPC awaits none but a coroutine function, and this is one.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id

    def _around(self, method: str, behaviour: Behaviour) -> Behaviour:
        async def answered(request: object, context: Context) -> bytes | None:
            try:
                answer = behaviour(request, context)
                return answer if isinstance(answer, bytes) else await answer
            except _ENDED:
                raise
            except Exception as error:
                await abort(context, self._refusal(method, error))

        return answered

    def _refusal(self, method: str, error: Exception) -> Refusal:
        known = refusal_of(error)
        if known is not None:
            return known
        error_id = self._new_id()
        _log.error("Internal error %s in %s", error_id, method, exc_info=error)
        return opaque(error_id)


async def abort(context: Context, refusal: Refusal) -> NoReturn:
    """Ends the call with a rich status. Never returns."""
    await context.abort(refusal.code, refusal.message, refusal.trailing_metadata())

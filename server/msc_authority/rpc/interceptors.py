"""Around every call of ours: a line in the log, and exceptions turned into statuses by the table."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import grpc

from msc_authority.ports import Clock
from msc_authority.rpc.errors import Refusal, opaque, refusal_of

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Context, Handler

    Behaviour = Callable[[object, Context], Awaitable[bytes | None]]

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

    In place of an interceptor, which gRPC asks anew with every call and waits for: a method is wrapped once.
    """

    def __init__(self, *layers: Wraps, around: Sequence[grpc.GenericRpcHandler]) -> None:
        """The first layer is the outermost."""
        self._layers, self._around = layers, around
        self._made: dict[str, tuple[Handler, Handler]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """Returns the handler behind all layers; None: there is none of that name."""
        # A loop, not a generator: this is asked with every call.
        for handlers in self._around:
            handler = handlers.service(handler_call_details)
            if handler is not None:
                return self._behind(handler_call_details.method, cast("Handler", handler))
        return None

    def _behind(self, method: str, handler: Handler) -> Handler:
        known = self._made.get(method)
        if known is None or known[0] is not handler:
            known = self._make(method, handler)
        return known[1]

    def _make(self, method: str, handler: Handler) -> tuple[Handler, Handler]:
        made = handler
        for layer in reversed(self._layers):
            made = layer.wrapped(method, made)
        self._made[method] = (handler, made)
        return self._made[method]


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
        async def logged(request: object, context: Context) -> bytes | None:
            if not _log.isEnabledFor(logging.DEBUG):
                return await behaviour(request, context)
            began = self._clock.monotonic()
            end = "OK"
            try:
                return await behaviour(request, context)
            except BaseException as error:
                end = type(error).__name__
                raise
            finally:
                _log.debug("%s from %s: %s in %.3f s", method, context.peer(), end, self._clock.monotonic() - began)

        return logged


class AnswerErrors(_Around):
    """Ends a call whose behaviour raised with the status of the table, an unexpected one with an opaque status."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id

    def _around(self, method: str, behaviour: Behaviour) -> Behaviour:
        async def answered(request: object, context: Context) -> bytes | None:
            try:
                return await behaviour(request, context)
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

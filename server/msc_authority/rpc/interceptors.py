"""Around every call of ours: a line in the log, and exceptions turned into statuses by the table."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

import grpc

from msc_authority.ports import Clock
from msc_authority.rpc.errors import Refusal, opaque, refusal_of

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Context, Handler

    Behaviour = Callable[[object, Context], Awaitable[bytes | None]]

_log = logging.getLogger(__name__)

OURS = "/msc_policy."
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
# gRPC's types describe the blocking server; ours are coroutines on bytes, see calls.py.
_KINDS = cast(
    "Mapping[str, Callable[[Behaviour], Handler]]",
    {
        "unary_unary": grpc.unary_unary_rpc_method_handler,
        "unary_stream": grpc.unary_stream_rpc_method_handler,
        "stream_unary": grpc.stream_unary_rpc_method_handler,
    },
)


class WrappedOnce:
    """The wrapped handler of each method. gRPC asks for it with every call; its own handlers stay the same."""

    def __init__(self, wrap: Callable[[str, Handler], Handler]) -> None:
        """`wrap` makes what is kept."""
        self._wrap = wrap
        self._made: dict[str, tuple[Handler, Handler]] = {}

    def get(self, method: str, handler: Handler) -> Handler:
        """Returns the handler of a method, wrapped."""
        known = self._made.get(method)
        if known is None or known[0] is not handler:
            known = self._made[method] = (handler, self._wrap(method, handler))
        return known[1]


class _Around(grpc.aio.ServerInterceptor):
    """Wraps the behaviour of our methods; those of health and reflection are left as they are."""

    def __init__(self) -> None:
        self._known = WrappedOnce(self._wrapped)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[_Request, _Response] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[_Request, _Response] | None:
        """Returns the handler with its behaviour wrapped."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(OURS):
            return handler
        return cast("grpc.RpcMethodHandler[_Request, _Response]", self._known.get(method, cast("Handler", handler)))

    def _wrapped(self, method: str, handler: Handler) -> Handler:
        for kind, make in _KINDS.items():
            if behaviour := getattr(handler, kind):
                return make(self._around(method, behaviour))
        return handler

    @abstractmethod
    def _around(self, method: str, behaviour: Behaviour) -> Behaviour: ...


class LogCalls(_Around):
    """Writes one line at level DEBUG for each call that ended: method, peer, time, and how it ended."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
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
        super().__init__()
        self._new_id = new_id

    def _around(self, method: str, behaviour: Behaviour) -> Behaviour:
        async def answered(request: object, context: Context) -> bytes | None:
            try:
                return await behaviour(request, context)
            except grpc.aio.AbortError:
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

"""A small real gRPC server on this machine, driven by a test: every word of it is the test's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import grpc

from msc_client._messages import Freshness, SnapshotReason
from msc_client._wire.authority import (
    ClientReport,
    WatchOpening,
    client_report,
    evaluate_response,
    get_policy_response,
    goodbye_bytes,
    heartbeat_bytes,
    report_answer,
    snapshot_bytes,
    unchanged_bytes,
    watch_opening,
)
from msc_client._wire.details import STATUS_KEY, details_to
from msc_client.policy import Policy, Ref

_SERVICE = "msc_policy.v1.PolicyAuthority"
_NO_POLICY = Ref(1, 0)
_MAX_THREADS = 32
_SERVING = b"\x08\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    code: grpc.StatusCode
    detail: str
    reason: str
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class _End:
    """Ends a stream: cleanly, or as a refusal would."""

    refusal: _Refusal | None = None


_Item = bytes | _End


class InProcessAuthority:
    """Listens on 127.0.0.1. A watch gets the published policy at once; everything else comes when it is called for.

    `port` 0 takes a free one; `target` says which. Ending it and starting it again keeps the port.
    """

    def __init__(self, *, port: int = 0, heartbeat_interval_s: float = 5.0, server_id: str = "in-process") -> None:
        self._port = port
        self._info = (server_id, heartbeat_interval_s)
        self._changed = threading.Condition()
        self._watchers: list[queue.SimpleQueue[_Item]] = []
        self._server: grpc.Server | None = None
        self._policy: Policy | None = None
        self._refusal: _Refusal | None = None
        self._frozen = False
        self.freshness = Freshness(replica_age_s=0.0, ttl_s=3600.0)
        """How far the messages to come vouch for the head."""
        self.opened: list[WatchOpening] = []
        """Every watch that was asked for, refused ones included."""
        self.reports: list[ClientReport] = []
        """Every status report."""
        self.tokens: dict[str, set[str]] = {}
        """The bearer tokens that came, by method."""

    @property
    def target(self) -> str:
        """Where clients find it."""
        return f"127.0.0.1:{self._port}"

    @property
    def head(self) -> Ref:
        """The published policy's reference; version 0 before the first."""
        return _NO_POLICY if self._policy is None else self._policy.ref

    def start(self) -> Self:
        """Starts to listen, and returns itself.

        Raises:
            RuntimeError: the port is taken.
        """
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "WatchPolicy": grpc.unary_stream_rpc_method_handler(self._watch),
            "GetPolicy": grpc.unary_unary_rpc_method_handler(self._get_policy),
            "Evaluate": grpc.unary_unary_rpc_method_handler(self._evaluate),
            "ReportClientStatus": grpc.unary_unary_rpc_method_handler(self._report),
        }
        self._server = grpc.server(
            ThreadPoolExecutor(max_workers=_MAX_THREADS, thread_name_prefix="in-process-authority"),
            options=[("grpc.so_reuseport", 0)],
        )
        health: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "Watch": grpc.unary_stream_rpc_method_handler(_healthy)
        }
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(_SERVICE, handlers),
                grpc.method_handlers_generic_handler("grpc.health.v1.Health", health),
            )
        )
        self._port = self._server.add_insecure_port(self.target)
        self._server.start()
        return self

    def stop(self) -> None:
        """Goes away without a word, as a killed process does. Twice is fine."""
        server, self._server = self._server, None
        if server is not None:
            server.stop(grace=0).wait()

    def publish(self, policy: Policy, *, reason: SnapshotReason = SnapshotReason.UPDATE) -> None:
        """Makes this the head, and sends it to every watch."""
        with self._changed:
            self._policy = policy
        self.send(snapshot_bytes(policy, reason=reason, freshness=self.freshness))

    def heartbeat(self, head: Ref | None = None) -> None:
        """Sends a sign of life to every watch; `head` None names the published one."""
        self.send(heartbeat_bytes(head or self.head, freshness=self.freshness))

    def goodbye(self, reason: str = "DRAINING", *, reconnect_after_s: float = 0.0) -> None:
        """Ends every watch the polite way."""
        self.send(
            goodbye_bytes(self.head, reason=reason, reconnect_after_s=reconnect_after_s, freshness=self.freshness)
        )
        self._put_all(_End())

    def send(self, raw: bytes) -> None:
        """Sends these bytes to every watch, whatever they are. Frozen, it sends nothing."""
        if not self._frozen:
            self._put_all(raw)

    def refuse(self, code: str, detail: str = "", *, reason: str = "", retry_after_s: float | None = None) -> None:
        """Refuses every watch to come, with a gRPC status by name ("PERMISSION_DENIED"), until `accept`."""
        self._refusal = _Refusal(code=grpc.StatusCode[code], detail=detail, reason=reason, retry_after_s=retry_after_s)

    def accept(self) -> None:
        """Takes new watches again."""
        self._refusal = None

    def freeze(self) -> None:
        """Falls silent: connections stay, and nothing is said on them. New watches get no first message."""
        self._frozen = True

    def thaw(self) -> None:
        """Speaks again to the watches that open from now on, and to the others with the next message."""
        self._frozen = False

    def drop(self) -> None:
        """Ends every watch with an error; the connections stay."""
        self._put_all(_End(_Refusal(code=grpc.StatusCode.UNAVAILABLE, detail="dropped", reason="", retry_after_s=None)))

    def wait_for(self, condition: Callable[[InProcessAuthority], bool], timeout_s: float = 5.0) -> None:
        """Returns once `condition` holds; it is tried again whenever a client opens, leaves or reports.

        Raises:
            TimeoutError: it does not hold in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout_s):
                raise TimeoutError(f"not within {timeout_s} s; opened {len(self.opened)}, watching {self.watching}")

    @property
    def watching(self) -> int:
        """Watches that are open now."""
        return len(self._watchers)

    def __enter__(self) -> Self:
        """Starts it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops it."""
        self.stop()

    def _note_token(self, method: str, context: grpc.ServicerContext) -> None:
        for key, value in context.invocation_metadata():
            if key == "authorization":
                self.tokens.setdefault(method, set()).add(str(value).removeprefix("Bearer "))

    def _put_all(self, item: _Item) -> None:
        with self._changed:
            for watcher in self._watchers:
                watcher.put(item)

    def _watch(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._note_token("WatchPolicy", context)
        items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        if not context.add_callback(lambda: items.put(_End())):
            # It ended before it began here, and nobody will say so again.
            items.put(_End())
        opening = watch_opening(request)
        first: bytes | None = None
        with self._changed:
            self.opened.append(opening)
            refusal = self._refusal
            if refusal is None:
                self._watchers.append(items)
                first = None if self._frozen else self._first(opening.known)
            self._changed.notify_all()
        if refusal is not None:
            _abort(context, refusal)
        try:
            if first is not None:
                yield first
            while not isinstance(item := items.get(), _End):
                yield item
            if item.refusal is not None:
                _abort(context, item.refusal)
        finally:
            with self._changed:
                self._watchers.remove(items)
                self._changed.notify_all()

    def _first(self, known: Ref | None) -> bytes:
        if self._policy is None:
            return heartbeat_bytes(_NO_POLICY, freshness=self.freshness, info=self._info)
        if self._policy.ref.same_as(known):
            return unchanged_bytes(self._policy.ref, freshness=self.freshness, info=self._info)
        reason = SnapshotReason.INITIAL if known is None else SnapshotReason.UPDATE
        return snapshot_bytes(self._policy, reason=reason, freshness=self.freshness, info=self._info)

    def _get_policy(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._note_token("GetPolicy", context)
        return get_policy_response(self._policy_or_abort(context), self.freshness)

    def _evaluate(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        return evaluate_response(self._policy_or_abort(context), request=request)

    def _report(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._note_token("ReportClientStatus", context)
        with self._changed:
            self.reports.append(client_report(request))
            self._changed.notify_all()
        return report_answer(self.head, next_report_after_s=30.0)

    def _policy_or_abort(self, context: grpc.ServicerContext) -> Policy:
        refusal = self._refusal
        if refusal is None and self._policy is None:
            refusal = _Refusal(
                code=grpc.StatusCode.NOT_FOUND, detail="no policy yet", reason="POLICY_NOT_FOUND", retry_after_s=None
            )
        if refusal is not None:
            _abort(context, refusal)
        assert self._policy is not None  # noqa: S101 - the line above does not return
        return self._policy


def _healthy(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    # The client's channel asks before it sends anything; without an answer grpc says so on standard error.
    gone = threading.Event()
    context.add_callback(gone.set)
    yield _SERVING
    gone.wait()


def _abort(context: grpc.ServicerContext, refusal: _Refusal) -> None:
    if refusal.reason:
        code, _ = refusal.code.value
        details = details_to(
            code=code, message=refusal.detail, reason=refusal.reason, retry_after_s=refusal.retry_after_s
        )
        context.set_trailing_metadata(((STATUS_KEY, details),))
    context.abort(refusal.code, refusal.detail)

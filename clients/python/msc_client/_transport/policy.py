"""Watches and calls over gRPC, in bytes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol, cast

import grpc

from msc_client._credentials import credentials_of
from msc_client._messages import StreamEnd
from msc_client._transport.channel import open_channel
from msc_client._wire.details import STATUS_KEY, ErrorDetails, details_from
from msc_client.config import ClientConfig
from msc_client.errors import AuthorityError, AuthorityUnavailable

if TYPE_CHECKING:
    from msc_client._streams import StreamSink

_log = logging.getLogger("msc_client")

_SERVICE = "/msc_policy.v1.PolicyAuthority/"
_UNAVAILABLE = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED"})

# A forked child must not touch an inherited channel, not even by collecting it.
_inherited: list[object] = []


class _WatchCall(Protocol):
    """The part of a streaming call that is used here."""

    def __iter__(self) -> Iterator[bytes]: ...

    def cancel(self) -> bool: ...


class GrpcStreams:
    """One channel, kept for life, and a thread for each open watch."""

    def __init__(self, target: str, config: ClientConfig) -> None:
        self._target = target
        self._config = config
        self._credentials = credentials_of(tls=config.tls, token=config.token, token_file=config.token_file)
        self._shown = self._credentials.stamps()
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._closed = False

    def open(self, stream: int, request: bytes, sink: StreamSink) -> WatchReader:
        """Starts to watch; whatever comes of it goes to `sink`."""
        reader = WatchReader(self, stream, request, sink)
        reader.start()
        return reader

    def watch(self, request: bytes) -> _WatchCall:
        """Returns the call. It waits by itself while the channel cannot connect.

        Raises:
            OSError: a certificate or the token cannot be read.
            ValueError: the channel was closed.
        """
        watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = self._opened().unary_stream(_SERVICE + "WatchPolicy")
        self._shown = self._credentials.stamps()
        return cast(_WatchCall, watch(request, metadata=self._credentials.metadata(), wait_for_ready=True))

    def report(self, request: bytes, answered: Callable[[bytes], None]) -> None:
        """Sends a status report without waiting. One that fails is followed by the next one."""
        try:
            metadata = self._credentials.metadata()
            future = self._unary("ReportClientStatus").future(
                request, timeout=self._config.unary_deadline_s, metadata=metadata
            )
        except (OSError, ValueError) as error:
            _log.debug("status report not sent: %s", error)
            return

        def done(answer: grpc.Future[bytes]) -> None:
            try:
                answered(answer.result())
            except (grpc.RpcError, grpc.FutureCancelledError) as error:
                _log.debug("status report failed: %s", error)

        future.add_done_callback(done)

    def call(self, method: str, request: bytes, deadline_s: float) -> bytes:
        """Returns the answer of one attempt of a unary call.

        Raises:
            AuthorityUnavailable: trying again may help.
            AuthorityError: the authority refused.
        """
        try:
            return self._unary(method)(request, timeout=deadline_s, metadata=self._credentials.metadata())
        except grpc.RpcError as error:
            raise _error_of(cast(grpc.Call, error)) from error
        except (OSError, ValueError) as error:
            raise AuthorityUnavailable("UNAVAILABLE", str(error)) from error

    def credentials_changed(self) -> bool:
        """Tells whether a file of certificates or of the token changed since the last watch was opened."""
        return self._credentials.stamps() != self._shown

    def renew(self) -> None:
        """Makes the next watch read the certificates again. Without certificates the channel stays."""
        if self._credentials.tls is None:
            return
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def after_fork(self) -> None:
        """Forgets the inherited channel in a forked child."""
        _inherited.append(self._channel)
        self._lock, self._channel = threading.Lock(), None

    def close(self) -> None:
        """Closes the channel, and with it every watch."""
        with self._lock:
            channel, self._channel, self._closed = self._channel, None, True
        if channel is not None:
            channel.close()

    def _unary(self, method: str) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
        return self._opened().unary_unary(_SERVICE + method)

    def _opened(self) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise ValueError("the source is closed")
            if self._channel is None:
                self._channel = open_channel(self._target, self._credentials)
            return self._channel


class WatchReader:
    """Reads one watch in a thread of its own."""

    def __init__(self, streams: GrpcStreams, stream: int, request: bytes, sink: StreamSink) -> None:
        self._streams = streams
        self._stream = stream
        self._request = request
        self._sink = sink
        self._lock = threading.Lock()
        self._call: _WatchCall | None = None
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, name="policy-watch", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def cancel(self) -> None:
        """Ends the watch."""
        with self._lock:
            self._cancelled = True
            call = self._call
        if call is not None:
            call.cancel()

    def alive(self) -> bool:
        """Tells whether the thread still runs."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> None:
        """Waits for the thread to end, unless it is the caller's own."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            end = self._read()
        except BaseException as error:
            self.cancel()
            self._sink.died(self._stream, error)
        else:
            self._sink.ended(self._stream, end)

    def _read(self) -> StreamEnd:
        try:
            call = self._streams.watch(self._request)
        except OSError as error:
            return StreamEnd(code="UNAUTHENTICATED", detail=f"credentials cannot be read: {error}")
        except ValueError as error:
            return StreamEnd(code="UNAVAILABLE", detail=str(error))
        with self._lock:
            self._call = call
            cancelled = self._cancelled
        if cancelled:
            call.cancel()
        try:
            for raw in call:
                self._sink.message(self._stream, raw)
        except grpc.RpcError as error:
            return _end_of(cast(grpc.Call, error))
        return StreamEnd(code="OK")


def _end_of(call: grpc.Call) -> StreamEnd:
    details = _details_of(call)
    return StreamEnd(
        code=call.code().name, detail=call.details() or "", reason=details.reason, retry_after_s=details.retry_after_s
    )


def _error_of(call: grpc.Call) -> AuthorityError:
    details = _details_of(call)
    kind = AuthorityUnavailable if call.code().name in _UNAVAILABLE else AuthorityError
    return kind(
        call.code().name,
        call.details() or "",
        reason=details.reason,
        retry_after_s=details.retry_after_s,
        violations=details.violations,
    )


def _details_of(call: grpc.Call) -> ErrorDetails:
    for key, value in call.trailing_metadata() or ():
        if key == STATUS_KEY and isinstance(value, bytes):
            return details_from(value)
    return ErrorDetails()

"""Batches of facts to the authority's journal, over gRPC."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

import grpc

from msc_client._credentials import Credentials, Metadata
from msc_client._delivery import Answer, Failure, Pending, SendFailed
from msc_client._transport.channel import open_channel
from msc_client._wire.journal import answer_of, record_request
from msc_policy.v1 import JournalServiceStub

_DENIED = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED})
_INVALID = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE})


class JournalSender:
    """Sends over one channel, which is opened by the first call and again after a call that was not let in."""

    def __init__(self, target: str, *, credentials: Credentials, deadline_s: float) -> None:
        """Sends to `target`; a call that takes longer than `deadline_s` counts as failed."""
        self._target = target
        self._credentials = credentials
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._closed = False

    def send(self, batch: Sequence[Pending]) -> Answer:
        """Returns what became of every fact of `batch`.

        Raises:
            SendFailed: nobody knows what became of them.
        """
        stub = JournalServiceStub(self._open())
        try:
            request, metadata = record_request(batch), self._metadata()
            return answer_of(stub.Record(iter([request]), timeout=self._deadline_s, metadata=metadata))
        except grpc.RpcError as error:
            failed = _failed(error)
            if failed.failure is Failure.DENIED:
                # Certificates may have been renewed meanwhile: the next channel reads them again.
                self._drop()
            raise failed from error
        except ValueError as error:
            # What a channel raises that was closed by another thread.
            raise SendFailed(Failure.AWAY, "CLOSED", str(error)) from error

    def close(self) -> None:
        """Ends a call that is under way. Twice is fine."""
        with self._lock:
            self._closed = True
        self._drop()

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise SendFailed(Failure.AWAY, "CLOSED", "the writer was closed")
            if self._channel is None:
                self._channel = self._connected()
            return self._channel

    def _connected(self) -> grpc.Channel:
        try:
            return open_channel(self._target, self._credentials)
        except OSError as error:
            raise SendFailed(Failure.AWAY, "NO_CREDENTIALS", str(error)) from error

    def _metadata(self) -> Metadata:
        try:
            return self._credentials.metadata()
        except OSError as error:
            raise SendFailed(Failure.AWAY, "NO_CREDENTIALS", str(error)) from error

    def _drop(self) -> None:
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


def _failed(error: grpc.RpcError) -> SendFailed:
    call = cast("grpc.Call", error)
    code: grpc.StatusCode = call.code()
    failure = Failure.DENIED if code in _DENIED else Failure.INVALID if code in _INVALID else Failure.AWAY
    return SendFailed(failure, code.name, call.details() or "no details")

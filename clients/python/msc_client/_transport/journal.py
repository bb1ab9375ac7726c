"""Batches of facts to the authority's journal, over gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import grpc

from msc_client._delivery import Answer, Failure, Pending, SendFailed
from msc_client._wire.journal import answer_of, record_request
from msc_policy.v1 import JournalServiceStub

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.min_reconnect_backoff_ms", 3_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", 1_048_576),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
_DENIED = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED})
_INVALID = frozenset({grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE})


class JournalSender:
    """Sends over one channel, which is opened by the first call."""

    def __init__(self, target: str, *, name: str, deadline_s: float) -> None:
        """Sends to `target` as `name`; a call that takes longer than `deadline_s` counts as failed."""
        options = (*_OPTIONS, ("grpc.primary_user_agent", f"msc-journal/{name}"))
        self._channel = grpc.insecure_channel(target, options=options)
        self._stub = JournalServiceStub(self._channel)
        self._deadline_s = deadline_s

    def send(self, batch: Sequence[Pending]) -> Answer:
        """Returns what became of every fact of `batch`.

        Raises:
            SendFailed: nobody knows what became of them.
        """
        try:
            return answer_of(self._stub.Record(iter([record_request(batch)]), timeout=self._deadline_s))
        except grpc.RpcError as error:
            raise _failed(error) from error
        except ValueError as error:
            # What a closed channel raises.
            raise SendFailed(Failure.AWAY, "CLOSED", str(error)) from error

    def close(self) -> None:
        """Ends a call that is under way. Twice is fine."""
        self._channel.close()


def _failed(error: grpc.RpcError) -> SendFailed:
    call = cast("grpc.Call", error)
    code: grpc.StatusCode = call.code()
    failure = Failure.DENIED if code in _DENIED else Failure.INVALID if code in _INVALID else Failure.AWAY
    return SendFailed(failure, code.name, call.details() or "no details")

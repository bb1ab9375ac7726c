"""What went wrong when an authority was asked, in words for a person and a stable reason for a program."""

from __future__ import annotations

from typing import cast

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no stubs

_STATUS_KEY = "grpc-status-details-bin"
_UNREACHABLE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_NO_ANSWER = _UNREACHABLE | {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNKNOWN,
}
"""Statuses that gRPC makes itself, also behind the commit of what was asked for."""
_NEVER_SENT = ("failed to connect to all addresses", "errors resolving ", "DNS resolution failed for ")
"""How gRPC begins what it says of a call that had no connection to go out on."""
_UNSURE = frozenset({"STORE_UNAVAILABLE", "INTERNAL"})
"""What an authority says whose database broke off amid a commit, or that failed behind one."""


class RemoteError(Exception):
    """The authority could not be asked, or refused. `reason` is stable; `fields` are the ones it complained of.

    `unsure`: what was asked for may have been done all the same. `earlier_unsure`: so may an earlier attempt at it.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        reachable: bool,
        fields: tuple[tuple[str, str], ...] = (),
        retry_after_s: float | None = None,
        unsure: bool = False,
        earlier_unsure: bool = False,
    ) -> None:
        """Takes the message for a person and what a program needs to react."""
        super().__init__(message)
        self.message, self.reason, self.reachable = message, reason, reachable
        self.fields, self.retry_after_s = fields, retry_after_s
        self.unsure, self.earlier_unsure = unsure, earlier_unsure

    @property
    def worth_retrying(self) -> bool:
        """Whether the same call may succeed in a moment."""
        return self.reason in {"UNAVAILABLE", "REPLICA_BEHIND", "DRAINING"}


def remote_error(error: grpc.RpcError, *, earlier_unsure: bool = False) -> RemoteError:
    """The error behind a failed call, from its status and the details that came with it."""
    call = cast("grpc.Call", error)
    code: grpc.StatusCode = call.code()
    text = call.details() or code.name
    status = _status_of(call)
    reason = _reason(status)
    return RemoteError(
        text,
        reason=reason or code.name,
        reachable=bool(reason) or code not in _UNREACHABLE,
        fields=_fields(status),
        retry_after_s=_retry_after_s(status),
        unsure=reason in _UNSURE if reason else code in _NO_ANSWER and not text.startswith(_NEVER_SENT),
        earlier_unsure=earlier_unsure,
    )


def _status_of(call: grpc.Call) -> Status:
    status = Status()
    for key, value in call.trailing_metadata() or ():
        if key == _STATUS_KEY and isinstance(value, bytes):
            status.MergeFromString(value)
    return status


def _reason(status: Status) -> str:
    for detail in status.details:
        info = ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def _fields(status: Status) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for detail in status.details:
        request = BadRequest()
        if detail.Unpack(request):
            found.extend((violation.field, violation.description) for violation in request.field_violations)
    return tuple(found)


def _retry_after_s(status: Status) -> float | None:
    for detail in status.details:
        info = RetryInfo()
        if detail.Unpack(info):
            delay: Duration = info.retry_delay
            return delay.seconds + delay.nanos / 1e9
    return None

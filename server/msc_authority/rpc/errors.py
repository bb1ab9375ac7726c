"""One table from exception to status. What is not in it goes out opaque, and in full to the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no type information
from grpc_status import rpc_status

from msc_authority.app.access import (
    CertificateExpired,
    NotListed,
    RoleMissing,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
)
from msc_authority.app.broker import Draining, WatcherLimitReached
from msc_authority.app.evaluate import EvaluationFailed, InvalidMetric
from msc_authority.app.leadership import NotLeader
from msc_authority.app.operate import LedgerUnreadable, Overtaken, RequestIdReused, RevisionUnknown, StateUnreadable
from msc_authority.app.operations import TooManyActs
from msc_authority.app.patience import CallerGone
from msc_authority.app.rates import RateLimited, StreamLimitReached
from msc_authority.core.operator_acts import (
    InvalidAct,
    LooseningNotAllowed,
    NothingToResume,
    OverrideNotFound,
    StrategyUnknown,
    TooManyOverrides,
    WrongStrategyState,
)
from msc_authority.ports.store import Fenced, StaleState, StoreError, StoreUnavailable

DOMAIN = "msc_policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """A field of a request and what is wrong with it."""

    field: str
    problem: str


class RpcProblem(Exception):
    """Base of what this room itself finds wrong with a call."""


class InvalidRequest(RpcProblem):
    """The request makes no sense, whatever state the authority is in."""

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.problem}" for problem in problems))
        self.problems = problems


class PolicyNotFound(RpcProblem):
    """There is no such policy."""


class ReplicaBehind(RpcProblem):
    """The caller knows a newer policy than this replica."""


class EpochSuperseded(RpcProblem):
    """The caller knows a later lineage of the store than this replica."""


class EtagMismatch(RpcProblem):
    """The caller holds other content under the same reference."""


class SlowConsumer(RpcProblem):
    """The caller did not read for too long."""


@dataclass(frozen=True, slots=True)
class Row:
    """How one kind of exception goes out. `text` None: the exception's own."""

    kind: type[Exception]
    code: grpc.StatusCode
    reason: str
    retry_s: float | None = None
    text: str | None = None


# The first row that fits counts, so special kinds stand above general ones.
TABLE = (
    Row(InvalidRequest, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    Row(InvalidMetric, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_METRIC"),
    Row(InvalidAct, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ACT"),
    Row(LooseningNotAllowed, grpc.StatusCode.FAILED_PRECONDITION, "LOOSENING_NOT_ALLOWED"),
    Row(NothingToResume, grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_RESUME"),
    Row(WrongStrategyState, grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STRATEGY_STATE"),
    Row(StateUnreadable, grpc.StatusCode.FAILED_PRECONDITION, "STATE_UNREADABLE"),
    Row(OverrideNotFound, grpc.StatusCode.NOT_FOUND, "OVERRIDE_NOT_FOUND"),
    Row(StrategyUnknown, grpc.StatusCode.NOT_FOUND, "STRATEGY_UNKNOWN"),
    Row(RevisionUnknown, grpc.StatusCode.NOT_FOUND, "VERSION_NOT_FOUND"),
    Row(RequestIdReused, grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    Row(Overtaken, grpc.StatusCode.ABORTED, "OVERTAKEN"),
    Row(CallerGone, grpc.StatusCode.ABORTED, "CALLER_GONE"),
    Row(LedgerUnreadable, grpc.StatusCode.UNAVAILABLE, "LEDGER_UNREADABLE", 5.0),
    Row(TooManyOverrides, grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_OVERRIDES"),
    Row(TooManyActs, grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ACTS", 1.0),
    Row(PolicyNotFound, grpc.StatusCode.NOT_FOUND, "POLICY_NOT_FOUND"),
    Row(ReplicaBehind, grpc.StatusCode.UNAVAILABLE, "REPLICA_BEHIND", 1.0),
    Row(EpochSuperseded, grpc.StatusCode.FAILED_PRECONDITION, "EPOCH_SUPERSEDED"),
    Row(EtagMismatch, grpc.StatusCode.ABORTED, "ETAG_MISMATCH"),
    Row(SlowConsumer, grpc.StatusCode.UNAVAILABLE, "SLOW_CONSUMER", 5.0),
    Row(Draining, grpc.StatusCode.UNAVAILABLE, "DRAINING", 5.0),
    Row(WatcherLimitReached, grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCHER_LIMIT_REACHED", 10.0),
    Row(RateLimited, grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", 1.0),
    Row(NotLeader, grpc.StatusCode.UNAVAILABLE, "NOT_LEADER", 1.0),
    Row(
        Fenced,
        grpc.StatusCode.UNAVAILABLE,
        "NOT_LEADER",
        1.0,
        "another replica began to lead meanwhile, and nothing was written; ask again",
    ),
    Row(StreamLimitReached, grpc.StatusCode.RESOURCE_EXHAUSTED, "STREAM_LIMIT_REACHED", 10.0),
    Row(TokenMissing, grpc.StatusCode.UNAUTHENTICATED, TokenMissing.reason),
    Row(TokenInvalid, grpc.StatusCode.UNAUTHENTICATED, TokenInvalid.reason),
    Row(TokenExpired, grpc.StatusCode.UNAUTHENTICATED, TokenExpired.reason),
    Row(TokenRevoked, grpc.StatusCode.UNAUTHENTICATED, TokenRevoked.reason),
    Row(CertificateExpired, grpc.StatusCode.UNAUTHENTICATED, CertificateExpired.reason),
    Row(RoleMissing, grpc.StatusCode.PERMISSION_DENIED, RoleMissing.reason),
    Row(NotListed, grpc.StatusCode.PERMISSION_DENIED, NotListed.reason),
    Row(
        StoreUnavailable,
        grpc.StatusCode.UNAVAILABLE,
        "STORE_UNAVAILABLE",
        2.0,
        "the database cannot be reached; the last policy is still served, with its age",
    ),
    Row(StaleState, grpc.StatusCode.ABORTED, "CONFLICT", 1.0, "another process was writing; try again"),
    Row(
        EvaluationFailed,
        grpc.StatusCode.INTERNAL,
        "EVALUATION_FAILED",
        text="the evaluation failed and the policy was kept; ListEvaluations says what went wrong",
    ),
    Row(StoreError, grpc.StatusCode.INTERNAL, "STORE_FAILED", text="the database refused; see the authority's log"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A status as it goes out."""

    code: grpc.StatusCode
    reason: str
    message: str
    problems: tuple[FieldProblem, ...] = ()
    retry_s: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def trailing_metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """Returns the rich form of the status, in the metadata that carries it."""
        details = [_packed(error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata))]
        if self.problems:
            details.append(_packed(_bad_request(self.problems)))
        if self.retry_s is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(round(self.retry_s * 1000))
            details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
        status = status_pb2.Status(code=self.code.value[0], message=self.message, details=details)
        return tuple(rpc_status.to_status(status).trailing_metadata)


def refusal_of(error: Exception) -> Refusal | None:
    """Returns how a known exception goes out, None for one that nobody expected."""
    row = next((row for row in TABLE if isinstance(error, row.kind)), None)
    if row is None:
        return None
    return Refusal(
        code=row.code,
        reason=row.reason,
        message=row.text or str(error),
        problems=_problems_of(error),
        retry_s=row.retry_s,
        metadata={"leader": error.address} if isinstance(error, NotLeader) else {},
    )


def opaque(error_id: str) -> Refusal:
    """Returns how an unexpected exception goes out: nothing but the id under which the log has it."""
    return Refusal(
        code=grpc.StatusCode.INTERNAL,
        reason="INTERNAL",
        message=f"internal error {error_id}; the authority's log has the details",
    )


def _problems_of(error: Exception) -> tuple[FieldProblem, ...]:
    if isinstance(error, InvalidRequest):
        return error.problems
    if isinstance(error, InvalidMetric):
        return (FieldProblem(field=f"what_if.{error.field}", problem=error.problem),)
    if isinstance(error, InvalidAct):
        return (FieldProblem(field=error.field, problem=error.problem),)
    return ()


def _bad_request(problems: Sequence[FieldProblem]) -> Message:
    violations = [
        error_details_pb2.BadRequest.FieldViolation(field=problem.field, description=problem.problem)
        for problem in problems
    ]
    request: Message = error_details_pb2.BadRequest(field_violations=violations)
    return request


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed

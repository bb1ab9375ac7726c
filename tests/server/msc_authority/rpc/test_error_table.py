"""Every refusal as it goes out: status, reason, details, and who is told what; and as it comes back to a caller."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no type information

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
from msc_authority.rpc.errors import (
    TABLE,
    EpochSuperseded,
    EtagMismatch,
    FieldProblem,
    InvalidRequest,
    PolicyNotFound,
    Refusal,
    ReplicaBehind,
    RpcProblem,
    SlowConsumer,
    opaque,
    refusal_of,
)
from msc_authority.rpc.remote_error import RemoteError, remote_error

Code = grpc.StatusCode

# What was raised; status, reason, seconds to wait, text (None: the exception's own), fields complained of.
ROWS: list[tuple[Exception, Code, str, float | None, str | None, tuple[str, ...]]] = [
    (
        InvalidRequest(FieldProblem(field="page_size", problem="must not be negative, not -1")),
        Code.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        None,
        "page_size: must not be negative, not -1",
        ("page_size",),
    ),
    (
        InvalidMetric("drawdown_pct: must be a finite number from 0 to 100, not 200.0"),
        Code.INVALID_ARGUMENT,
        "INVALID_METRIC",
        None,
        None,
        ("what_if.drawdown_pct",),
    ),
    (InvalidAct("lasts: must be above 0"), Code.INVALID_ARGUMENT, "INVALID_ACT", None, None, ("lasts",)),
    (
        LooseningNotAllowed("the controller allows NORMAL"),
        Code.FAILED_PRECONDITION,
        "LOOSENING_NOT_ALLOWED",
        None,
        None,
        (),
    ),
    (NothingToResume("trading is not halted"), Code.FAILED_PRECONDITION, "NOTHING_TO_RESUME", None, None, ()),
    (WrongStrategyState("A is not retired"), Code.FAILED_PRECONDITION, "WRONG_STRATEGY_STATE", None, None, ()),
    (StateUnreadable("format 9"), Code.FAILED_PRECONDITION, "STATE_UNREADABLE", None, None, ()),
    (OverrideNotFound("no override x"), Code.NOT_FOUND, "OVERRIDE_NOT_FOUND", None, None, ()),
    (StrategyUnknown("no strategy x"), Code.NOT_FOUND, "STRATEGY_UNKNOWN", None, None, ()),
    (RevisionUnknown("there is no version 9"), Code.NOT_FOUND, "VERSION_NOT_FOUND", None, None, ()),
    (RequestIdReused("r-1 has done HALT"), Code.ALREADY_EXISTS, "REQUEST_ID_REUSED", None, None, ()),
    (Overtaken("another person acted"), Code.ABORTED, "OVERTAKEN", None, None, ()),
    (CallerGone("nobody waits"), Code.ABORTED, "CALLER_GONE", None, "nobody waits", ()),
    (LedgerUnreadable("trading stays HALTED"), Code.UNAVAILABLE, "LEDGER_UNREADABLE", 5.0, None, ()),
    (TooManyOverrides("200 are in force"), Code.FAILED_PRECONDITION, "TOO_MANY_OVERRIDES", None, None, ()),
    (TooManyActs("64 are under way"), Code.RESOURCE_EXHAUSTED, "TOO_MANY_ACTS", 1.0, None, ()),
    (PolicyNotFound("there is no version 9"), Code.NOT_FOUND, "POLICY_NOT_FOUND", None, "there is no version 9", ()),
    (ReplicaBehind("7:3 is behind 7:4"), Code.UNAVAILABLE, "REPLICA_BEHIND", 1.0, "7:3 is behind 7:4", ()),
    (EpochSuperseded("8 is later"), Code.FAILED_PRECONDITION, "EPOCH_SUPERSEDED", None, "8 is later", ()),
    (EtagMismatch("other content"), Code.ABORTED, "ETAG_MISMATCH", None, "other content", ()),
    (SlowConsumer("nothing was read"), Code.UNAVAILABLE, "SLOW_CONSUMER", 5.0, "nothing was read", ()),
    (Draining("it is stopping"), Code.UNAVAILABLE, "DRAINING", 5.0, "it is stopping", ()),
    (WatcherLimitReached("9 are the limit"), Code.RESOURCE_EXHAUSTED, "WATCHER_LIMIT_REACHED", 10.0, None, ()),
    (RateLimited("one a second"), Code.RESOURCE_EXHAUSTED, "RATE_LIMITED", 1.0, "one a second", ()),
    (NotLeader("two:7443"), Code.UNAVAILABLE, "NOT_LEADER", 1.0, "the replica at two:7443 leads: ask it", ()),
    (
        Fenced("term 7 is over", 7),
        Code.UNAVAILABLE,
        "NOT_LEADER",
        1.0,
        "another replica began to lead meanwhile, and nothing was written; ask again",
        (),
    ),
    (StreamLimitReached("9 are open"), Code.RESOURCE_EXHAUSTED, "STREAM_LIMIT_REACHED", 10.0, "9 are open", ()),
    (TokenMissing("send a token"), Code.UNAUTHENTICATED, "TOKEN_MISSING", None, "send a token", ()),
    (TokenInvalid("not known"), Code.UNAUTHENTICATED, "TOKEN_INVALID", None, "not known", ()),
    (TokenExpired("too old"), Code.UNAUTHENTICATED, "TOKEN_EXPIRED", None, "too old", ()),
    (TokenRevoked("taken back"), Code.UNAUTHENTICATED, "TOKEN_REVOKED", None, "taken back", ()),
    (CertificateExpired("too old"), Code.UNAUTHENTICATED, "CERTIFICATE_EXPIRED", None, "too old", ()),
    (RoleMissing("anna needs the role operator"), Code.PERMISSION_DENIED, "ROLE_MISSING", None, None, ()),
    (NotListed("nobody may"), Code.PERMISSION_DENIED, "NOT_LISTED", None, "nobody may", ()),
    (
        StoreUnavailable("postgresql://msc:hunter2@db: no route"),
        Code.UNAVAILABLE,
        "STORE_UNAVAILABLE",
        2.0,
        "the database cannot be reached; the last policy is still served, with its age",
        (),
    ),
    (
        StaleState("generation 3 is over"),
        Code.ABORTED,
        "CONFLICT",
        1.0,
        "another process was writing; try again",
        (),
    ),
    (
        EvaluationFailed("KeyError: hunter2"),
        Code.INTERNAL,
        "EVALUATION_FAILED",
        None,
        "the evaluation failed and the policy was kept; ListEvaluations says what went wrong",
        (),
    ),
    (
        StoreError("the file hunter2 is damaged"),
        Code.INTERNAL,
        "STORE_FAILED",
        None,
        "the database refused; see the authority's log",
        (),
    ),
]
REASONS = [row[2] for row in ROWS]


class EndedCall(grpc.RpcError):
    """A call that ended with a status, as grpcio shows it."""

    def __init__(self, code: Code, text: str | None, metadata: Sequence[tuple[str, str | bytes]] | None) -> None:
        super().__init__()
        self._code, self._text, self._metadata = code, text, metadata

    def code(self) -> Code:
        return self._code

    def details(self) -> str | None:
        return self._text

    def trailing_metadata(self) -> Sequence[tuple[str, str | bytes]] | None:  # type: ignore[override]  # as it is
        return self._metadata


def refused(error: Exception) -> Refusal:
    refusal = refusal_of(error)
    assert refusal is not None
    return refusal


def received(refusal: Refusal) -> RemoteError:
    return remote_error(EndedCall(refusal.code, refusal.message, refusal.trailing_metadata()))


def status_in(refusal: Refusal) -> status_pb2.Status:
    [(_, value)] = refusal.trailing_metadata()
    return status_pb2.Status.FromString(value)


def test_there_is_a_row_here_for_every_row_of_the_table() -> None:
    assert [row.reason for row in TABLE] == REASONS
    assert [type(row[0]) for row in ROWS] == [row.kind for row in TABLE]


@pytest.mark.parametrize(("error", "code", "reason", "wait_s", "text", "fields"), ROWS, ids=REASONS)
def test_each_error_goes_out_with_its_status_reason_wait_text_and_fields(
    error: Exception, code: Code, reason: str, wait_s: float | None, text: str | None, fields: tuple[str, ...]
) -> None:
    refusal = refused(error)

    assert (refusal.code, refusal.reason, refusal.retry_s) == (code, reason, wait_s)
    assert refusal.message == (str(error) if text is None else text)
    assert tuple(problem.field for problem in refusal.problems) == fields
    assert "hunter2" not in refusal.message


@pytest.mark.parametrize("row", ROWS, ids=REASONS)
def test_the_details_are_one_error_info_and_only_what_applies_besides(
    row: tuple[Exception, Code, str, float | None, str | None, tuple[str, ...]],
) -> None:
    error, code, reason, wait_s, _, fields = row
    status = status_in(refused(error))

    kinds = [detail.type_url.rpartition(".")[2] for detail in status.details]
    assert kinds == ["ErrorInfo", *(["BadRequest"] if fields else []), *(["RetryInfo"] if wait_s else [])]
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, status.code) == (reason, "msc_policy", code.value[0])


@pytest.mark.parametrize("address", ["two:7443", ""])
def test_who_is_told_that_another_leads_is_told_where(address: str) -> None:
    info = error_details_pb2.ErrorInfo()
    assert status_in(refused(NotLeader(address))).details[0].Unpack(info)

    assert dict(info.metadata) == {"leader": address}


@pytest.mark.parametrize("row", ROWS, ids=REASONS)
def test_a_caller_gets_back_what_was_meant(
    row: tuple[Exception, Code, str, float | None, str | None, tuple[str, ...]],
) -> None:
    error, _, reason, wait_s, _, fields = row
    told = received(refused(error))

    assert (told.reason, told.retry_after_s) == (reason, wait_s)
    assert tuple(field for field, _ in told.fields) == fields
    assert told.message == refused(error).message
    # An answer with a reason is an answer, even where its status alone would look like silence.
    assert told.reachable


@pytest.mark.parametrize("reason", REASONS)
def test_only_a_replica_that_is_behind_or_stopping_is_worth_asking_again_at_once(reason: str) -> None:
    error = next(row[0] for row in ROWS if row[2] == reason)

    assert received(refused(error)).worth_retrying is (reason in {"REPLICA_BEHIND", "DRAINING"})


@pytest.mark.parametrize(
    ("code", "reachable", "retry"),
    [
        (Code.UNAVAILABLE, False, True),
        (Code.DEADLINE_EXCEEDED, False, False),
        (Code.UNIMPLEMENTED, True, False),
        (Code.UNAUTHENTICATED, True, False),
        (Code.UNKNOWN, True, False),
    ],
)
def test_a_status_without_details_goes_by_its_code(code: Code, reachable: bool, retry: bool) -> None:
    told = remote_error(EndedCall(code, "so it ended", None))

    assert (told.reason, told.reachable, told.worth_retrying) == (code.name, reachable, retry)
    assert (told.fields, told.retry_after_s, str(told)) == ((), None, "so it ended")


def test_a_status_without_any_text_is_told_by_its_name() -> None:
    assert str(remote_error(EndedCall(Code.CANCELLED, None, ()))) == "CANCELLED"


def test_details_of_other_kinds_and_metadata_of_others_are_passed_over() -> None:
    status = status_pb2.Status(code=14, message="x")
    status.details.add().Pack(error_details_pb2.DebugInfo(detail="y"))
    metadata = (("x-proxy", "edge"), ("grpc-status-details-bin", status.SerializeToString()))

    told = remote_error(EndedCall(Code.UNAVAILABLE, "x", metadata))

    assert (told.reason, told.reachable) == ("UNAVAILABLE", False)


def test_whoever_asks_for_several_wrong_things_is_told_of_all_of_them() -> None:
    told = received(
        refused(InvalidRequest(FieldProblem(field="a", problem="is wrong"), FieldProblem(field="b", problem="is long")))
    )

    assert told.fields == (("a", "is wrong"), ("b", "is long"))
    assert told.message == "a: is wrong; b: is long"


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), ValueError("x"), KeyError("x"), RpcProblem("x")])
def test_what_is_in_no_row_is_nobodys_business(error: Exception) -> None:
    assert refusal_of(error) is None


def test_an_opaque_error_names_its_id_and_nothing_else() -> None:
    told = received(opaque("id-7"))

    assert (told.reason, told.message) == ("INTERNAL", "internal error id-7; the authority's log has the details")
    assert (told.fields, told.retry_after_s, told.reachable, told.worth_retrying) == ((), None, True, False)


@pytest.mark.parametrize(("wait_s", "seconds", "nanos"), [(0.25, 0, 250_000_000), (90.0, 90, 0), (0.0, 0, 0)])
def test_a_wait_is_told_to_the_millisecond(wait_s: float, seconds: int, nanos: int) -> None:
    refusal = Refusal(code=Code.UNAVAILABLE, reason="DRAINING", message="x", retry_s=wait_s)
    retry = error_details_pb2.RetryInfo()

    assert status_in(refusal).details[1].Unpack(retry)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (seconds, nanos)
    assert received(refusal).retry_after_s == wait_s

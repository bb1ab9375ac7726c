from __future__ import annotations

import re

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no type information

from msc_authority.ports.store import StaleState, StoreError, StoreUnavailable
from msc_authority.rpc.errors import TABLE, FieldProblem, InvalidRequest, Refusal, Row, opaque, refusal_of


def status_in(refusal: Refusal) -> status_pb2.Status:
    [(key, value)] = refusal.trailing_metadata()
    assert key == "grpc-status-details-bin"
    return status_pb2.Status.FromString(value)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.reason)
def test_every_row_has_a_stable_reason_and_says_when_to_come_back_where_waiting_helps(row: Row) -> None:
    assert re.fullmatch(r"[A-Z][A-Z_]+", row.reason)
    assert (row.retry_s is not None) == (
        row.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED} or row.reason == "CONFLICT"
    )


def test_a_reason_is_answered_alike_whatever_it_came_from_and_no_kind_stands_twice() -> None:
    alike = {(row.reason, row.code, row.retry_s) for row in TABLE}
    assert len({reason for reason, _, _ in alike}) == len(alike)
    assert len({row.kind for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(StoreError("x"), "STORE_FAILED"), (StoreUnavailable("x"), "STORE_UNAVAILABLE"), (StaleState("x"), "CONFLICT")],
)
def test_a_special_kind_is_not_taken_for_the_general_one(error: Exception, reason: str) -> None:
    refusal = refusal_of(error)
    assert refusal
    assert refusal.reason == reason


def test_what_the_store_says_stays_inside() -> None:
    refusal = refusal_of(StoreUnavailable("postgresql://user:secret@host/db"))
    assert refusal
    assert "secret" not in refusal.message


def test_an_unexpected_error_is_in_no_row() -> None:
    assert refusal_of(ZeroDivisionError("x")) is None


def test_an_opaque_status_says_nothing_but_its_id() -> None:
    status = status_in(opaque("abc"))
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert "abc" in status.message


def test_a_status_carries_one_error_info_the_fields_and_the_wait() -> None:
    refusal = refusal_of(InvalidRequest(FieldProblem(field="a", problem="b"), FieldProblem(field="c", problem="d")))
    assert refusal
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    first, second = status_in(refusal).details
    assert first.Unpack(info)
    assert second.Unpack(request)
    assert (info.domain, info.reason) == ("msc_policy", "INVALID_REQUEST")
    assert [(item.field, item.description) for item in request.field_violations] == [("a", "b"), ("c", "d")]
    retry = error_details_pb2.RetryInfo()
    behind = refusal_of(StoreUnavailable("x"))
    assert behind
    assert status_in(behind).details[1].Unpack(retry)
    assert retry.retry_delay.seconds == 2

"""What is refused over gRPC is refused over HTTP by the same reason: who maps an exception maps it on both sides."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from msc_http import URL, problem_of

from msc_authority.app.access import RoleMissing, TokenExpired, TokenMissing
from msc_authority.app.broker import Draining
from msc_authority.app.leadership import NotLeader
from msc_authority.app.rates import StreamLimitReached
from msc_authority.http import errors as over_http
from msc_authority.ports.store import Fenced
from msc_authority.rpc import errors as over_grpc

OF_GRPC_ALONE = {row.kind for row in over_grpc.TABLE if row.kind.__module__ == over_grpc.__name__}
"""What the other room itself finds wrong with a call."""
OTHER_REASONS: dict[type[Exception], str] = {Draining: "STOPPING"}


async def answered(error: Exception) -> Response:
    app = FastAPI()
    over_http.answer_errors(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    async with AsyncClient(transport=ASGITransport(app=app), base_url=URL) as client:
        return await client.get("/")


@pytest.mark.parametrize(
    "row", [row for row in over_grpc.TABLE if row.kind not in OF_GRPC_ALONE], ids=lambda row: row.kind.__name__
)
def test_every_exception_of_the_other_table_has_a_row_by_the_same_reason(row: over_grpc.Row) -> None:
    found = [one for one in over_http.TABLE if one.kind is row.kind]

    assert [(one.reason, one.retry_s) for one in found] == [(OTHER_REASONS.get(row.kind, row.reason), row.retry_s)]


def test_every_exception_of_this_table_has_a_row_in_the_other() -> None:
    assert {row.kind for row in over_http.TABLE} <= {row.kind for row in over_grpc.TABLE}


def test_no_row_stands_behind_one_that_takes_its_exceptions_and_every_reason_is_explained() -> None:
    for place, row in enumerate(over_http.TABLE):
        assert not any(issubclass(row.kind, earlier.kind) for earlier in over_http.TABLE[:place]), row.kind
        assert row.reason in over_http.REASONS


@pytest.mark.parametrize(
    ("error", "status", "reason", "retry", "detail"),
    [
        (NotLeader("two:7443"), 503, "NOT_LEADER", "1", "the replica at two:7443 leads: ask it"),
        (
            Fenced("term 7 is over", 7),
            503,
            "NOT_LEADER",
            "1",
            "another replica began to lead meanwhile, and nothing was written; ask again",
        ),
        (StreamLimitReached("9 are open"), 429, "STREAM_LIMIT_REACHED", "10", "9 are open"),
        (RoleMissing("anna needs the role operator"), 403, "ROLE_MISSING", None, "anna needs the role operator"),
    ],
)
async def test_a_refusal_goes_out_with_what_to_do(
    error: Exception, status: int, reason: str, retry: str | None, detail: str
) -> None:
    answer = await answered(error)
    problem = problem_of(answer)

    assert (answer.status_code, problem["reason"], problem["detail"]) == (status, reason, detail)
    assert answer.headers.get("retry-after") == retry


@pytest.mark.parametrize(
    ("error", "challenge"),
    [
        (TokenMissing("send a token"), 'Bearer realm="msc"'),
        (
            TokenExpired("too old"),
            'Bearer realm="msc", error="invalid_token", error_description="TOKEN_EXPIRED"',
        ),
    ],
)
async def test_who_is_not_known_is_told_how_to_say_it(error: Exception, challenge: str) -> None:
    answer = await answered(error)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)

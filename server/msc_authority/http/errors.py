"""One table from exception to problem. What is not in it goes out opaque, and in full to the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from msc_authority.app.access import (
    CertificateExpired,
    NotListed,
    RoleMissing,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    Unauthenticated,
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
from msc_authority.http.models.problems import FieldProblem, Problem
from msc_authority.ports.store import Fenced, StaleState, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

_log = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
DOCS_PATH = "/docs"
NOT_KNOWN = "is not known; check its spelling"


class Refused(Exception):
    """A request that this room itself does not answer as asked."""

    def __init__(
        self,
        status: HTTPStatus,
        reason: str,
        detail: str,
        *,
        retry_s: int | None = None,
        errors: Sequence[FieldProblem] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail
        self.retry_s, self.errors = retry_s, tuple(errors)


@dataclass(frozen=True, slots=True)
class Row:
    """How one kind of exception goes out. `text` None: the exception's own."""

    kind: type[Exception]
    status: HTTPStatus
    reason: str
    retry_s: int | None = None
    text: str | None = None


# The first row that fits counts, so special kinds stand above general ones.
TABLE = (
    Row(InvalidMetric, HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID_METRIC"),
    Row(InvalidAct, HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID_ACT"),
    Row(OverrideNotFound, HTTPStatus.NOT_FOUND, "OVERRIDE_NOT_FOUND"),
    Row(StrategyUnknown, HTTPStatus.NOT_FOUND, "STRATEGY_UNKNOWN"),
    Row(RevisionUnknown, HTTPStatus.NOT_FOUND, "VERSION_NOT_FOUND"),
    Row(LooseningNotAllowed, HTTPStatus.CONFLICT, "LOOSENING_NOT_ALLOWED"),
    Row(NothingToResume, HTTPStatus.CONFLICT, "NOTHING_TO_RESUME"),
    Row(WrongStrategyState, HTTPStatus.CONFLICT, "WRONG_STRATEGY_STATE"),
    Row(StateUnreadable, HTTPStatus.CONFLICT, "STATE_UNREADABLE"),
    Row(RequestIdReused, HTTPStatus.CONFLICT, "REQUEST_ID_REUSED"),
    Row(Overtaken, HTTPStatus.CONFLICT, "OVERTAKEN"),
    Row(CallerGone, HTTPStatus.SERVICE_UNAVAILABLE, "CALLER_GONE"),
    Row(TooManyOverrides, HTTPStatus.CONFLICT, "TOO_MANY_OVERRIDES"),
    Row(LedgerUnreadable, HTTPStatus.SERVICE_UNAVAILABLE, "LEDGER_UNREADABLE", 5),
    Row(TooManyActs, HTTPStatus.TOO_MANY_REQUESTS, "TOO_MANY_ACTS", 1),
    Row(Draining, HTTPStatus.SERVICE_UNAVAILABLE, "STOPPING", 5),
    Row(WatcherLimitReached, HTTPStatus.TOO_MANY_REQUESTS, "WATCHER_LIMIT_REACHED", 10),
    Row(RateLimited, HTTPStatus.TOO_MANY_REQUESTS, "RATE_LIMITED", 1),
    Row(StreamLimitReached, HTTPStatus.TOO_MANY_REQUESTS, "STREAM_LIMIT_REACHED", 10),
    Row(TokenMissing, HTTPStatus.UNAUTHORIZED, TokenMissing.reason),
    Row(TokenInvalid, HTTPStatus.UNAUTHORIZED, TokenInvalid.reason),
    Row(TokenExpired, HTTPStatus.UNAUTHORIZED, TokenExpired.reason),
    Row(TokenRevoked, HTTPStatus.UNAUTHORIZED, TokenRevoked.reason),
    Row(CertificateExpired, HTTPStatus.UNAUTHORIZED, CertificateExpired.reason),
    Row(RoleMissing, HTTPStatus.FORBIDDEN, RoleMissing.reason),
    Row(NotListed, HTTPStatus.FORBIDDEN, NotListed.reason),
    Row(
        StoreUnavailable,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "STORE_UNAVAILABLE",
        2,
        "the database cannot be reached; the last policy is still served, with its age",
    ),
    Row(NotLeader, HTTPStatus.SERVICE_UNAVAILABLE, "NOT_LEADER", 1),
    Row(
        Fenced,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "NOT_LEADER",
        1,
        "another replica began to lead meanwhile, and nothing was written; ask again",
    ),
    Row(StaleState, HTTPStatus.CONFLICT, "CONFLICT", 1, "another process was writing; try again"),
    Row(
        EvaluationFailed,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "EVALUATION_FAILED",
        text="the evaluation failed and the policy was kept; last_failure of /api/msc/health says what went wrong",
    ),
    Row(
        StoreError,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "STORE_FAILED",
        text="the database refused; see the authority's log",
    ),
)

_OF_STATUS = {
    400: ("MALFORMED_BODY", "the body cannot be read; send one JSON object in UTF-8"),
    404: ("NOT_FOUND", f"nothing is here; {DOCS_PATH} lists what there is"),
    405: ("METHOD_NOT_ALLOWED", "this method is not answered here; the Allow header says which are"),
}

REASONS = {
    "MALFORMED_BODY": "The body is not JSON.",
    "INVALID_REQUEST": "A parameter or a field of the body makes no sense; `errors` says which.",
    "INVALID_METRIC": "A supplied metric makes no sense; `errors` says which.",
    "INVALID_ACT": "What is to be done makes no sense; `errors` says which field.",
    "OVERRIDE_NOT_FOUND": "No override of that id is in force; it may have expired.",
    "STRATEGY_UNKNOWN": "No evaluation has met a strategy of that id.",
    "VERSION_NOT_FOUND": "There is no such version in this epoch.",
    "LOOSENING_NOT_ALLOWED": "It would allow more than the controller does; allow_loosening says that this is meant.",
    "NOTHING_TO_RESUME": "No person has halted or reduced trading.",
    "WRONG_STRATEGY_STATE": "The strategy is retired already, or is not retired.",
    "STATE_UNREADABLE": "The controller's stored state cannot be read; only a halt can be done.",
    "REQUEST_ID_REUSED": "The request_id has done something else within the last day.",
    "OVERTAKEN": "Another person acted at the same time; look at what is in force, and act again.",
    "CALLER_GONE": "It may loosen something, and was not done within the 5 s that who asks is taken to wait.",
    "TOO_MANY_OVERRIDES": "As many overrides as may be are in force.",
    "LEDGER_UNREADABLE": "Trading stays HALTED: the journal cannot be read, and a resume needs it.",
    "TOO_MANY_ACTS": "Enough acts are under way already.",
    "HOST_NOT_ALLOWED": "The Host header names a host that this server does not answer for.",
    "ORIGIN_NOT_ALLOWED": "A page of another site asked.",
    "NOT_FOUND": "There is nothing at this path.",
    "METHOD_NOT_ALLOWED": "The path exists, but not for this method.",
    "BODY_TOO_LARGE": "The body is larger than 64 KiB.",
    "NOT_JSON": "The body has another media type than application/json.",
    "TOKEN_MISSING": "Nothing says who asks.",
    "TOKEN_INVALID": "What was sent is no token of this authority.",
    "TOKEN_EXPIRED": "The token has expired.",
    "TOKEN_REVOKED": "The token was revoked.",
    "CERTIFICATE_EXPIRED": "The certificate of the connection has expired since it was opened.",
    "ROLE_MISSING": "Who asks may not do this; `detail` names the role it takes.",
    "NOT_LISTED": "Nobody may ask for this.",
    "BODY_TOO_SLOW": "The body did not come within 10 s.",
    "RATE_LIMITED": "Too many requests came, or enough evaluations are waiting already.",
    "STREAM_LIMIT_REACHED": "Who asks has as many streams open as it may.",
    "WATCHER_LIMIT_REACHED": "Enough watches are open already.",
    "TOO_MANY_STREAMS": "Enough streams of events are open already.",
    "NOT_LEADER": "Another replica evaluates, and did not do so in time; `detail` says where it is.",
    "CONFLICT": "Another process was writing at the same time.",
    "STORE_UNAVAILABLE": "The database does not answer. An act may have been done: see what is in force.",
    "STORE_FAILED": "The database refused.",
    "EVALUATION_FAILED": "The evaluation could not be made; the policy was kept.",
    "NO_POLICY": "There is no policy yet.",
    "HEAD_UNCONFIRMED": "The database has not confirmed the policy for too long.",
    "STOPPING": "The authority is stopping.",
    "INTERNAL": "Something unexpected; the authority's log has it under the id in `detail`.",
}
"""Every reason that a problem may have, and what it means."""


def problem_answer(
    status: HTTPStatus,
    reason: str,
    detail: str,
    *,
    errors: Sequence[FieldProblem] = (),
    retry_s: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Returns a problem as it goes out."""
    problem = Problem(
        type=f"{DOCS_PATH}#{reason.lower().replace('_', '-')}",
        title=status.phrase,
        status=status,
        detail=detail,
        reason=reason,
        errors=list(errors),
    )
    retry = {} if retry_s is None else {"Retry-After": str(retry_s)}
    return JSONResponse(
        problem.model_dump(), status, {"Cache-Control": "no-store", **(headers or {}), **retry}, PROBLEM_TYPE
    )


def plain_answer(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Returns the problem that a status stands for where nothing more is known."""
    reason, detail = _OF_STATUS.get(status, (status.name, status.description or status.phrase))
    return problem_answer(status, reason, detail, headers=headers)


def unexpected_answer(error: Exception, new_id: Callable[[], str]) -> JSONResponse:
    """Returns nothing but the id under which the log has an exception that nobody expected."""
    error_id = new_id()
    _log.error("Unexpected error %s answering over HTTP", error_id, exc_info=error)
    detail = f"internal error {error_id}; the authority's log has the details"
    return problem_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", detail)


def answer_errors(app: FastAPI) -> None:
    """Has `app` answer every exception that is expected as a problem."""
    app.add_exception_handler(HTTPException, _of_status)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(Refused, _of_refused)
    for row in TABLE:
        app.add_exception_handler(row.kind, _of_row)


def _of_status(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    return plain_answer(status, error.headers)


def _of_validation(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [
        FieldProblem(field=_place(item["loc"]), problem=_sentence(item["type"], item["msg"])) for item in error.errors()
    ]
    detail = "; ".join(f"{problem.field}: {problem.problem}" for problem in problems)
    return problem_answer(HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID_REQUEST", detail, errors=problems)


def _place(location: Sequence[object]) -> str:
    # The first part is where it was looked for: query, header or body.
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return NOT_KNOWN
    return message.removeprefix("Value error, ")


def _of_refused(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, Refused):
        raise error
    return problem_answer(error.status, error.reason, error.detail, errors=error.errors, retry_s=error.retry_s)


def _of_row(_: Request, error: Exception) -> JSONResponse:
    row = next(row for row in TABLE if isinstance(error, row.kind))
    if row.status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("Answering over HTTP failed: %s", error, exc_info=error)
    return problem_answer(
        row.status,
        row.reason,
        row.text or str(error),
        errors=_problems_of(error),
        retry_s=row.retry_s,
        headers={"WWW-Authenticate": challenge(error)} if isinstance(error, Unauthenticated) else None,
    )


def challenge(error: Unauthenticated) -> str:
    """Returns how a caller may say who it is, and what was wrong with what it said."""
    # https://www.rfc-editor.org/rfc/rfc6750#section-3: without a token, no error is named.
    named = "" if isinstance(error, TokenMissing) else f', error="invalid_token", error_description="{error.reason}"'
    return f'Bearer realm="msc"{named}'


def _problems_of(error: Exception) -> tuple[FieldProblem, ...]:
    if isinstance(error, InvalidMetric):
        return (FieldProblem(field=f"what_if.{error.field}", problem=error.problem),)
    if isinstance(error, InvalidAct):
        return (FieldProblem(field="lasts_s" if error.field == "lasts" else error.field, problem=error.problem),)
    return ()

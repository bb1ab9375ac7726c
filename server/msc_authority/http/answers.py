"""How answers go out, and how the OpenAPI document says which there are."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from starlette.responses import Response

from msc_authority.http.errors import PROBLEM_TYPE

# Any: FastAPI's own type of what an operation may answer.
Documented = dict[int | str, dict[str, Any]]

API = "/api/msc"
PROBLEM_SCHEMA = "Problem"

_MEANING: Final = {
    400: "The body cannot be read.",
    401: "It is not known who asks.",
    403: "Who asks lacks a role, the Host header names another host, or a page of another site asked.",
    404: "What is named is not there.",
    408: "The body did not come in time.",
    409: "Another process was writing, or it cannot be done as things are; `reason` says why.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A parameter or a field makes no sense.",
    429: "Too many requests came, or enough evaluations are waiting already.",
    500: "Something went wrong; the log has the details.",
    503: "The database does not answer, or the authority cannot be relied on now.",
}


def json_answer(answer: BaseModel, headers: dict[str, str] | None = None) -> Response:
    """Returns a model as JSON, which nobody is to keep."""
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(answer.model_dump_json(), headers=kept, media_type="application/json")


def problems(*statuses: int) -> Documented:
    """Returns how the document tells of these problems, and of those that may meet any request."""
    schema = {"$ref": f"#/components/schemas/{PROBLEM_SCHEMA}"}
    return {
        status: {"description": _MEANING[status], "content": {PROBLEM_TYPE: {"schema": schema}}}
        for status in sorted({*statuses, 401, 403, 413, 429, 500})
    }


def no_content(status: HTTPStatus, description: str) -> Documented:
    """Returns how the document tells of an answer without a body."""
    return {int(status): {"description": description}}

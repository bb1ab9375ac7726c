"""Asking for an evaluation."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Body, Depends, FastAPI, Request, Response

from msc_authority.app.access import actor
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.insight import Insight
from msc_authority.http.answers import API, json_answer, problems
from msc_authority.http.errors import Refused
from msc_authority.http.models.evaluations import EvaluateAnswer, EvaluateRequest


def add_evaluating(app: FastAPI, insight: Insight) -> None:
    """Adds the route."""

    @app.post(
        f"{API}/evaluate",
        response_model=EvaluateAnswer,
        response_description="What it led to.",
        responses=problems(400, 408, 409, 415, 422, 429, 503),
        dependencies=[Depends(is_json)],
    )
    async def evaluate(
        asked: Annotated[EvaluateRequest | None, Body(description="Optional: an empty request commits.")] = None,
    ) -> Response:
        """Evaluate the journal now and commit; with dry_run or what_if, say what would be decided and write nothing."""
        outcome = await _outcome(insight, asked or EvaluateRequest(), actor())
        return json_answer(EvaluateAnswer.of(outcome))


async def _outcome(insight: Insight, asked: EvaluateRequest, peer: str) -> EvaluationOutcome:
    if asked.what_if is not None:
        return await insight.what_if(asked.what_if.supplied())
    if asked.dry_run:
        return await insight.preview(requested_by=peer, reason=asked.reason)
    return await insight.evaluate(request_id=asked.request_id, requested_by=peer, reason=asked.reason)


def is_json(request: Request) -> None:
    """Refuses a body that is said to be something else than JSON. Raises Refused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Without a body nothing has to be said of it; curl -X POST sends neither.
    if kind and kind != "application/json":
        detail = 'send the body as application/json: curl -H "Content-Type: application/json"'
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "NOT_JSON", detail)

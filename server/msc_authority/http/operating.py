"""What persons do, and what they have put in force."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, FastAPI, Response

from msc_authority.app.insight import Insight
from msc_authority.app.operations import actor_of
from msc_authority.http.answers import API, json_answer, problems
from msc_authority.http.evaluating import is_json
from msc_authority.http.models.operator import ActAnswer, ActRequest, OverridesAnswer


def add_operating(app: FastAPI, insight: Insight) -> None:
    """Adds the routes."""

    @app.get(
        f"{API}/overrides",
        response_model=OverridesAnswer,
        response_description="The overrides.",
        responses=problems(409, 422, 503),
    )
    async def overrides() -> Response:
        """What persons have put in force, as the database has it."""
        return json_answer(OverridesAnswer.of(await insight.overrides_now()))

    @app.post(
        f"{API}/act",
        response_model=ActAnswer,
        response_description="What became of it.",
        responses=problems(400, 404, 408, 409, 415, 422, 429, 503),
        dependencies=[Depends(is_json)],
    )
    async def act(asked: Annotated[ActRequest, Body(description="What to do, and why.")]) -> Response:
        """Do one thing at once: halt, reduce, resume, pin, limit, bench, retire, reinstate, roll back or lift."""
        actor, wanted = actor_of(asked.actor), asked.act()
        if asked.dry_run:
            outcome = await insight.preview_act(wanted, actor=actor, reason=asked.reason)
        else:
            outcome = await insight.act(wanted, actor=actor, reason=asked.reason, request_id=asked.request_id)
        return json_answer(ActAnswer.of(outcome))

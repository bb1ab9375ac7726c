"""Whether the process is up, whether what it serves can be relied on, and how it fares in numbers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import FastAPI, Header, Response

from msc_authority.app.insight import Insight
from msc_authority.app.vitals import UNCONFIRMED_AFTER_S
from msc_authority.http.answers import Documented, json_answer, problems
from msc_authority.http.errors import Refused
from msc_authority.http.models.basics import Answer, RefAnswer

if TYPE_CHECKING:
    from msc_authority.http.metrics import Metrics

METRICS_PATH = "/metrics"


class Up(Answer):
    """The process answers."""

    status: Literal["up"] = "up"


class Ready(Answer):
    """There is a policy, and the database confirms it."""

    status: Literal["ready"] = "ready"
    head: RefAnswer


def add_probes(app: FastAPI, insight: Insight) -> None:
    """Adds the routes."""

    @app.get("/healthz", response_model=Up, response_description="It is up.", responses=problems())
    async def healthz() -> Response:
        """Whether the process is up. Says nothing of the policy."""
        return json_answer(Up())

    @app.get("/readyz", response_model=Ready, response_description="It can.", responses=problems(503))
    async def readyz() -> Response:
        """Whether there is a policy that can be vouched for."""
        check_ready(insight)
        return json_answer(Ready(head=RefAnswer.of_head(insight.current.head)))


def add_metrics(app: FastAPI, metrics: Metrics) -> None:
    """Adds the route."""
    text = {"schema": {"type": "string"}}
    content = dict.fromkeys(("text/plain", "application/openmetrics-text"), text)
    described: Documented = {
        200: {"description": "The metrics, in the form that the Accept header asks for.", "content": content}
    }

    @app.get(METRICS_PATH, response_class=Response, responses=problems(422) | described)
    async def metrics_now(accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
        """What is observed, for Prometheus."""
        body, content_type = metrics.render(accept)
        return Response(body, headers={"Cache-Control": "no-store", "Content-Type": content_type})


def check_ready(insight: Insight) -> None:
    """Returns if the policy can be relied on.

    Raises:
        Refused: it cannot, with the reason.
    """
    age_s = insight.freshness().replica_age_s
    if insight.observation.draining:
        raise _not_ready("STOPPING", "the authority is stopping")
    if insight.current.head.policy is None:
        raise _not_ready("NO_POLICY", "there is no policy yet; the first evaluation makes one")
    if age_s > UNCONFIRMED_AFTER_S:
        raise _not_ready("HEAD_UNCONFIRMED", f"the database has not confirmed the policy for {age_s:.0f} s")


def _not_ready(reason: str, detail: str) -> Refused:
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, reason, detail, retry_s=2)

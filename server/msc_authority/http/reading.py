"""What can be read: status, health, history, strategies, clients, alerts."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Header, Query, Response

from msc_authority.app.insight import Evaluations, Insight
from msc_authority.core.policy import PolicyRef
from msc_authority.http.answers import API, Documented, json_answer, no_content, problems
from msc_authority.http.etags import matches
from msc_authority.http.glance import Glance
from msc_authority.http.models.alerts import AlertAnswer, AlertsAnswer
from msc_authority.http.models.evaluations import FailureAnswer, HealthAnswer, HealthReport, StrategiesAnswer
from msc_authority.http.models.fleet import ClientsAnswer
from msc_authority.http.models.policies import HistoryAnswer
from msc_authority.http.models.status import StatusAnswer, VersionsAnswer
from msc_authority.ports.store import StoreError

_ETAG = {"ETag": {"description": "Weak tag over what is not moved by time alone.", "schema": {"type": "string"}}}


class Reading:
    """Answers from what the authority says of itself."""

    def __init__(self, insight: Insight, versions: VersionsAnswer) -> None:
        self._insight, self._glance = insight, Glance(insight, versions)

    async def status(
        self,
        if_none_match: Annotated[str | None, Header(description="ETag of the status that is known already.")] = None,
    ) -> Response:
        """The authority at one glance: the policy, its health, who follows it, what is wrong."""
        answer, etag = self._glance.status(await self._known_evaluations())
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if if_none_match is not None and matches(if_none_match, etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return json_answer(answer, headers)

    async def _known_evaluations(self) -> Evaluations | None:
        # The policy in force is known without the database, and is what matters most while that is away.
        try:
            return await self._insight.evaluations()
        except StoreError:
            # Away or damaged: those that read it all the time say so in the log, this says it in the answer.
            return None

    async def health(self) -> Response:
        """The grade of the whole system, each metric beside its threshold, and why."""
        found = await self._insight.evaluations()
        latest = found.latest
        return json_answer(
            HealthAnswer(
                health=HealthReport.of(latest.verdict) if latest and latest.verdict else None,
                next_evaluation_in_s=self._insight.next_evaluation_in_s(),
                last_failure=FailureAnswer.of(found.failure) if found.failure else None,
            )
        )

    async def history(
        self,
        limit: Annotated[int, Query(ge=1, le=200, description="Revisions to return.")] = 10,
        before: Annotated[
            str | None,
            Query(
                # So long, and no longer, every number fits into any store.
                pattern=r"^[0-9]{1,18}:[0-9]{1,18}$",
                description="Only revisions older than this EPOCH:VERSION; `next_before` of the page before.",
            ),
        ] = None,
    ) -> Response:
        """The policies there were, newest first, with what each changed."""
        found = await self._insight.history(_ref_of(before) if before else None, limit + 1)
        return json_answer(HistoryAnswer.of(found, limit))

    async def strategies(self) -> Response:
        """The ranking of the last evaluation with every part of each score."""
        return json_answer(StrategiesAnswer.of(*await self._insight.strategies()))

    async def clients(self) -> Response:
        """Who follows the policy, which version each acts on, and how far it is behind."""
        return json_answer(ClientsAnswer.of(self._insight.current.head, self._insight.observation.clients))

    async def alerts(self) -> Response:
        """What a person should look at, and what to do about it."""
        links = self._insight.links
        return json_answer(AlertsAnswer(alerts=[AlertAnswer.of(alert, links) for alert in self._insight.alerts]))


def _ref_of(text: str) -> PolicyRef:
    epoch, _, version = text.partition(":")
    return PolicyRef(int(epoch), int(version))


def add_reading(app: FastAPI, reading: Reading) -> None:
    """Adds the routes."""
    not_modified = no_content(HTTPStatus.NOT_MODIFIED, "Nothing but time has moved since If-None-Match.")
    with_etag: Documented = {200: {"description": "The status.", "headers": _ETAG}}
    app.get(f"{API}/status", response_model=StatusAnswer, responses=problems(422) | not_modified | with_etag)(
        reading.status
    )
    app.get(
        f"{API}/health", response_model=HealthAnswer, response_description="The health.", responses=problems(422, 503)
    )(reading.health)
    app.get(
        f"{API}/history", response_model=HistoryAnswer, response_description="A page.", responses=problems(422, 503)
    )(reading.history)
    app.get(
        f"{API}/strategies",
        response_model=StrategiesAnswer,
        response_description="The ranking.",
        responses=problems(422, 503),
    )(reading.strategies)
    app.get(f"{API}/clients", response_model=ClientsAnswer, response_description="The fleet.", responses=problems(422))(
        reading.clients
    )
    app.get(f"{API}/alerts", response_model=AlertsAnswer, response_description="The alerts.", responses=problems(422))(
        reading.alerts
    )

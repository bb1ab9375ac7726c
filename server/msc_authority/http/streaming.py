"""The stream of events, as server-sent events."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query
from starlette.responses import StreamingResponse

from msc_authority.http.answers import API, Documented, problems
from msc_authority.http.errors import Refused
from msc_authority.http.events import KINDS
from msc_authority.http.feed import Feed, TooManySubscribers
from msc_authority.http.models.alerts import AlertAnswer
from msc_authority.http.models.basics import Answer
from msc_authority.http.models.events import ActEvent, BlockEvent, EndEvent, EvaluationEvent, GapEvent, PolicyEvent
from msc_authority.http.models.fleet import ClientEvent
from msc_authority.http.models.problems import FieldProblem

EVENT_STREAM = "text/event-stream"
KEEP_ALIVE_S = 15.0
CONTENTS: Mapping[str, type[Answer]] = {
    "policy": PolicyEvent,
    "evaluation": EvaluationEvent,
    "alert": AlertAnswer,
    "client": ClientEvent,
    "block": BlockEvent,
    "act": ActEvent,
    "gap": GapEvent,
    "end": EndEvent,
}
"""What stands in `data` of each kind of event."""

_KIND = f"({'|'.join(KINDS)})"
_LISTED = ", ".join(f"`{kind}`: {model.__name__}" for kind, model in CONTENTS.items())
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def add_streaming(app: FastAPI, feed: Feed, keep_alive_s: float) -> None:
    """Adds the route."""

    @app.get(f"{API}/events", response_class=StreamingResponse, responses=_answers())
    async def events(
        types: Annotated[
            str | None,
            Query(
                description=f"Kinds of events to send, separated by commas: {', '.join(KINDS)}.",
                json_schema_extra={"pattern": f"^{_KIND}(,{_KIND})*$"},
            ),
        ] = None,
        last_event_id: Annotated[
            str | None, Header(pattern="^[0-9]{1,18}$", description="Goes on after this event; 0: all that are kept.")
        ] = None,
    ) -> StreamingResponse:
        """What happens, as it happens, until the caller goes away."""
        kinds = _kinds_of(types) if types is not None else ()
        after = int(last_event_id) if last_event_id is not None else None
        try:
            feed.check_room()
        except TooManySubscribers as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "TOO_MANY_STREAMS", str(error), retry_s=10) from error
        return StreamingResponse(feed.stream(kinds, after, keep_alive_s), headers=_HEADERS, media_type=EVENT_STREAM)


def _kinds_of(types: str) -> list[str]:
    kinds = [kind.strip() for kind in types.split(",") if kind.strip()]
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown or not kinds:
        what = f"knows no {', '.join(unknown)}" if unknown else "is empty"
        problem = FieldProblem(field="types", problem=f"{what}; choose from {', '.join(KINDS)}")
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID_REQUEST", f"types: {problem.problem}", errors=[problem])
    return kinds


def _answers() -> Documented:
    # Any: FastAPI's own type of an operation's answers.
    text: dict[str, Any] = {
        "description": f"Server-sent events with `id`, `event` and `data`. `data` is JSON: {_LISTED}. A comment every "
        "15 s keeps the connection alive. `gap` says that events are missing, `end` that and why the stream ends.",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    }
    return problems(422, 503) | {200: text}

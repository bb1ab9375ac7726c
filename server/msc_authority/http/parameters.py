"""Parameters of the query that nobody asked for: a misspelt one is refused, and not passed over in silence."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.routing import APIRoute
from starlette.requests import Request

from msc_authority.http.answers import API
from msc_authority.http.errors import NOT_KNOWN, Refused
from msc_authority.http.models.problems import FieldProblem


def known_parameters(request: Request) -> None:
    """Refuses a request to the API whose query holds what its route does not know. Raises Refused."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not route.path.startswith(f"{API}/"):
        return
    known = {parameter.alias for parameter in route.dependant.query_params}
    unknown = [
        FieldProblem(field=name, problem=NOT_KNOWN) for name in dict.fromkeys(request.query_params) if name not in known
    ]
    if unknown:
        detail = "; ".join(f"{problem.field}: {problem.problem}" for problem in unknown)
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "INVALID_REQUEST", detail, errors=unknown)

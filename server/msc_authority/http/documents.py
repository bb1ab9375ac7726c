"""The OpenAPI document, and a page that shows it. Nothing of it is loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from pydantic.json_schema import models_json_schema

from msc_authority.app.access import Role, need_of_route
from msc_authority.http.errors import DOCS_PATH, REASONS
from msc_authority.http.models.problems import Problem
from msc_authority.http.streaming import CONTENTS

# Any: a JSON document.
Document = dict[str, Any]

BEARER = "token"
TITLE = "Meta Strategy Controller"
DESCRIPTION = (
    "One policy for every trading process, decided from real performance. Instants are RFC 3339 in UTC; what ends in "
    "_s is in seconds, in _pct in percent, in _fraction a fraction from 0 to 1; null means unknown. Everything that "
    "goes wrong is answered as application/problem+json. HEAD answers what GET does, without the body, everywhere but "
    "at /api/msc/events."
)
_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem}code,h2{font-family:ui-monospace,monospace}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0}"
    "td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884}"
    "td{overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}"
)


def describe(app: FastAPI) -> None:
    """Has the OpenAPI document of `app` also hold what stands in problems and in events."""

    def openapi() -> Document:
        if not app.openapi_schema:
            document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
            document["components"]["schemas"] |= _further_schemas()
            document["components"]["securitySchemes"] = {BEARER: {"type": "http", "scheme": "bearer"}}
            for path, methods in document["paths"].items():
                for method, operation in methods.items():
                    operation["security"] = _security(method.upper(), path)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to extend its document


def _security(method: str, path: str) -> list[Document]:
    need = need_of_route(method, path)
    # Nobody has to show anything where whoever is on the authority's machine is let in.
    return [{}, {BEARER: [str(need)]}] if isinstance(need, Role) else [{}]


def _further_schemas() -> Document:
    models = [(model, "serialization") for model in (Problem, *CONTENTS.values())]
    _, schema = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # a list of pairs is what it takes
    found: Document = schema["$defs"]
    return found


def add_documents(app: FastAPI) -> None:
    """Adds the route of the page."""

    @app.get(DOCS_PATH, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page_of(app.openapi()), headers={"Cache-Control": "no-cache"})


def page_of(document: Mapping[str, Any]) -> str:
    """Returns a page about an OpenAPI document, without scripts."""
    return "\n".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(TITLE)}: REST</title>",
            f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>",
            f"<h1>{escape(TITLE)}: REST</h1><p>{escape(DESCRIPTION)}</p>",
            "<p>For programs: <a href=openapi.json>openapi.json</a></p>",
            *_operations(document["paths"]),
            "<h1>Answers</h1>",
            *_schemas(document["components"]["schemas"]),
            "<h1>Problems</h1>",
            *(f"<h2 id={_anchor(reason)}>{reason}</h2><p>{escape(text)}</p>" for reason, text in REASONS.items()),
        ]
    )


def _operations(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation.get('description', ''))}</p>"
            taken = [*operation.get("parameters", ()), *_body(operation)]
            if taken:
                yield _table(("Takes", "Type", ""), ((each["name"], *_typed(each)) for each in taken))
            answers = sorted(operation["responses"].items())
            yield _table(("Answers", "With", ""), ((status, *_answer(answer)) for status, answer in answers))


def _body(operation: Mapping[str, Any]) -> list[Document]:
    body = operation.get("requestBody")
    return [{"name": "body", "schema": body["content"]["application/json"]["schema"]}] if body else []


def _typed(each: Mapping[str, Any]) -> tuple[str, str]:
    schema = each["schema"]
    return _type(schema), escape(each.get("description") or schema.get("description") or "")


def _answer(answer: Mapping[str, Any]) -> tuple[str, str]:
    content = answer.get("content", {})
    kinds = ", ".join(f"{kind}: {_type(what.get('schema', {}))}" for kind, what in content.items())
    return kinds, escape(answer["description"])


def _schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        yield f"<h2 id={escape(name)}>{escape(name)}</h2><p>{escape(schema.get('description', ''))}</p>"
        fields = schema.get("properties", {}).items()
        yield _table(
            ("Field", "Type", ""),
            ((escape(field), _type(what), escape(what.get("description", ""))) for field, what in fields),
        )


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href=#{name}>{name}</a>"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_type(each) for each in schema[several])
    if "enum" in schema:
        return " or ".join(escape(str(each)) for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return escape(str(schema.get("const") or schema.get("format") or schema.get("type", "")))


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>{body}</table>"


def _anchor(reason: str) -> str:
    return reason.lower().replace("_", "-")

"""The OpenAPI document: whatever is sent, the answer is one that it announces, and never a 5xx."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from msc_http import a_face, serving, talking
from msc_served import served
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from msc_authority.http.documents import page_of
from msc_authority.http.errors import REASONS

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
]
EXAMPLES = 30
MAY_BE_WRONG = ("/api/msc/history", "/api/msc/evaluate", "/api/msc/act")
"""Where something can be sent that the document does not allow. Any header is a tag, or none."""
TALKATIVE = ("/api/msc/act",)
"""Where more makes no sense than a document can say: a reason of blanks, loosening for two days."""
FAIR = [check for check in CHECKS if check is not positive_data_acceptance]
ENDLESS = "/api/msc/events"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    return a_face().app.openapi()


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_route_is_in_the_document(document: Document) -> None:
    found = {f"{method.upper()} {path}" for path, method, _ in operations(document)}

    assert found == {
        *(f"GET /api/msc/{name}" for name in ("status", "health", "history", "strategies", "clients", "alerts")),
        "GET /api/msc/overrides",
        "POST /api/msc/act",
        "GET /api/msc/events",
        "POST /api/msc/evaluate",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


def test_every_operation_says_what_it_does_and_every_error_is_a_problem(document: Document) -> None:
    for path, method, operation in operations(document):
        assert operation["description"].endswith("."), path
        answers = operation["responses"]
        assert {"403", "500"} <= set(answers), (method, path)
        for status, answer in answers.items():
            assert answer["description"] not in ("", "Successful Response"), (path, status)
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (path, status)


def test_every_field_with_a_unit_has_it_in_its_name_or_its_description(document: Document) -> None:
    words = r"second|percent|fraction|Fraction|in R|factor|Factor|count|currency|null|Share|Probability|Seconds"
    for name, schema in document["components"]["schemas"].items():
        for field, what in schema.get("properties", {}).items():
            is_float = what.get("type") == "number"
            named = re.search(r"(_s|_pct|_fraction|_r|_n)$", field)
            assert not is_float or named or re.search(words, what.get("description", "")), (name, field)


def test_a_validity_says_on_which_clock_it_counts(document: Document) -> None:
    schemas = document["components"]["schemas"]

    assert "of the authority's clock" in schemas["PolicyAnswer"]["properties"]["valid_for_s"]["description"]
    assert "Real seconds" in schemas["FreshnessAnswer"]["properties"]["ttl_s"]["description"]


def test_every_reference_leads_somewhere(document: Document) -> None:
    names = set(re.findall(r"#/components/schemas/(\w+)", str(document)))

    assert names <= set(document["components"]["schemas"])
    assert {"Problem", "PolicyEvent", "BlockEvent", "EndEvent"} <= set(document["components"]["schemas"])


async def test_the_page_shows_every_path_schema_and_reason_and_loads_nothing() -> None:
    async with talking() as client:
        page = (await client.get("/docs")).text
        document = (await client.get("/openapi.json")).json()

    assert page == page_of(document)
    for word in (*document["paths"], *document["components"]["schemas"], *REASONS):
        assert word in page
    assert not re.search(r"<(script|link|img|iframe)|https?://|@import|url\(", page)
    targets = set(re.findall(r"href=#([\w-]+)", page))
    assert targets <= set(re.findall(r"id=([\w-]+)", page))


@pytest.mark.parametrize("path", [path for path in sorted(a_face().app.openapi()["paths"]) if path != ENDLESS])
async def test_whatever_is_sent_is_answered_as_announced(path: str) -> None:
    async with served() as scene:
        await scene.publish()
        with serving(a_face(scene.authority.insight)) as site:
            # In a thread: evaluations run on this loop.
            await asyncio.to_thread(attack, site.url, path)


def attack(url: str, path: str) -> None:
    """Sends what fits the document and what does not, and checks every answer."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json").include(path=path)
    found = list(schema.get_all_operations())
    assert found
    for one in found:
        operation = one.ok()  # type: ignore[union-attr]  # one that cannot be read fails here
        attack_operation(operation.as_strategy(), [check for check in CHECKS if path not in TALKATIVE or check in FAIR])
        if path in MAY_BE_WRONG:
            attack_operation(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE), CHECKS)


def attack_operation(strategy: SearchStrategy[schemathesis.Case[Any]], checks: list[CheckFunction]) -> None:
    @given(case=strategy)
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def run(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=checks)

    run()

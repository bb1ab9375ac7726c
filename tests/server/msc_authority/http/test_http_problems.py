"""Everything that goes wrong is answered as a problem, in words that say what to do, and without any internals."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from msc_http import LOOPBACK, a_face, problem_of, talking
from msc_live import a_head
from msc_observed import StillInsight, an_observation
from msc_served import served

from msc_authority.app.access import ROUTES
from msc_authority.app.broker import Draining, Freshness
from msc_authority.app.evaluate import EvaluationFailed, EvaluationOutcome, InvalidMetric
from msc_authority.app.scheduler import TooManyEvaluations
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.http.errors import REASONS, answer_errors
from msc_authority.http.evaluating import add_evaluating
from msc_authority.http.guard import MAX_BODY_BYTES, Guard
from msc_authority.http.hosts import Hosts
from msc_authority.ports.store import StaleState, StoreError, StoreUnavailable

JSON = {"Content-Type": "application/json"}
SECRET = "postgresql://user:hunter2@db"


class Failing(StillInsight):
    """An authority whose evaluations fail."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self.failure = failure

    async def evaluate(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        raise self.failure

    async def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        raise self.failure


@pytest.mark.parametrize(
    ("error", "status", "reason", "retry"),
    [
        (TooManyEvaluations("16 are waiting"), 429, "RATE_LIMITED", "1"),
        (StoreUnavailable(SECRET), 503, "STORE_UNAVAILABLE", "2"),
        (StaleState(SECRET), 409, "CONFLICT", "1"),
        (EvaluationFailed(SECRET), 500, "EVALUATION_FAILED", None),
        (StoreError(SECRET), 500, "STORE_FAILED", None),
        (Draining("the authority has stopped"), 503, "STOPPING", "5"),
        (ZeroDivisionError(SECRET), 500, "INTERNAL", None),
    ],
)
async def test_what_fails_inside_has_a_status_a_reason_and_no_internals(
    error: Exception, status: int, reason: str, retry: str | None
) -> None:
    async with talking(Failing(error)) as client:
        response = await client.post("/api/msc/evaluate")

    problem = problem_of(response)
    assert (response.status_code, problem["reason"]) == (status, reason)
    assert response.headers.get("retry-after") == retry
    assert "hunter2" not in response.text
    assert reason in REASONS


async def test_an_unexpected_error_goes_out_as_an_id_under_which_the_log_has_all_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with talking(Failing(ZeroDivisionError("seven by nothing"))) as client:
        response = await client.post("/api/msc/evaluate")

    assert "id-1" in str(problem_of(response)["detail"])
    assert "seven" not in response.text
    record = next(record for record in caplog.records if "id-1" in record.getMessage())
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert isinstance(record.exc_info[1], ZeroDivisionError)


async def test_a_supplied_metric_that_makes_no_sense_is_named() -> None:
    error = InvalidMetric("drawdown_pct: must be a finite number")
    async with talking(Failing(error)) as client:
        response = await client.post("/api/msc/evaluate", json={"what_if": {"drawdown_pct": 1}})

    problem = problem_of(response)
    assert (response.status_code, problem["reason"]) == (422, "INVALID_METRIC")
    assert problem["errors"] == [{"field": "what_if.drawdown_pct", "problem": "must be a finite number"}]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/msc/history?limit=0", "limit"),
        ("/api/msc/history?limit=201", "limit"),
        ("/api/msc/history?limit=ten", "limit"),
        ("/api/msc/history?limit=1e1", "limit"),
        ("/api/msc/history?before=7", "before"),
        ("/api/msc/history?before=-1:2", "before"),
        ("/api/msc/history?before=7:9223372036854775808", "before"),
        ("/api/msc/events?types=", "types"),
        ("/api/msc/events?types=policy,weather", "types"),
    ],
)
async def test_a_parameter_that_makes_no_sense_is_named(path: str, field: str) -> None:
    async with talking() as client:
        response = await client.get(path)

    problem = problem_of(response)
    assert (response.status_code, problem["reason"]) == (422, "INVALID_REQUEST")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert [error["field"] for error in errors] == [field]


@pytest.mark.parametrize("limit", [1, 200])
async def test_the_bounds_of_a_page_are_allowed(limit: int) -> None:
    async with talking() as client:
        assert (await client.get(f"/api/msc/history?limit={limit}")).status_code == 200


@pytest.mark.parametrize("number", ["x", "-1", "1" * 19])
async def test_an_event_id_that_was_never_told_is_refused(number: str) -> None:
    async with talking() as client:
        response = await client.get("/api/msc/events", headers={"Last-Event-ID": number})

    assert response.status_code == 422
    assert "last-event-id" in str(problem_of(response)["detail"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"reson": "misspelt"}', "reson"),
        ('{"what_if": {"drawdown": 3}}', "what_if.drawdown"),
        ('{"what_if": {"drawdown_pct": "3"}}', "what_if.drawdown_pct"),
        ('{"what_if": {"drawdown_pct": true}}', "what_if.drawdown_pct"),
        ('{"what_if": {"drawdown_pct": NaN}}', "what_if.drawdown_pct"),
        ('{"what_if": {"drawdown_pct": Infinity}}', "what_if.drawdown_pct"),
        ('{"what_if": {"drawdown_pct": 100.1}}', "what_if.drawdown_pct"),
        ('{"what_if": {"trades_n": 1.5}}', "what_if.trades_n"),
        ('{"what_if": {"trades_n": 4294967296}}', "what_if.trades_n"),
        ('{"what_if": 3}', "what_if"),
        ('{"dry_run": 1}', "dry_run"),
        ('{"request_id": "a b"}', "request_id"),
        ('{"reason": "two\\nlines"}', "reason"),
        (json.dumps({"reason": "x" * 257}), "reason"),
        (json.dumps({"request_id": "x" * 65}), "request_id"),
        ('{"reason": "\\ud800"}', "reason"),
        ("[]", "body"),
        ("3", "body"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_with_the_field(body: str, field: str) -> None:
    async with talking() as client:
        response = await client.post("/api/msc/evaluate", content=body, headers=JSON)

    assert response.status_code == 422, response.text
    errors = problem_of(response)["errors"]
    assert isinstance(errors, list)
    assert [error["field"] for error in errors] == [field]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 60_000, b'{"reason": "' + b"1" * 10, b"1" * 5000])
async def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    async with talking() as client:
        response = await client.post("/api/msc/evaluate", content=body, headers=JSON)

    assert response.status_code in (400, 422)
    assert problem_of(response)["reason"] in ("MALFORMED_BODY", "INVALID_REQUEST")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_a_body_of_another_kind_is_refused_and_says_how_to_send_it(kind: str) -> None:
    async with talking() as client:
        response = await client.post("/api/msc/evaluate", content="{}", headers={"Content-Type": kind})

    problem = problem_of(response)
    assert (response.status_code, problem["reason"]) == (415, "NOT_JSON")
    assert "application/json" in str(problem["detail"])


API_PATHS = [path for _, path in ROUTES if path.startswith("/api/")]


@pytest.mark.parametrize("path", API_PATHS)
async def test_a_parameter_that_a_route_does_not_know_is_named(path: str) -> None:
    method = "POST" if ("POST", path) in ROUTES else "GET"
    async with talking() as client:
        response = await client.request(method, path, params=[("limits", "5"), ("a b", ""), ("limits", "6")])

    problem = problem_of(response)
    assert (response.status_code, problem["reason"]) == (422, "INVALID_REQUEST")
    assert problem["errors"] == [
        {"field": "limits", "problem": "is not known; check its spelling"},
        {"field": "a b", "problem": "is not known; check its spelling"},
    ]


async def test_a_parameter_of_another_route_is_not_known_and_one_beside_known_ones_neither() -> None:
    async with talking() as client:
        other = await client.get("/api/msc/status?limit=5")
        beside = await client.get("/api/msc/history?limit=5&befor=7:1")

    assert (problem_of(other)["detail"], problem_of(beside)["detail"]) == (
        "limit: is not known; check its spelling",
        "befor: is not known; check its spelling",
    )


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/docs", "/openapi.json"])
async def test_what_machines_ask_for_takes_whatever_they_add(path: str) -> None:
    async with talking() as client:
        assert (await client.get(path, params={"cache": "no"})).status_code == 200


@pytest.mark.parametrize("path", ["/api/msc/nothing", "/api", "/api/msc/status/", "/metrics/x", "/nothing", "/docs/x"])
async def test_what_is_not_there_is_a_problem_too(path: str) -> None:
    async with talking() as client:
        for response in (await client.get(path), await client.post(path)):
            assert response.status_code == 404
            assert problem_of(response)["reason"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/msc/status", "GET"),
        ("DELETE", "/api/msc/history", "GET"),
        ("GET", "/api/msc/evaluate", "POST"),
        ("PUT", "/metrics", "GET"),
        ("OPTIONS", "/healthz", "GET"),
        ("TRACE", "/api/msc/status", "GET"),
    ],
)
async def test_another_method_is_answered_with_those_that_are(method: str, path: str, allowed: str) -> None:
    async with talking() as client:
        response = await client.request(method, path)

    assert response.status_code == 405
    assert problem_of(response)["reason"] == "METHOD_NOT_ALLOWED"
    assert allowed in response.headers["allow"].split(", ")


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    async with talking() as client:
        response = await client.post("/api/msc/evaluate", content=b" " * (MAX_BODY_BYTES + 1), headers=JSON)

    assert (response.status_code, problem_of(response)["reason"]) == (413, "BODY_TOO_LARGE")


async def test_a_body_that_grows_too_large_without_saying_so_is_cut_off() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 1024

    async with talking() as client:
        response = await client.post("/api/msc/evaluate", content=chunks(), headers=JSON)

    assert (response.status_code, problem_of(response)["reason"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("length", ["-1", "x", "1" * 30, "²"])
async def test_a_length_that_is_none_is_too_large(length: str) -> None:
    async with talking() as client:
        response = await client.post("/api/msc/evaluate", content=b"", headers=[(b"Content-Length", length.encode())])

    assert response.status_code == 413


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "192.0.2.7", ""])
async def test_a_host_that_was_made_to_point_here_is_refused(host: str) -> None:
    async with talking() as client:
        for path in ("/api/msc/status", "/healthz", "/metrics", "/docs", "/nothing"):
            response = await client.get(path, headers={"Host": host})
            assert (response.status_code, problem_of(response)["reason"]) == (403, "HOST_NOT_ALLOWED")


async def test_a_name_that_is_configured_is_answered() -> None:
    async with talking(hosts=Hosts.of("127.0.0.1", ["desk.example"])) as client:
        assert (await client.get("/healthz", headers={"Host": "desk.example:8000"})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_site_may_not_have_anything_done(headers: dict[str, str]) -> None:
    async with talking() as client:
        response = await client.post("/api/msc/evaluate", headers=headers)

    assert (response.status_code, problem_of(response)["reason"]) == (403, "ORIGIN_NOT_ALLOWED")


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
)
async def test_programs_and_our_own_pages_may(headers: dict[str, str]) -> None:
    async with served() as scene, talking(scene.authority.insight) as client:
        response = await client.post("/api/msc/evaluate", headers=headers)

    assert response.status_code == 200


async def test_a_socket_in_the_guise_of_requests_is_not_for_other_sites_either() -> None:
    path = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    async with talking() as client:
        theirs = await client.get(path, headers={"Origin": "http://evil.example"})
        ours = await client.get(path, headers={"Origin": "http://127.0.0.1:8000"})

    assert (theirs.status_code, problem_of(theirs)["reason"]) == (403, "ORIGIN_NOT_ALLOWED")
    assert ours.status_code == 404


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    app = FastAPI()
    add_evaluating(app, StillInsight())
    answer_errors(app)
    app.add_middleware(Guard, hosts=LOOPBACK, new_id=lambda: "id-1", body_within_s=0.0)
    sent: list[dict[str, object]] = []
    headers = [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json"), (b"content-length", b"50")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/msc/evaluate",
        "headers": headers,
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
    }

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]  # plain dicts, as servers pass them

    start, body = sent
    assert start["status"] == 408
    assert isinstance(body["body"], bytes)
    assert json.loads(body["body"])["reason"] == "BODY_TOO_SLOW"


async def test_a_socket_of_another_site_is_closed_before_it_opens() -> None:
    face = a_face(hosts=LOOPBACK)
    sent: list[dict[str, object]] = []
    headers = [(b"host", b"127.0.0.1:8000"), (b"origin", b"http://evil.example")]
    scope = {"type": "websocket", "path": "/", "headers": headers, "query_string": b"", "subprotocols": []}

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await face.app(scope, receive, send)  # type: ignore[arg-type]  # plain dicts, as servers pass them

    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_browsers_are_told_to_frame_nothing_to_sniff_nothing_and_to_load_from_here_alone() -> None:
    async with talking() as client:
        for path in ("/api/msc/status", "/docs", "/nothing"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            policy = headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "http" not in policy
            assert "server" not in headers


async def test_ready_says_why_it_is_not() -> None:
    states = {
        "NO_POLICY": an_observation(head=a_head(0), freshness=Freshness(replica_age_s=0.1, ttl_s=None)),
        "HEAD_UNCONFIRMED": an_observation(freshness=Freshness(replica_age_s=15.1, ttl_s=3000.0)),
        "STOPPING": an_observation(draining=True),
    }
    for reason, seen in states.items():
        async with talking(StillInsight(observation=seen)) as client:
            response = await client.get("/readyz")
            assert (response.status_code, problem_of(response)["reason"]) == (503, reason)
            assert (await client.get("/healthz")).status_code == 200

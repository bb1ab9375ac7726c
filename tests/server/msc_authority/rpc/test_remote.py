"""The authority asked from outside: what is tried again, what is not, and what its errors say."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # ships no type information
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships no type information

from msc_authority.rpc.remote import Remote, Watcher
from msc_authority.rpc.remote_error import RemoteError, remote_error
from msc_policy import v1 as pb


def rich(reason: str, field: str = "", retry_s: int = 0) -> tuple[tuple[str, bytes], ...]:
    """Trailing metadata with the details the contract promises."""
    status = Status()
    parts = [details.ErrorInfo(reason=reason, domain="msc_policy")]
    if field:
        violation = details.BadRequest.FieldViolation(field=field, description="must be positive")
        parts.append(details.BadRequest(field_violations=[violation]))
    if retry_s:
        parts.append(details.RetryInfo(retry_delay=Duration(seconds=retry_s)))
    for part in parts:
        packed = AnyMessage()
        packed.Pack(part)
        status.details.append(packed)
    return (("grpc-status-details-bin", status.SerializeToString()),)


class ScriptedAuthority(pb.PolicyAuthorityServicer):
    """Fails by script, then answers."""

    def __init__(self) -> None:
        self.failures: list[tuple[grpc.StatusCode, tuple[tuple[str, bytes], ...]]] = []
        self.calls = 0
        self.pages: list[tuple[int, str]] = []

    def _fail(self, context: Any) -> None:  # noqa: ANN401 -- as generated
        self.calls += 1
        if self.failures:
            code, metadata = self.failures.pop(0)
            context.set_trailing_metadata(metadata)
            context.abort(code, "scripted")

    def GetPolicy(self, request: Any, context: Any) -> pb.GetPolicyResponse:  # noqa: N802, ANN401 -- as generated
        self._fail(context)
        return pb.GetPolicyResponse(policy=pb.Policy(ref=pb.PolicyRef(epoch=7, version=request.version or 3)))

    def Evaluate(self, request: Any, context: Any) -> pb.EvaluateResponse:  # noqa: N802, ANN401 -- as generated
        self._fail(context)
        return pb.EvaluateResponse(candidate=pb.Policy(author=str(request.what_if.trades_n)))

    def ListPolicyRevisions(  # noqa: N802 -- as generated
        self, request: pb.ListPolicyRevisionsRequest, context: object
    ) -> pb.ListPolicyRevisionsResponse:
        self.pages.append((request.page_size, request.page_token))
        revisions = [pb.PolicyRevision(policy=pb.Policy(ref=pb.PolicyRef(version=9)))] * request.page_size
        return pb.ListPolicyRevisionsResponse(revisions=revisions, next_page_token="more")

    def WatchPolicy(  # noqa: N802 -- as generated
        self, request: pb.WatchPolicyRequest, context: object
    ) -> Iterator[pb.WatchPolicyResponse]:
        yield pb.WatchPolicyResponse(snapshot=pb.Snapshot(policy=pb.Policy(ref=pb.PolicyRef(version=1))))
        yield pb.WatchPolicyResponse(goodbye=pb.Goodbye(reason=pb.GOODBYE_REASON_MAX_AGE))

    def ListEvaluations(self, request: Any, context: Any) -> pb.ListEvaluationsResponse:  # noqa: N802, ANN401 -- as generated
        return pb.ListEvaluationsResponse(evaluations=[pb.Evaluation(trigger="start")])

    def ListStrategies(self, request: Any, context: Any) -> pb.ListStrategiesResponse:  # noqa: N802, ANN401 -- as generated
        return pb.ListStrategiesResponse()

    def GetSystemHealth(self, request: Any, context: Any) -> pb.GetSystemHealthResponse:  # noqa: N802, ANN401 -- as generated
        return pb.GetSystemHealthResponse()

    def ReportClientStatus(self, request: Any, context: Any) -> pb.ReportClientStatusResponse:  # noqa: N802, ANN401 -- as generated
        return pb.ReportClientStatusResponse()

    def ListClients(self, request: Any, context: Any) -> pb.ListClientsResponse:  # noqa: N802, ANN401 -- as generated
        return pb.ListClientsResponse()


@pytest.fixture
def authority() -> ScriptedAuthority:
    return ScriptedAuthority()


@pytest.fixture
def remote(authority: ScriptedAuthority) -> Iterator[Remote]:
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    pb.add_PolicyAuthorityServicer_to_server(authority, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Remote(f"127.0.0.1:{port}", deadline_s=20.0) as remote:
        yield remote
    server.stop(None).wait()


def test_a_policy_has_its_reference_beside_its_fields(remote: Remote) -> None:
    policy = remote.policy()["policy"]

    assert isinstance(policy, dict)
    assert (policy["epoch"], policy["version"]) == (7, 3)
    assert "ref" not in policy


def test_a_replica_that_is_away_for_a_moment_is_asked_again(remote: Remote, authority: ScriptedAuthority) -> None:
    authority.failures = [(grpc.StatusCode.UNAVAILABLE, ())] * 2

    assert remote.policy(5)["policy"]
    assert authority.calls == 3


def test_after_three_attempts_it_is_unreachable(remote: Remote, authority: ScriptedAuthority) -> None:
    authority.failures = [(grpc.StatusCode.UNAVAILABLE, ())] * 5

    with pytest.raises(RemoteError) as caught:
        remote.policy()

    assert (caught.value.reachable, caught.value.reason, authority.calls) == (False, "UNAVAILABLE", 3)


NO_REASON: tuple[tuple[str, bytes], ...] = ()


@pytest.mark.parametrize(
    ("failures", "unsure", "earlier_unsure"),
    [
        ([(grpc.StatusCode.DEADLINE_EXCEEDED, NO_REASON)], True, False),
        ([(grpc.StatusCode.INTERNAL, NO_REASON)], True, False),
        ([(grpc.StatusCode.RESOURCE_EXHAUSTED, NO_REASON)], True, False),
        ([(grpc.StatusCode.UNAVAILABLE, rich("STORE_UNAVAILABLE"))], True, False),
        ([(grpc.StatusCode.INTERNAL, rich("INTERNAL"))], True, False),
        ([(grpc.StatusCode.PERMISSION_DENIED, NO_REASON)], False, False),
        ([(grpc.StatusCode.UNAVAILABLE, rich("NOT_LEADER"))], False, False),
        ([(grpc.StatusCode.UNAVAILABLE, NO_REASON)] * 3, True, True),
        (
            [(grpc.StatusCode.UNAVAILABLE, NO_REASON), (grpc.StatusCode.INVALID_ARGUMENT, rich("INVALID_REQUEST"))],
            False,
            True,
        ),
    ],
)
def test_what_may_have_been_done_though_nobody_said_so_is_known_as_such(
    failures: list[tuple[grpc.StatusCode, tuple[tuple[str, bytes], ...]]],
    unsure: bool,
    earlier_unsure: bool,
    remote: Remote,
    authority: ScriptedAuthority,
) -> None:
    authority.failures = failures

    with pytest.raises(RemoteError) as caught:
        remote.policy()

    assert (caught.value.unsure, caught.value.earlier_unsure) == (unsure, earlier_unsure)


@pytest.mark.parametrize("target", ["127.0.0.1:1", "unix:/nowhere/at/all"])
def test_what_had_no_connection_to_go_out_on_was_not_done(target: str) -> None:
    with Remote(target, deadline_s=20.0) as remote, pytest.raises(RemoteError) as caught:
        remote.policy()

    assert (caught.value.reachable, caught.value.unsure) == (False, False)


@dataclass
class NameUnknown(grpc.RpcError):
    """What gRPC says of a host that has no address."""

    text: str

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return self.text

    def trailing_metadata(self) -> tuple[()]:
        return ()


@pytest.mark.parametrize(
    "text",
    [
        "errors resolving nobody:7443: [field:hostname lookup error:Domain name not found]",
        "DNS resolution failed for nobody:7443: C-ares status is not ARES_SUCCESS",
    ],
)
def test_what_had_no_address_to_go_to_was_not_done(text: str) -> None:
    error = remote_error(NameUnknown(text))

    assert (error.reachable, error.unsure) == (False, False)


def test_a_refusal_is_not_repeated_and_names_reason_field_and_wait(
    remote: Remote, authority: ScriptedAuthority
) -> None:
    authority.failures = [(grpc.StatusCode.INVALID_ARGUMENT, rich("INVALID_POLICY", "what_if.trades_n", 4))]

    with pytest.raises(RemoteError) as caught:
        remote.policy()

    error = caught.value
    assert (error.reachable, error.reason, error.retry_after_s) == (True, "INVALID_POLICY", 4.0)
    assert error.fields == (("what_if.trades_n", "must be positive"),)
    assert authority.calls == 1


def test_a_store_that_is_down_is_told_as_an_answer_not_as_silence(remote: Remote, authority: ScriptedAuthority) -> None:
    authority.failures = [(grpc.StatusCode.UNAVAILABLE, rich("STORE_UNAVAILABLE"))]

    with pytest.raises(RemoteError) as caught:
        remote.policy()

    assert (caught.value.reachable, caught.value.reason) == (True, "STORE_UNAVAILABLE")


@pytest.mark.parametrize(
    ("how", "calls"), [({}, 1), ({"request_id": "x"}, 2), ({"dry_run": True}, 2), ({"what_if": {"trades_n": 7}}, 2)]
)
def test_an_evaluation_is_repeated_only_where_it_cannot_happen_twice(
    how: dict[str, Any], calls: int, remote: Remote, authority: ScriptedAuthority
) -> None:
    authority.failures = [(grpc.StatusCode.UNAVAILABLE, ())]
    try:
        remote.evaluate(**how)
    except RemoteError:
        assert calls == 1

    assert authority.calls == calls


def test_history_is_read_page_by_page_up_to_the_limit(remote: Remote, authority: ScriptedAuthority) -> None:
    assert len(list(remote.revisions(250))) == 250
    assert authority.pages == [(200, ""), (50, "more")]
    assert [row["trigger"] for row in remote.evaluations(10)] == ["start"]


def test_a_watch_yields_events_by_name_and_ends_when_the_authority_does(remote: Remote) -> None:
    events = list(remote.watch(Watcher(instance_id="i", name="n", known=(1, 2, "e"))))

    assert [event["event"] for event in events] == ["snapshot", "goodbye"]
    assert events[1]["reason"] == "MAX_AGE"
    policy = events[0]["policy"]
    assert isinstance(policy, dict)
    assert policy["version"] == 1

from __future__ import annotations

import grpc
import pytest
from msc_builders import a_content
from msc_live import settle
from msc_served import Served, details_of, fields_of, reason_of, served

from msc_authority.app.evaluate import EvaluationFailed, InvalidMetric
from msc_authority.core.policy import RiskMode
from msc_authority.ports.store import StaleState, StoreError, StoreUnavailable
from msc_policy import v1 as pb


async def test_before_the_first_policy_there_is_none_to_get() -> None:
    async with served() as scene:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.GetPolicy(pb.GetPolicyRequest())
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert reason_of(caught.value) == "POLICY_NOT_FOUND"


async def test_the_current_policy_comes_whole_with_head_and_freshness() -> None:
    async with served() as scene:
        head = await scene.publish(a_content(RiskMode.DEFENSIVE))
        response = await scene.stub.GetPolicy(pb.GetPolicyRequest())
        assert head.policy
        assert response.policy.risk_mode == pb.RISK_MODE_DEFENSIVE
        assert list(response.policy.allowed_strategies) == ["TREND_001"]
        assert response.policy.ref == response.head
        assert response.head.etag == head.policy.etag
        assert response.policy.valid_for.seconds == 3600
        assert response.freshness.ttl.seconds == 3600
        assert not response.freshness.replica_age.seconds
        assert not response.not_modified


async def test_a_caller_that_holds_the_current_etag_is_told_so_without_the_policy() -> None:
    async with served() as scene:
        head = await scene.publish()
        assert head.policy
        response = await scene.stub.GetPolicy(pb.GetPolicyRequest(if_none_match=head.policy.etag))
        assert response.not_modified
        assert not response.HasField("policy")
        again = await scene.stub.GetPolicy(pb.GetPolicyRequest(if_none_match='"other"'))
        assert again.HasField("policy")


async def test_one_revision_can_be_asked_for_and_head_stays_the_current_one() -> None:
    async with served() as scene:
        await scene.publish(a_content(RiskMode.DEFENSIVE))
        await scene.publish(a_content(RiskMode.NORMAL))
        response = await scene.stub.GetPolicy(pb.GetPolicyRequest(version=1))
        assert response.policy.risk_mode == pb.RISK_MODE_DEFENSIVE
        assert response.head.version == 2


@pytest.mark.parametrize("version", [3, 2**63, 2**64 - 1])
async def test_a_version_that_never_was_is_not_found(version: int) -> None:
    async with served() as scene:
        await scene.publish()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.GetPolicy(pb.GetPolicyRequest(version=version))
        assert reason_of(caught.value) == "POLICY_NOT_FOUND"


@pytest.mark.parametrize(
    ("epoch_step", "version_step", "code", "reason"),
    [
        (0, 1, grpc.StatusCode.UNAVAILABLE, "REPLICA_BEHIND"),
        (1, -1, grpc.StatusCode.FAILED_PRECONDITION, "EPOCH_SUPERSEDED"),
    ],
)
async def test_an_answer_older_than_the_caller_asks_for_is_refused(
    epoch_step: int, version_step: int, code: grpc.StatusCode, reason: str
) -> None:
    async with served() as scene:
        ref = (await scene.publish()).ref
        wanted = pb.PolicyRef(epoch=ref.epoch + epoch_step, version=ref.version + version_step)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.GetPolicy(pb.GetPolicyRequest(min_ref=wanted))
        assert caught.value.code() is code
        assert reason_of(caught.value) == reason
        assert ("RetryInfo" in details_of(caught.value)) == (code is grpc.StatusCode.UNAVAILABLE)


async def test_the_same_reference_with_another_etag_is_a_mismatch() -> None:
    async with served() as scene:
        ref = (await scene.publish()).ref
        wanted = pb.PolicyRef(epoch=ref.epoch, version=ref.version, etag='"other"')
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.GetPolicy(pb.GetPolicyRequest(min_ref=wanted))
        assert caught.value.code() is grpc.StatusCode.ABORTED
        assert reason_of(caught.value) == "ETAG_MISMATCH"


async def test_an_evaluation_that_commits_returns_the_policy_with_its_reference() -> None:
    async with served() as scene:
        scene.evaluator.publish = a_content(RiskMode.DEFENSIVE)
        response = await scene.stub.Evaluate(pb.EvaluateRequest(reason="drill"))
        assert response.committed
        assert response.candidate.ref == response.head
        assert response.evaluation.committed_version == response.head.version == 1
        assert response.evaluation.trigger == "request"


async def test_an_evaluation_that_changes_nothing_returns_a_candidate_without_reference() -> None:
    async with served() as scene:
        await scene.publish()
        response = await scene.stub.Evaluate(pb.EvaluateRequest())
        assert not response.committed
        assert not response.candidate.HasField("ref")
        assert response.head.version == 1


async def test_the_same_request_id_returns_the_same_result_even_when_newer_policies_followed() -> None:
    async with served() as scene:
        scene.evaluator.publish = a_content(RiskMode.DEFENSIVE)
        first = await scene.stub.Evaluate(pb.EvaluateRequest(request_id="drill-1"))
        await scene.publish(a_content(RiskMode.NORMAL))
        scene.evaluator.publish = a_content(RiskMode.AGGRESSIVE)
        again = await scene.stub.Evaluate(pb.EvaluateRequest(request_id="drill-1"))
        assert again.evaluation == first.evaluation
        assert again.candidate == first.candidate
        assert again.head.version == 2


async def test_a_dry_run_returns_a_candidate_and_writes_nothing() -> None:
    async with served() as scene:
        scene.evaluator.publish = a_content(RiskMode.DEFENSIVE)
        response = await scene.stub.Evaluate(pb.EvaluateRequest(validate_only=True))
        assert response.candidate.risk_mode == pb.RISK_MODE_DEFENSIVE
        assert not response.committed
        assert scene.store.policies.head().ref.version == 0


async def test_supplied_metrics_reach_the_core_and_those_not_set_stay_unknown() -> None:
    async with served() as scene:
        supplied = pb.SuppliedMetrics(drawdown_pct=2.0, winrate_fraction=0.6, trades_n=0)
        response = await scene.stub.Evaluate(pb.EvaluateRequest(what_if=supplied))
        [seen] = scene.evaluator.seen
        assert (seen.drawdown_pct, seen.winrate_fraction, seen.trades_n) == (2.0, 0.6, 0)
        assert seen.slope_pct_per_day is None
        assert not response.committed


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.EvaluateRequest(request_id="x" * 65), "request_id"),
        (pb.EvaluateRequest(request_id="no blanks"), "request_id"),
        (pb.EvaluateRequest(reason="x" * 257), "reason"),
        (pb.EvaluateRequest(reason="two\nlines"), "reason"),
    ],
)
async def test_an_evaluation_asked_for_wrongly_is_refused_by_field(request_: pb.EvaluateRequest, field: str) -> None:
    async with served() as scene:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.Evaluate(request_)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert fields_of(caught.value) == [field]


async def test_a_supplied_metric_that_makes_no_sense_is_refused_by_field() -> None:
    async with served() as scene:
        scene.evaluator.error = InvalidMetric("drawdown_pct: must be finite")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.Evaluate(pb.EvaluateRequest(what_if=pb.SuppliedMetrics(drawdown_pct=float("nan"))))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert fields_of(caught.value) == ["what_if.drawdown_pct"]


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (StoreUnavailable("locked"), grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
        (StaleState("other"), grpc.StatusCode.ABORTED, "CONFLICT"),
        (StoreError("disk"), grpc.StatusCode.INTERNAL, "STORE_FAILED"),
        (EvaluationFailed("eval-1: no NAV"), grpc.StatusCode.INTERNAL, "EVALUATION_FAILED"),
    ],
)
async def test_what_the_store_and_the_evaluation_fail_with_has_a_status_and_the_policy_is_served_on(
    error: Exception, code: grpc.StatusCode, reason: str
) -> None:
    async with served() as scene:
        await scene.publish()
        scene.evaluator.error = error
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.Evaluate(pb.EvaluateRequest())
        assert caught.value.code() is code
        assert reason_of(caught.value) == reason
        assert (await scene.stub.GetPolicy(pb.GetPolicyRequest())).policy.ref.version == 1


async def test_an_unexpected_error_goes_out_with_an_id_only_and_to_the_log_in_full(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as scene:
        scene.evaluator.error = ZeroDivisionError("secret number 42")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.Evaluate(pb.EvaluateRequest())
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert reason_of(caught.value) == "INTERNAL"
        message = caught.value.details() or ""
        error_id = message.split()[2].rstrip(";")
        assert "42" not in message
        [record] = [record for record in caplog.records if error_id in record.getMessage()]
        assert record.exc_info
        assert "secret number 42" in caplog.text


async def history(scene: Served, size: int) -> list[list[int]]:
    pages: list[list[int]] = []
    token = ""
    while not pages or token:
        request = pb.ListPolicyRevisionsRequest(page_size=size, page_token=token)
        response = await scene.stub.ListPolicyRevisions(request)
        pages.append([revision.policy.ref.version for revision in response.revisions])
        token = response.next_page_token
    return pages


async def test_history_comes_in_pages_newest_first() -> None:
    async with served() as scene:
        for number in range(5):
            await scene.publish(a_content(author=f"author-{number}"))
        assert await history(scene, 2) == [[5, 4], [3, 2], [1]]
        assert await history(scene, 5) == [[5, 4, 3, 2, 1]]
        assert await history(scene, 0) == [[5, 4, 3, 2, 1]]


async def test_history_is_empty_before_the_first_policy() -> None:
    async with served() as scene:
        assert await history(scene, 0) == [[]]


async def test_evaluations_come_in_pages_newest_first_with_those_that_changed_nothing() -> None:
    async with served() as scene:
        await scene.publish()
        await scene.stub.Evaluate(pb.EvaluateRequest())
        first = await scene.stub.ListEvaluations(pb.ListEvaluationsRequest(page_size=2))
        assert [evaluation.committed_version for evaluation in first.evaluations] == [0, 1]
        rest = await scene.stub.ListEvaluations(pb.ListEvaluationsRequest(page_token=first.next_page_token))
        assert [evaluation.trigger for evaluation in rest.evaluations] == ["start"]
        assert rest.next_page_token == ""


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ListPolicyRevisionsRequest(page_size=-1), "page_size"),
        (pb.ListPolicyRevisionsRequest(page_token="made up"), "page_token"),
    ],
)
async def test_a_page_asked_for_wrongly_is_refused_by_field(
    request_: pb.ListPolicyRevisionsRequest, field: str
) -> None:
    async with served() as scene:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.ListPolicyRevisions(request_)
        assert fields_of(caught.value) == [field]


async def test_the_token_of_one_list_does_not_open_another() -> None:
    async with served() as scene:
        await scene.stub.Evaluate(pb.EvaluateRequest())
        page = await scene.stub.ListEvaluations(pb.ListEvaluationsRequest(page_size=1))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.ListPolicyRevisions(pb.ListPolicyRevisionsRequest(page_token=page.next_page_token))
        assert fields_of(caught.value) == ["page_token"]


async def test_the_ranking_is_that_of_the_last_evaluation() -> None:
    async with served() as scene:
        response = await scene.stub.ListStrategies(pb.ListStrategiesRequest())
        [ranking] = response.strategies
        assert ranking.strategy_id == "TREND_001"
        assert ranking.net_pnl == "812.5000"
        assert ranking.score == 0.12
        assert response.HasField("as_of")


async def test_system_health_shows_the_last_evaluation_and_when_the_next_is_due() -> None:
    async with served() as scene:
        await scene.publish()
        await scene.time.advance(600)
        response = await scene.stub.GetSystemHealth(pb.GetSystemHealthRequest())
        assert response.next_evaluation_in.seconds == 1200
        assert response.evaluation.committed_version == 1
        assert response.evaluation.metrics[0].name == "drawdown_pct"
        assert response.head.version == 1
        assert not response.HasField("last_failure")


async def test_a_client_that_reports_stands_in_the_fleet_with_how_far_it_is_behind() -> None:
    async with served() as scene:
        ref = (await scene.publish()).ref
        await scene.publish(a_content(author="ada"))
        report = pb.ReportClientStatusRequest(
            client=pb.ClientInfo(
                instance_id="one", name="executor-1", role=pb.CLIENT_ROLE_EXECUTOR, sdk="python/0.1.0"
            ),
            status=pb.ClientStatus(
                tier=pb.CLIENT_TIER_FRESH,
                applied=pb.PolicyRef(epoch=ref.epoch, version=1),
                last_error="two\nlines",
                counters=pb.ClientCounters(applied=1),
            ),
        )
        answer = await scene.stub.ReportClientStatus(report)
        assert answer.head.version == 2
        assert answer.next_report_after.seconds == 30
        fleet = await scene.stub.ListClients(pb.ListClientsRequest())
        [entry] = fleet.clients
        assert entry.client == report.client
        assert entry.status.counters.applied == 1
        assert entry.status.last_error == "two lines"
        assert entry.versions_behind == 1
        assert not entry.watching


@pytest.mark.parametrize(
    ("client", "field"),
    [
        (pb.ClientInfo(), "client.instance_id"),
        (pb.ClientInfo(instance_id="x" * 65), "client.instance_id"),
        (pb.ClientInfo(instance_id="a\x1b[2J"), "client.instance_id"),
        (pb.ClientInfo(instance_id="one", name="x" * 129), "client.name"),
        (pb.ClientInfo(instance_id="one", sdk="x" * 129), "client.sdk"),
    ],
)
async def test_a_client_that_names_itself_wrongly_is_refused_by_field(client: pb.ClientInfo, field: str) -> None:
    async with served() as scene:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.ReportClientStatus(pb.ReportClientStatusRequest(client=client))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert fields_of(caught.value) == [field]


async def test_oversized_and_malformed_requests_leave_the_server_up() -> None:
    async with served() as scene:
        await scene.publish()
        big = pb.GetPolicyRequest(if_none_match="x" * 10_000_000)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.GetPolicy(big)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        raw: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = scene.channel.unary_unary(
            "/msc_policy.v1.PolicyAuthority/GetPolicy"
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(b"\xff\xff\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await scene.stub.GetPolicy(pb.GetPolicyRequest())).policy.ref.version == 1


async def test_a_call_is_logged_at_debug_with_how_it_ended(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="msc_authority.rpc.interceptors")
    async with served() as scene:
        await scene.stub.ListClients(pb.ListClientsRequest())
        await settle()
    [line] = [text for text in caplog.messages if "ListClients" in text]
    assert "/msc_policy.v1.PolicyAuthority/ListClients from ipv4:127.0.0.1" in line
    assert ": OK in 0.000 s" in line

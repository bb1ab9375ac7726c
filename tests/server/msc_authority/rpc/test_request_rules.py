"""Over the wire: which requests are taken, how lists are walked, and what a tampered token or an odd call gets."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable

import grpc
import pytest
from msc_builders import a_content
from msc_live import DEADLINE_S
from msc_served import Served, details_of, fields_of, reason_of, served

from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.policy import RiskMode
from msc_authority.rpc.pages import make_token
from msc_policy import v1 as pb

METHODS = (
    "GetPolicy",
    "Evaluate",
    "ListPolicyRevisions",
    "ListEvaluations",
    "ListStrategies",
    "GetSystemHealth",
    "ReportClientStatus",
    "ListClients",
)
SERVICE = "/msc_policy.v1.PolicyAuthority/"


async def refused(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("request_id", ["a", "A-Z_0.9", "x" * 64, "018f3c3e-7b7c-7d6e-9f00-000000000001"])
async def test_a_request_id_of_plain_characters_is_taken_and_makes_the_call_idempotent(request_id: str) -> None:
    async with served() as scene:
        first, second = [await scene.stub.Evaluate(pb.EvaluateRequest(request_id=request_id)) for _ in range(2)]

        assert first.evaluation.evaluation_id == second.evaluation.evaluation_id
        assert len(scene.store.log.page(None, 10)) == 2


@pytest.mark.parametrize("request_id", ["x" * 65, "a b", "a/b", "ä", "a\n", "a\x00", "#1", "a:b"])
async def test_any_other_request_id_is_refused_and_nothing_is_evaluated(request_id: str) -> None:
    async with served() as scene:
        error = await refused(scene.stub.Evaluate(pb.EvaluateRequest(request_id=request_id)))

        assert (error.code(), fields_of(error)) == (grpc.StatusCode.INVALID_ARGUMENT, ["request_id"])
        assert len(scene.store.log.page(None, 10)) == 1


async def test_without_a_request_id_every_call_evaluates() -> None:
    async with served() as scene:
        first, second = [await scene.stub.Evaluate(pb.EvaluateRequest()) for _ in range(2)]

        assert first.evaluation.evaluation_id != second.evaluation.evaluation_id


async def test_two_things_wrong_are_told_at_once() -> None:
    async with served() as scene:
        error = await refused(scene.stub.Evaluate(pb.EvaluateRequest(request_id="a b", reason="x" * 257)))

        assert reason_of(error) == "INVALID_REQUEST"
        assert fields_of(error) == ["request_id", "reason"]
        assert "RetryInfo" not in details_of(error)


@pytest.mark.parametrize("reason", ["", "drill", "x" * 256, "Ärger mit der Börse – bitte prüfen"])
async def test_a_reason_in_any_language_is_taken(reason: str) -> None:
    async with served() as scene:
        assert (await scene.stub.Evaluate(pb.EvaluateRequest(reason=reason))).HasField("evaluation")


async def test_a_what_if_wins_over_everything_else_in_the_request_and_evaluates_nothing() -> None:
    async with served() as scene:
        scene.evaluator.publish = a_content(RiskMode.DEFENSIVE)
        what_if = pb.SuppliedMetrics(drawdown_pct=4.5, loss_streak=0)
        answer = await scene.stub.Evaluate(pb.EvaluateRequest(request_id="r-1", what_if=what_if))

        assert not answer.committed
        assert answer.evaluation.trigger == "what_if"
        assert scene.evaluator.seen == [SuppliedMetrics(drawdown_pct=4.5, loss_streak=0)]
        assert scene.store.policies.head().ref.version == 0


async def published(scene: Served, count: int) -> None:
    for number in range(count):
        await scene.publish(a_content(author=f"author-{number}"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_walking_history_meets_every_version_once_whatever_the_page(size: int) -> None:
    async with served() as scene:
        await published(scene, 7)
        seen: list[int] = []
        token = ""
        while True:
            request = pb.ListPolicyRevisionsRequest(page_size=size, page_token=token)
            page = await scene.stub.ListPolicyRevisions(request)
            assert len(page.revisions) <= size
            seen += [one.policy.ref.version for one in page.revisions]
            token = page.next_page_token
            if not token:
                break

        assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_what_is_published_while_history_is_walked_neither_shows_nor_shifts_a_page() -> None:
    async with served() as scene:
        await published(scene, 4)
        first = await scene.stub.ListPolicyRevisions(pb.ListPolicyRevisionsRequest(page_size=2))
        await published(scene, 3)
        rest = await scene.stub.ListPolicyRevisions(
            pb.ListPolicyRevisionsRequest(page_size=10, page_token=first.next_page_token)
        )

        assert [one.policy.ref.version for one in (*first.revisions, *rest.revisions)] == [4, 3, 2, 1]


@pytest.mark.parametrize("size", [1, 2, 50])
async def test_walking_evaluations_meets_every_one_once(size: int) -> None:
    async with served() as scene:
        for _ in range(4):
            await scene.stub.Evaluate(pb.EvaluateRequest())
        seen: list[str] = []
        token = ""
        while True:
            page = await scene.stub.ListEvaluations(pb.ListEvaluationsRequest(page_size=size, page_token=token))
            seen += [one.evaluation_id for one in page.evaluations]
            token = page.next_page_token
            if not token:
                break

        assert seen == [entry.evaluation_id for entry in scene.store.log.page(None, 10)]
        assert len(seen) == 5


def tampered(token: str) -> list[str]:
    text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    encoded = [base64.urlsafe_b64encode(one.encode()).decode().rstrip("=") for one in (text + "1:1", "x" + text)]
    return [token[:-1], token + "AAAA", token.swapcase(), *encoded]


async def test_a_token_that_was_tampered_with_is_refused_or_at_least_opens_nothing_else() -> None:
    async with served() as scene:
        await published(scene, 4)
        page = await scene.stub.ListPolicyRevisions(pb.ListPolicyRevisionsRequest(page_size=2))
        for token in tampered(page.next_page_token):
            error = await refused(
                scene.stub.ListPolicyRevisions(pb.ListPolicyRevisionsRequest(page_size=2, page_token=token))
            )
            assert (error.code(), fields_of(error)) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


@pytest.mark.parametrize(
    ("token", "versions"),
    [(make_token("policies", 2**62, 1), [3, 2, 1]), (make_token("policies", 0, 0), [])],
)
async def test_a_token_of_ours_beyond_either_end_is_simply_beyond_it(token: str, versions: list[int]) -> None:
    async with served() as scene:
        await published(scene, 3)
        page = await scene.stub.ListPolicyRevisions(pb.ListPolicyRevisionsRequest(page_token=token))

        assert [one.policy.ref.version for one in page.revisions] == versions
        assert page.next_page_token == ""


@pytest.mark.parametrize("size", [-1, -(2**31)])
@pytest.mark.parametrize("method", ["ListPolicyRevisions", "ListEvaluations"])
async def test_a_negative_page_is_refused_by_both_lists(method: str, size: int) -> None:
    async with served() as scene:
        if method == "ListEvaluations":
            error = await refused(scene.stub.ListEvaluations(pb.ListEvaluationsRequest(page_size=size)))
        else:
            error = await refused(scene.stub.ListPolicyRevisions(pb.ListPolicyRevisionsRequest(page_size=size)))

        assert fields_of(error) == ["page_size"]


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message_are_refused_by_every_method_with_a_rich_status(method: str) -> None:
    async with served() as scene:
        raw: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = scene.channel.unary_unary(SERVICE + method)
        error = await refused(raw(b"\xff\xff\xff\xff"))

        assert (error.code(), reason_of(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert fields_of(error) == ["request"]
        assert f"{method}Request" in (error.details() or "")


@pytest.mark.parametrize("method", ["GetPolicy", "ListClients", "ListStrategies", "GetSystemHealth"])
async def test_fields_of_a_newer_caller_are_passed_over(method: str) -> None:
    async with served() as scene:
        await scene.publish()
        raw: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = scene.channel.unary_unary(SERVICE + method)
        # Field 1000, a length-delimited text.
        assert await raw(bytes([0xC2, 0x3E, 0x03]) + b"new")


async def test_an_unknown_method_is_unimplemented_and_says_nothing_of_ours() -> None:
    async with served() as scene:
        raw: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = scene.channel.unary_unary(SERVICE + "DropPolicy")
        error = await refused(raw(b""))

        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "grpc-status-details-bin" not in dict(error.trailing_metadata() or ())


async def test_the_caller_of_an_evaluation_is_known_by_where_it_called_from() -> None:
    async with served() as scene:
        asked: list[str] = []
        inner = scene.evaluator.evaluate

        def remembering(*, trigger: str, request_id: str = "", requested_by: str = "", reason: str = "") -> object:
            asked.append(f"{trigger} {requested_by} {reason}")
            return inner(trigger=trigger, request_id=request_id, requested_by=requested_by, reason=reason)

        scene.evaluator.evaluate = remembering  # type: ignore[method-assign, assignment]  # listens in
        await scene.stub.Evaluate(pb.EvaluateRequest(reason="drill"))

        assert asked == ["request anonymous@127.0.0.1 drill"]


@pytest.mark.parametrize("version", [1, 2])
async def test_one_revision_comes_with_its_own_etag_and_the_heads_beside_it(version: int) -> None:
    async with served() as scene:
        await published(scene, 2)
        answer = await scene.stub.GetPolicy(pb.GetPolicyRequest(version=version))
        again = await scene.stub.GetPolicy(pb.GetPolicyRequest(version=version, if_none_match=answer.policy.ref.etag))

        assert answer.policy.ref.version == version
        assert answer.head.version == 2
        assert (answer.policy.ref.etag == answer.head.etag) is (version == 2)
        assert again.not_modified
        assert not again.HasField("policy")


async def test_a_caller_that_wants_at_least_what_there_is_gets_it() -> None:
    async with served() as scene:
        await published(scene, 2)
        head = (await scene.stub.GetPolicy(pb.GetPolicyRequest())).head
        for wanted in (
            pb.PolicyRef(epoch=head.epoch, version=1),
            head,
            pb.PolicyRef(epoch=head.epoch, version=2),
            pb.PolicyRef(epoch=head.epoch - 1, version=99),
        ):
            assert (await scene.stub.GetPolicy(pb.GetPolicyRequest(min_ref=wanted))).policy.ref.version == 2


async def test_a_call_with_a_deadline_that_has_passed_leaves_nothing_behind() -> None:
    async with served() as scene:
        await scene.publish()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.GetPolicy(pb.GetPolicyRequest(), timeout=-1.0)

        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert (await scene.stub.GetPolicy(pb.GetPolicyRequest())).policy.ref.version == 1


async def test_who_watches_and_reports_under_one_id_is_one_client() -> None:
    async with served() as scene:
        ref = (await scene.publish()).ref
        client = pb.ClientInfo(instance_id="one", name="exec-1", role=pb.CLIENT_ROLE_EXECUTOR)
        watch = scene.stub.WatchPolicy(pb.WatchPolicyRequest(client=client))
        await watch.read()
        applied = pb.PolicyRef(epoch=ref.epoch, version=ref.version)
        status = pb.ClientStatus(tier=pb.CLIENT_TIER_FRESH, applied=applied)
        await scene.stub.ReportClientStatus(pb.ReportClientStatusRequest(client=client, status=status))

        [entry] = (await scene.stub.ListClients(pb.ListClientsRequest())).clients
        assert (entry.watching, entry.versions_behind) == (True, 0)
        watch.cancel()
        async with asyncio.timeout(DEADLINE_S):
            while entry.watching:
                [entry] = (await scene.stub.ListClients(pb.ListClientsRequest())).clients
        assert entry.status.tier == pb.CLIENT_TIER_FRESH

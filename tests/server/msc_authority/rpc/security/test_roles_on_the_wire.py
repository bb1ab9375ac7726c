"""Each role on each RPC, over the wire; and what is said to those who are not let in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # ships no type information
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from msc_live import ManualTime
from msc_served import Served, details_of, reason_of, served

from msc_authority.adapters.memory import MemoryStore
from msc_authority.app.access import OPEN, RPCS, Role
from msc_authority.app.tokens import Minted, mint
from msc_policy import v1 as pb

FILES = (
    "msc_policy/v1/policy_authority.proto",
    "msc_policy/v1/journal_service.proto",
    "msc_policy/v1/operator_service.proto",
)
CLOSED = {"loopback_role": "none"}
DENIED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
WATCH = "/msc_policy.v1.PolicyAuthority/WatchPolicy"


def rpcs() -> Iterator[tuple[str, bool, bool]]:
    """Full name of each RPC that the server knows, and whether its requests and its responses are streams."""
    pool = descriptor_pool.Default()
    shipped = (health_pb2.DESCRIPTOR.name, reflection_pb2.DESCRIPTOR.name)
    for file in (pool.FindFileByName(name) for name in (*FILES, *shipped)):
        for service in file.services_by_name.values():
            for method in service.methods:
                if method.full_name != "grpc.health.v1.Health.List":
                    yield f"/{service.full_name}/{method.name}", method.client_streaming, method.server_streaming


METHODS = sorted(rpcs())


def given(store: MemoryStore, *roles: Role, name: str = "anna", valid_for: timedelta | None = None) -> Minted:
    """A token that the store keeps."""
    minted = mint(name=name, roles=roles, now=ManualTime().now(), created_by="a test", valid_for=valid_for)
    store.tokens.add(minted.stored)
    return minted


def bearer(text: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {text}"),)


async def ended(scene: Served, rpc: tuple[str, bool, bool], metadata: tuple[tuple[str, str], ...]) -> grpc.StatusCode:
    """How a call ends that sends an empty message, or how far it comes: OK after a first answer."""
    name, asks_many, answers_many = rpc
    kind = f"{'stream' if asks_many else 'unary'}_{'stream' if answers_many else 'unary'}"
    call = getattr(scene.channel, kind)(name)(b"" if not asks_many else iter([b""]), metadata=metadata, timeout=20)
    try:
        if answers_many:
            # An empty request of reflection is answered by an error in a message, which is an answer.
            await call.read()
            call.cancel()
        else:
            await call
    except grpc.aio.AioRpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def test_every_rpc_of_the_contract_stands_in_the_table_and_nothing_else_does() -> None:
    assert {name for name, _, _ in METHODS} == set(RPCS)


@asynccontextmanager
async def guarded() -> AsyncIterator[Served]:
    """An authority that lets nobody in without a token."""
    async with served(configured=CLOSED) as scene:
        yield scene


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_may_call_what_the_table_says_and_nothing_else(role: Role) -> None:
    async with guarded() as scene:
        token = given(scene.store, role)
        let_in = {
            rpc[0]: await ended(scene, rpc, bearer(token.text)) is not grpc.StatusCode.PERMISSION_DENIED
            for rpc in METHODS
        }

    assert let_in == {name: need is OPEN or need in role.covers for name, need in RPCS.items()}


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "TOKEN_MISSING"),
        (bearer("nonsense"), "TOKEN_INVALID"),
        (bearer("msc_0123456789ab_" + "x" * 43), "TOKEN_INVALID"),
        ((("authorization", "Basic YTpi"),), "TOKEN_INVALID"),
        ((*bearer("a"), *bearer("b")), "TOKEN_INVALID"),
    ],
)
async def test_without_a_good_token_only_what_is_open_is_answered(
    metadata: tuple[tuple[str, str], ...], reason: str
) -> None:
    async with guarded() as scene:
        codes = {rpc[0]: await ended(scene, rpc, metadata) for rpc in METHODS}
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.GetPolicy(pb.GetPolicyRequest(), metadata=metadata)

    assert {name for name, code in codes.items() if code is not grpc.StatusCode.UNAUTHENTICATED} == {
        name for name, need in RPCS.items() if need is OPEN
    }
    assert reason_of(caught.value) == reason
    assert set(details_of(caught.value)) == {"ErrorInfo"}


async def test_an_expired_and_a_revoked_token_are_told_apart() -> None:
    async with guarded() as scene:
        expired = given(scene.store, Role.READER, valid_for=timedelta(seconds=30))
        revoked = given(scene.store, Role.READER)
        scene.store.tokens.revoke(revoked.stored.token_id, "a test")
        await scene.time.advance(30)
        reasons = []
        for minted in (expired, revoked):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await scene.stub.GetPolicy(pb.GetPolicyRequest(), metadata=bearer(minted.text))
            reasons.append((caught.value.code().name, reason_of(caught.value)))

    assert reasons == [("UNAUTHENTICATED", "TOKEN_EXPIRED"), ("UNAUTHENTICATED", "TOKEN_REVOKED")]


async def test_who_lacks_a_role_is_told_which() -> None:
    async with guarded() as scene:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.Evaluate(pb.EvaluateRequest(), metadata=bearer(given(scene.store, Role.JOURNAL).text))

    assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")
    assert caught.value.details() == "anna needs the role evaluator for this; it has: journal"


async def test_neither_answers_nor_log_hold_a_secret_whatever_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with guarded() as scene:
        tokens = [given(scene.store, Role.READER), given(scene.store, Role.JOURNAL)]
        scene.store.tokens.revoke(tokens[1].stored.token_id, "a test")
        secrets = [minted.text.split("_", 2)[2] for minted in tokens]
        said = []
        for minted in tokens:
            for text in (minted.text, minted.text[:-1], f"{minted.text}x", minted.text.upper()):
                for rpc in METHODS:
                    await ended(scene, rpc, bearer(text))
                try:
                    said.append(str(await scene.stub.ListClients(pb.ListClientsRequest(), metadata=bearer(text))))
                except grpc.aio.AioRpcError as error:
                    said.append(f"{error.details()}{error.trailing_metadata()}")
        # It still answers.
        await scene.stub.GetSystemHealth(pb.GetSystemHealthRequest(), metadata=bearer(tokens[0].text))

    shown = caplog.text + "".join(said)
    assert len(said) == 8
    assert not [secret for secret in secrets if secret in shown or secret[:20] in shown]


async def test_the_name_of_the_token_stands_beside_what_is_done_with_it() -> None:
    asked: list[str] = []
    async with served(configured=CLOSED) as scene:
        inner = scene.evaluator.evaluate

        def remembering(*, trigger: str, request_id: str = "", requested_by: str = "", reason: str = "") -> object:
            asked.append(requested_by)
            return inner(trigger=trigger, request_id=request_id, requested_by=requested_by, reason=reason)

        scene.evaluator.evaluate = remembering  # type: ignore[method-assign, assignment]  # listens in
        text = given(scene.store, Role.EVALUATOR, name="deploy-bot").text
        await scene.stub.Evaluate(pb.EvaluateRequest(), metadata=bearer(text))

    assert asked == ["deploy-bot"]


@pytest.mark.parametrize("over", ["revoked", "expired"])
async def test_a_watch_says_goodbye_when_its_token_is_over_and_says_nothing_else(over: str) -> None:
    async with guarded() as scene:
        reader = given(scene.store, Role.READER, valid_for=timedelta(seconds=30))
        evaluator = given(scene.store, Role.EVALUATOR)
        call = scene.stub.WatchPolicy(pb.WatchPolicyRequest(), metadata=bearer(reader.text))
        first = await call.read()
        if over == "revoked":
            scene.store.tokens.revoke(reader.stored.token_id, "a test")
            await scene.time.advance(1)
        else:
            scene.time.leap(30)
            await scene.time.advance(1)
        last = await call.read()
        end = await call.read()
        again = await ended(scene, (WATCH, False, True), bearer(reader.text))
        other = await ended(scene, (WATCH, False, True), bearer(evaluator.text))

    assert isinstance(first, pb.WatchPolicyResponse)
    assert isinstance(last, pb.WatchPolicyResponse)
    assert last.goodbye.reason == pb.GOODBYE_REASON_AUTH_EXPIRED
    assert end is grpc.aio.EOF
    assert (again, other) == (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.OK)


async def test_another_stream_of_a_revoked_token_ends_too() -> None:
    async with guarded() as scene:
        minted = given(scene.store, Role.READER)
        reflect = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        call: grpc.aio.StreamStreamCall[bytes, bytes] = scene.channel.stream_stream(reflect)(
            metadata=bearer(minted.text)
        )
        await call.write(reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString())
        await call.read()
        scene.store.tokens.revoke(minted.stored.token_id, "a test")
        ending = asyncio.ensure_future(call.read())
        while not ending.done():
            await scene.time.advance(1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ending

    assert reason_of(caught.value) == "TOKEN_REVOKED"


async def test_who_asks_too_often_is_told_to_wait_and_nobody_else_is() -> None:
    async with served(configured={**CLOSED, "max_requests_per_s": 1.0}) as scene:
        metadata = bearer(given(scene.store, Role.READER).text)
        for _ in range(10):
            with pytest.raises(grpc.aio.AioRpcError, match="no policy"):
                await scene.stub.GetPolicy(pb.GetPolicyRequest(), metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.GetPolicy(pb.GetPolicyRequest(), metadata=metadata)
        retry = details_of(caught.value)["RetryInfo"]
        await scene.time.advance(1)
        with pytest.raises(grpc.aio.AioRpcError, match="no policy"):
            await scene.stub.GetPolicy(pb.GetPolicyRequest(), metadata=metadata)

    assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert isinstance(retry, error_details_pb2.RetryInfo)


async def test_an_identity_has_so_many_streams_and_another_one_its_own() -> None:
    async with served(configured={**CLOSED, "max_streams": 2}) as scene:
        anna, bert = given(scene.store, Role.READER), given(scene.store, Role.READER, name="bert")
        calls = [scene.stub.WatchPolicy(pb.WatchPolicyRequest(), metadata=bearer(anna.text)) for _ in range(2)]
        for call in calls:
            await call.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.WatchPolicy(pb.WatchPolicyRequest(), metadata=bearer(anna.text)).read()
        theirs = await ended(scene, (WATCH, False, True), bearer(bert.text))
        calls[0].cancel()
        code = grpc.StatusCode.UNKNOWN
        while code is not grpc.StatusCode.OK:
            code = await ended(scene, (WATCH, False, True), bearer(anna.text))

    assert reason_of(caught.value) == "STREAM_LIMIT_REACHED"
    assert "RetryInfo" in details_of(caught.value)
    assert theirs is grpc.StatusCode.OK


async def test_each_message_of_a_stream_counts_as_a_request() -> None:
    async with served(configured={**CLOSED, "max_requests_per_s": 1.0}) as scene:
        metadata = bearer(given(scene.store, Role.JOURNAL).text)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.journal.Record(iter([pb.RecordRequest()] * 20), metadata=metadata)
        refused = scene.authority.admission.tally().refused
        await scene.time.advance(1)
        again = await scene.journal.Record(iter(()), metadata=metadata)

    assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert "RetryInfo" in details_of(caught.value)
    assert refused == {"RATE_LIMITED": 1}
    assert again == pb.RecordResponse()


async def test_messages_of_reflection_count_too() -> None:
    async with served(configured={**CLOSED, "max_requests_per_s": 1.0}) as scene:
        reflect = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        asked = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
        call: grpc.aio.StreamStreamCall[bytes, bytes] = scene.channel.stream_stream(reflect)(
            metadata=bearer(given(scene.store, Role.READER).text)
        )
        for _ in range(9):
            await call.write(asked)
            assert await call.read()
        await call.write(asked)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()

    assert reason_of(caught.value) == "RATE_LIMITED"


@pytest.mark.parametrize(
    "header",
    ["x-forwarded-for", "x-forwarded-proto", "forwarded", "via", "x-real-ip", "cf-connecting-ip", "x-envoy-internal"],
)
async def test_whoever_a_proxy_on_this_machine_forwards_is_not_from_this_machine(header: str) -> None:
    async with served() as scene:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await scene.stub.ListClients(pb.ListClientsRequest(), metadata=((header, "192.0.2.9"),))
        await scene.stub.ListClients(pb.ListClientsRequest())

    assert reason_of(caught.value) == "TOKEN_MISSING"


async def test_facts_beyond_a_tokens_scope_are_refused_one_by_one() -> None:
    async with guarded() as scene:
        minted = mint(
            name="executor-1",
            roles=[Role.JOURNAL],
            now=scene.time.now(),
            created_by="a test",
            scope={"account": ["main"]},
        )
        scene.store.tokens.add(minted.stored)
        at = scene.time.now()
        entries = []
        for number, account in enumerate(("main", "other", "main-2"), start=1):
            point = pb.EquityPoint(account=account, wallet_balance="100", unrealized_pnl="0", net_flow="0")
            point.at.FromDatetime(at)
            entries.append(pb.JournalEntry(seq=number, equity=point))
        answer = await scene.journal.Record(iter([pb.RecordRequest(entries=entries)]), metadata=bearer(minted.text))

    assert (answer.accepted, answer.refused_total) == (2, 1)
    (refused,) = answer.refused
    assert (refused.seq, refused.id, refused.field, refused.code) == (2, "other", "account", "OUT_OF_SCOPE")

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from msc_builders import a_content, a_reason
from msc_live import DEADLINE_S
from msc_served import Served, details_of, fields_of, reason_of, served

from msc_authority.core.policy import RiskMode
from msc_policy import v1 as pb

if TYPE_CHECKING:
    Call = grpc.aio.UnaryStreamCall[pb.WatchPolicyRequest, pb.WatchPolicyResponse]

CLIENT = pb.ClientInfo(instance_id="one", name="executor-1", role=pb.CLIENT_ROLE_EXECUTOR)


@asynccontextmanager
async def watching(scene: Served, request: pb.WatchPolicyRequest | None = None) -> AsyncIterator[Call]:
    call = scene.stub.WatchPolicy(request or pb.WatchPolicyRequest())
    yield call
    call.cancel()


async def read(call: Call) -> pb.WatchPolicyResponse:
    message = await asyncio.wait_for(call.read(), DEADLINE_S)
    assert isinstance(message, pb.WatchPolicyResponse)
    return message


async def read_until(scene: Served, call: Call, event: str) -> pb.WatchPolicyResponse:
    """Moves time on, second by second, until a message with this event comes."""
    while True:
        reading = asyncio.ensure_future(read(call))
        while not reading.done():
            await scene.time.advance(1.0)
            await asyncio.wait([reading], timeout=0.01)
        if (message := await reading).WhichOneof("event") == event:
            return message


async def end_of(call: Call) -> grpc.aio.AioRpcError:
    """Reads on until the call ends with an error."""
    while True:
        try:
            await read(call)
        except grpc.aio.AioRpcError as error:
            return error


async def clients(scene: Served) -> list[pb.ClientEntry]:
    return list((await scene.stub.ListClients(pb.ListClientsRequest())).clients)


async def test_a_watch_without_any_words_gets_the_policy_and_every_later_one() -> None:
    async with served() as scene:
        await scene.publish()
        async with watching(scene) as call:
            assert (await read(call)).snapshot.reason == pb.SNAPSHOT_REASON_INITIAL
            await scene.publish(a_content(RiskMode.DEFENSIVE))
            message = await read(call)
            assert message.snapshot.policy.risk_mode == pb.RISK_MODE_DEFENSIVE
            assert message.head.version == 2


async def test_a_watch_on_an_empty_store_opens_with_version_0() -> None:
    async with served() as scene, watching(scene) as call:
        assert (await read(call)).head.version == 0
        await scene.publish()
        assert (await read(call)).snapshot.policy.ref.version == 1


async def test_who_already_holds_the_head_is_confirmed() -> None:
    async with served() as scene:
        ref = (await scene.publish()).ref
        request = pb.WatchPolicyRequest(known=pb.PolicyRef(epoch=ref.epoch, version=ref.version))
        async with watching(scene, request) as call:
            assert (await read(call)).WhichOneof("event") == "unchanged"


@pytest.mark.parametrize(
    ("epoch_step", "code", "reason"),
    [
        (0, grpc.StatusCode.UNAVAILABLE, "REPLICA_BEHIND"),
        (1, grpc.StatusCode.FAILED_PRECONDITION, "EPOCH_SUPERSEDED"),
    ],
)
async def test_who_knows_more_is_refused_with_a_rich_status(
    epoch_step: int, code: grpc.StatusCode, reason: str
) -> None:
    async with served() as scene:
        ref = (await scene.publish()).ref
        known = pb.PolicyRef(epoch=ref.epoch + epoch_step, version=2)
        async with watching(scene, pb.WatchPolicyRequest(known=known)) as call:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await read(call)
            assert caught.value.code() is code
            assert reason_of(caught.value) == reason
            assert await clients(scene) == []


async def test_the_wish_for_a_heartbeat_is_answered_within_bounds() -> None:
    async with served() as scene:
        for wish_s, given_s in ((0, 1), (90, 30), (12, 12)):
            request = pb.WatchPolicyRequest()
            request.heartbeat_interval.FromSeconds(wish_s)
            async with watching(scene, request) as call:
                assert (await read(call)).info.heartbeat_interval.seconds == given_s
        async with watching(scene) as call:
            assert (await read(call)).info.heartbeat_interval.seconds == 5


async def test_heartbeats_come_while_nothing_changes_and_the_age_of_a_confirmed_head_stays_small() -> None:
    async with served() as scene:
        await scene.publish()
        async with watching(scene) as call:
            await read(call)
            message = await read_until(scene, call, "heartbeat")
            assert message.heartbeat.seq == 1
            assert message.head.version == 1
            assert message.freshness.replica_age.seconds <= 5


async def test_a_watch_stands_in_the_fleet_as_long_as_it_is_open() -> None:
    async with served() as scene:
        await scene.publish()
        status = pb.ClientStatus(tier=pb.CLIENT_TIER_STALE)
        async with watching(scene, pb.WatchPolicyRequest(client=CLIENT, status=status)) as call:
            await read(call)
            [entry] = await clients(scene)
            assert entry.watching
            assert entry.client == CLIENT
            assert entry.status.tier == pb.CLIENT_TIER_STALE
            assert entry.versions_behind == 1
        async with asyncio.timeout(DEADLINE_S):
            while (await clients(scene))[0].watching:
                pass


async def test_a_client_that_names_itself_wrongly_is_refused_by_field() -> None:
    async with served() as scene, watching(scene, pb.WatchPolicyRequest(client=pb.ClientInfo())) as call:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read(call)
        assert fields_of(caught.value) == ["client.instance_id"]


async def test_watches_above_the_limit_are_refused_and_told_to_wait() -> None:
    async with served(max_watchers=1) as scene, watching(scene) as first:
        await read(first)
        async with watching(scene) as second:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await read(second)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "RetryInfo" in details_of(caught.value)


async def test_a_reader_that_does_not_read_is_ended_as_a_slow_consumer_and_frees_its_slot() -> None:
    # Some 2 KiB a message, so that the flow-control window of 64 KiB is soon full.
    wordy = [a_content(author=f"author-{number}", reasons=(a_reason(text="x" * 2000),)) for number in range(60)]
    async with served(max_watchers=1) as scene:
        options = [("grpc.http2.bdp_probe", 0)]
        async with grpc.aio.insecure_channel(scene.authority.address, options=options) as channel:
            call = pb.PolicyAuthorityStub(channel).WatchPolicy(pb.WatchPolicyRequest())
            await read(call)
            for content in wordy:
                await scene.publish(content)
            for _ in range(12):
                await scene.time.advance(1.0)
            assert reason_of(await end_of(call)) == "SLOW_CONSUMER"
        async with watching(scene) as other:
            assert (await read(other)).snapshot.policy.ref.version == 60


async def test_a_stop_says_goodbye_to_every_watch_and_ends_it_cleanly() -> None:
    async with served() as scene:
        await scene.publish()
        channel = grpc.aio.insecure_channel(scene.authority.address)
        calls = [pb.PolicyAuthorityStub(channel).WatchPolicy(pb.WatchPolicyRequest()) for _ in range(5)]
        for call in calls:
            await read(call)
        farewells = asyncio.gather(*(read(call) for call in calls))
    for message in await farewells:
        assert message.goodbye.reason == pb.GOODBYE_REASON_DRAINING
        assert message.goodbye.reconnect_after.seconds == 5
    assert [await call.code() for call in calls] == [grpc.StatusCode.OK] * 5
    await channel.close()


async def test_hundred_watches_all_reach_the_last_of_many_versions() -> None:
    async with served(max_watchers=200) as scene:
        await scene.publish()
        calls = [scene.stub.WatchPolicy(pb.WatchPolicyRequest()) for _ in range(100)]
        await asyncio.gather(*(read(call) for call in calls))

        async def last_version(call: Call) -> int:
            versions = [1]
            while versions[-1] < 11:
                versions.append((await read(call)).head.version)
            assert versions == sorted(set(versions))
            return versions[-1]

        readers = [asyncio.create_task(last_version(call)) for call in calls]
        for number in range(10):
            await scene.publish(a_content(author=f"author-{number}"))
        assert await asyncio.gather(*readers) == [11] * 100
        for call in calls:
            call.cancel()


async def test_a_caller_that_goes_away_frees_its_slot() -> None:
    async with served(max_watchers=1) as scene:
        async with watching(scene) as call:
            await read(call)

        async def admitted() -> bool:
            async with watching(scene) as call:
                try:
                    return (await read(call)).head.version == 0
                except grpc.aio.AioRpcError:
                    return False

        async with asyncio.timeout(DEADLINE_S):
            while not await admitted():
                pass

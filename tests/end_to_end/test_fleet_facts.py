"""What a real client tells a real authority of itself: what it applied and since when, its reads, its reconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msc_served import Served, served

from msc_client import ClientConfig, PolicySource, Ref, Role
from msc_policy import v1 as pb

DEADLINE_S = 20.0
CONFIG = ClientConfig(backoff_floor_s=0.001, backoff_initial_s=0.01, backoff_max_s=0.05, report_interval_s=1.0)


async def told(scene: Served, condition: Callable[[pb.ClientStatus], bool]) -> pb.ClientStatus:
    """What the one client says of itself, as soon as the condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = await scene.stub.ListClients(pb.ListClientsRequest())
            if len(answer.clients) == 1 and condition(answer.clients[0].status):
                return answer.clients[0].status
            await asyncio.sleep(0.01)


def test_a_client_tells_soon_that_it_applied_a_policy_and_since_when() -> None:
    async def main() -> None:
        async with served() as scene:
            source = PolicySource(
                scene.authority.address, role=Role.EXECUTOR, name="executor-1", config=CONFIG, state_dir=None
            )
            await asyncio.to_thread(source.start, 0)
            for version in (1, 2):
                await scene.publish()
                status = await told(scene, lambda status, wanted=version: status.applied.version == wanted)  # type: ignore[misc]  # a lambda's default has no annotation
                assert status.HasField("applied_for")
                assert 0 <= status.applied_for.ToTimedelta().total_seconds() < DEADLINE_S
            await asyncio.to_thread(source.close)

    asyncio.run(main())


def test_reads_and_fallbacks_of_a_client_reach_the_authority() -> None:
    async def main() -> None:
        async with served() as scene:
            source = PolicySource(
                scene.authority.address, role=Role.EXECUTOR, name="executor-1", config=CONFIG, state_dir=None
            )
            for _ in range(7):
                source.current()
            await asyncio.to_thread(source.start, 0)
            head = await scene.publish()
            await asyncio.to_thread(source.wait_for_ref, Ref(head.ref.epoch, head.ref.version), DEADLINE_S)
            for _ in range(100):
                source.current()
            # Whatever is applied is told soon, and the counters with it.
            await scene.publish()
            status = await told(scene, lambda status: status.counters.reads >= 107)
            assert 7 <= status.counters.fallback_reads <= status.counters.reads - 100
            await asyncio.to_thread(source.close)

    asyncio.run(main())


def test_a_stream_that_the_authority_let_go_for_its_age_is_counted_as_a_goodbye() -> None:
    async def main() -> None:
        async with served() as scene:
            await scene.publish()
            source = PolicySource(scene.authority.address, role=Role.OTHER, name="late", config=CONFIG, state_dir=None)
            await asyncio.to_thread(source.start, DEADLINE_S)
            scene.time.leap(1801)
            await scene.time.advance(1)
            status = await told(scene, lambda status: status.counters.reconnects > 0)
            assert dict(status.counters.reconnect_causes) == {"goodbye": 1}
            await asyncio.to_thread(source.close)

    asyncio.run(main())

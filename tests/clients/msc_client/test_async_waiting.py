"""Waiting in an event loop: what wakes it, what it returns, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from msc_client_harness import NO_PAUSES

from msc_client import AsyncPolicySource, ConnectionState, PolicyView, Ref, Role, SourceClosed, Tier
from msc_client.testing import InProcessAuthority, ManualClock, make_policy

T = TypeVar("T")
PATIENCE_S = 20.0


@pytest.fixture
def authority() -> Iterator[InProcessAuthority]:
    with InProcessAuthority() as made:
        made.publish(make_policy(5))
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def source(authority: InProcessAuthority, clock: ManualClock) -> AsyncPolicySource:
    return AsyncPolicySource(
        authority.target, role=Role.EXECUTOR, name="aio", config=NO_PAUSES, state_dir=None, clock=clock
    )


async def soon(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        return await awaitable


async def followed(source: AsyncPolicySource) -> AsyncPolicySource:
    await source.start()
    await soon(source.wait_for_ref(Ref(1, 5), PATIENCE_S))
    return source


def test_what_already_holds_is_returned_at_once_even_without_any_time(source: AsyncPolicySource) -> None:
    async def main() -> PolicyView:
        async with await followed(source):
            return await source.wait_for(lambda view: view.tier is Tier.FRESH, 0)

    assert asyncio.run(main()).ref == Ref(1, 5)


def test_a_later_revision_than_the_one_waited_for_is_as_good(
    authority: InProcessAuthority, source: AsyncPolicySource
) -> None:
    async def main() -> PolicyView:
        async with await followed(source):
            waiting = asyncio.ensure_future(source.wait_for_ref(Ref(1, 6), PATIENCE_S))
            await asyncio.sleep(0)
            authority.publish(make_policy(9))
            return await soon(waiting)

    assert asyncio.run(main()).ref == Ref(1, 9)


def test_a_change_of_tier_alone_wakes(
    authority: InProcessAuthority, source: AsyncPolicySource, clock: ManualClock
) -> None:
    async def main() -> list[Tier]:
        async with await followed(source):
            authority.freeze()
            seen = []
            for seconds in (31, 900):
                waiting = asyncio.ensure_future(source.changed())
                await asyncio.sleep(0)
                clock.advance(seconds)
                seen.append((await soon(waiting)).tier)
            return seen

    assert asyncio.run(main()) == [Tier.STALE, Tier.SAFE_EXPIRED]


def test_a_predicate_that_raises_reaches_who_waits(source: AsyncPolicySource) -> None:
    def bad(view: PolicyView) -> bool:
        raise KeyError("boom")

    async def main() -> None:
        async with await followed(source):
            with pytest.raises(KeyError, match="boom"):
                await source.wait_for(bad, PATIENCE_S)

    asyncio.run(main())


def test_closing_ends_every_kind_of_waiting_with_the_reason(source: AsyncPolicySource) -> None:
    async def main() -> list[object]:
        await followed(source)
        waiting = [
            asyncio.ensure_future(source.changed()),
            asyncio.ensure_future(source.wait_for(lambda view: False, PATIENCE_S)),
            asyncio.ensure_future(source.wait_for_ref(Ref(1, 99), PATIENCE_S)),
        ]
        await asyncio.sleep(0)
        await source.close()
        return await soon(asyncio.gather(*waiting, return_exceptions=True))

    assert [type(error) for error in asyncio.run(main())] == [SourceClosed] * 3


def test_after_the_end_reads_go_on_by_age_and_nothing_is_waited_for(
    source: AsyncPolicySource, clock: ManualClock
) -> None:
    async def main() -> None:
        await followed(source)
        await source.close()
        with pytest.raises(SourceClosed):
            await soon(source.changed())
        assert [view async for view in source.views()] == []

    asyncio.run(main())
    assert source.current().tier is Tier.FRESH
    clock.advance(31)
    assert source.current().tier is Tier.STALE
    assert source.status().connection is ConnectionState.CLOSED


def test_starting_twice_opens_one_watch(authority: InProcessAuthority, source: AsyncPolicySource) -> None:
    async def main() -> None:
        async with await followed(source):
            assert (await source.start()).ref == Ref(1, 5)

    asyncio.run(main())
    assert len(authority.opened) == 1


def test_who_unsubscribed_is_not_called_while_others_are(
    authority: InProcessAuthority, source: AsyncPolicySource
) -> None:
    async def main() -> list[PolicyView]:
        gone: list[PolicyView] = []
        called = asyncio.Event()
        async with await followed(source):
            unsubscribe = source.subscribe(gone.append)
            source.subscribe(lambda view: called.set() if view.ref == Ref(1, 6) else None)
            unsubscribe()
            unsubscribe()
            authority.publish(make_policy(6))
            await soon(called.wait())
        return [view for view in gone if view.ref == Ref(1, 6)]

    assert asyncio.run(main()) == []


def test_subscribing_outside_an_event_loop_is_refused(source: AsyncPolicySource) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        source.subscribe(lambda view: None)


def test_the_last_value_is_kept_on_disk_as_by_any_source(authority: InProcessAuthority, tmp_path: Path) -> None:
    async def life(target: str, wait_s: float) -> PolicyView:
        source = AsyncPolicySource(target, role=Role.EXECUTOR, name="aio", state_dir=str(tmp_path))
        view = await source.start(wait_s)
        await source.close()
        return view

    assert asyncio.run(life(authority.target, PATIENCE_S)).tier is Tier.FRESH
    view = asyncio.run(life("127.0.0.1:1", 0))
    assert (view.ref, view.tier) == (Ref(1, 5), Tier.STALE)

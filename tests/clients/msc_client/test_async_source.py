"""The same client in an event loop: nothing blocks it, and no change is lost on it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import TypeVar

import pytest

from msc_client import AsyncPolicySource, PolicyView, Ref, Role, SourceClosed, Tier, WhatIf
from msc_client.testing import InProcessAuthority, make_policy

T = TypeVar("T")
PATIENCE_S = 20.0


@pytest.fixture
def authority() -> Iterator[InProcessAuthority]:
    with InProcessAuthority() as made:
        made.publish(make_policy(5))
        yield made


def run(main: Coroutine[object, object, T]) -> T:
    return asyncio.run(main)


def source_of(authority: InProcessAuthority) -> AsyncPolicySource:
    return AsyncPolicySource(authority.target, role=Role.ORCHESTRATOR, name="aio", state_dir=None)


async def soon(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        return await awaitable


def test_it_starts_and_reads_in_an_event_loop(authority: InProcessAuthority) -> None:
    async def main() -> PolicyView:
        async with source_of(authority) as source:
            assert source.now_ns() > 0
            return source.current()

    view = run(main())
    assert (view.tier, view.ref) == (Tier.FRESH, Ref(1, 5))


def test_a_change_wakes_everyone_who_waits(authority: InProcessAuthority) -> None:
    async def main() -> list[PolicyView]:
        async with source_of(authority) as source:
            waiters = [asyncio.ensure_future(source.changed()) for _ in range(3)]
            await asyncio.sleep(0)
            authority.publish(make_policy(6))
            return await soon(asyncio.gather(*waiters))

    assert {view.ref for view in run(main())} == {Ref(1, 6)}


def test_views_begin_with_the_present_one_and_end_with_the_source(authority: InProcessAuthority) -> None:
    async def main() -> list[Ref | None]:
        seen: list[Ref | None] = []
        async with source_of(authority) as source:
            async for view in source:
                # A change while the body runs must not be lost.
                if view.ref != (seen[-1] if seen else None):
                    seen.append(view.ref)
                    if len(seen) < 4:
                        authority.publish(make_policy(5 + len(seen)))
                if len(seen) == 4:
                    await source.close()
        return seen

    assert run(soon(main())) == [Ref(1, 5), Ref(1, 6), Ref(1, 7), Ref(1, 8)]


def test_a_cancelled_wait_leaves_nothing_behind(authority: InProcessAuthority) -> None:
    async def main() -> int:
        async with source_of(authority) as source:
            waiting = asyncio.ensure_future(source.changed())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return len(source._waiters)

    assert run(main()) == 0


def test_callbacks_run_in_the_event_loop_and_cannot_hurt_it(
    authority: InProcessAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> tuple[set[str], int]:
        threads: set[str] = set()
        called = asyncio.Event()

        def bad(view: PolicyView) -> None:
            threads.add(threading.current_thread().name)
            if view.ref == Ref(1, 6):
                called.set()
            raise ValueError("boom")

        async with source_of(authority) as source:
            unsubscribe = source.subscribe(bad)
            authority.publish(make_policy(6))
            await called.wait()
            unsubscribe()
            return threads, source.status().counters.callback_errors

    threads, errors = run(soon(main()))
    assert threads == {"MainThread"}
    assert errors >= 1
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR] * errors


def test_waiting_ends_with_its_time(authority: InProcessAuthority) -> None:
    async def main() -> None:
        async with source_of(authority) as source:
            await source.wait_for_ref(Ref(1, 99), 0.01)

    with pytest.raises(TimeoutError, match="no such policy"):
        run(main())


def test_closing_wakes_who_waits_and_starting_then_is_refused(authority: InProcessAuthority) -> None:
    async def main() -> None:
        source = source_of(authority)
        await source.start()
        waiting = asyncio.ensure_future(source.changed())
        await asyncio.sleep(0)
        await source.close()
        await source.close()
        with pytest.raises(SourceClosed):
            await soon(waiting)
        with pytest.raises(SourceClosed):
            await source.start()

    run(main())


def test_unary_calls_do_not_block_the_loop(authority: InProcessAuthority) -> None:
    async def main() -> tuple[object, object]:
        async with source_of(authority) as source:
            policy, result = await asyncio.gather(
                source.get_policy(), source.evaluate(what_if=WhatIf(drawdown_pct=2.0), request_id="r-1")
            )
            return policy, result.evaluation_id

    assert run(main()) == (make_policy(5), "r-1")


def test_a_loop_that_closed_first_is_not_called(authority: InProcessAuthority) -> None:
    source = source_of(authority)
    run(start_only(source))
    call: Callable[[PolicyView], None] = source._from_thread
    call(source.current())
    run(source.close())


async def start_only(source: AsyncPolicySource) -> None:
    await source.start()


def test_a_change_while_a_view_is_being_handled_is_not_lost(authority: InProcessAuthority) -> None:
    async def main() -> Ref | None:
        async with source_of(authority) as source:
            views = source.views()
            assert (await anext(views)).ref == Ref(1, 5)
            noticed = asyncio.Event()
            source.subscribe(lambda view: noticed.set() if view.ref == Ref(1, 6) else None)
            authority.publish(make_policy(6))
            await noticed.wait()
            return (await anext(views)).ref

    assert run(soon(main())) == Ref(1, 6)

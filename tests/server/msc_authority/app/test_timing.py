from __future__ import annotations

import asyncio
import threading

import pytest
from msc_live import ManualTime, settle

from msc_authority.app.timing import LoopTimer, pause
from msc_authority.app.work import Worker


async def test_a_pause_ends_when_its_time_has_come_and_not_before() -> None:
    time = ManualTime()
    waiting = asyncio.create_task(pause(time, 10))
    await time.advance(9.9)
    assert not waiting.done()
    await time.advance(0.1)
    assert waiting.done()


async def test_a_pause_that_is_cancelled_leaves_no_timer_that_matters() -> None:
    time = ManualTime()
    waiting = asyncio.create_task(pause(time, 10))
    await settle()
    waiting.cancel()
    await time.advance(20)
    assert waiting.cancelled()


async def test_the_timer_of_the_loop_calls_back_once_unless_cancelled() -> None:
    called: list[str] = []
    done = asyncio.Event()
    LoopTimer().after(0.0, lambda: called.append("cancelled"))()
    LoopTimer().after(-1.0, lambda: called.append("overdue"))
    LoopTimer().after(0.001, done.set)
    await done.wait()
    assert called == ["overdue"]


async def test_a_worker_returns_and_raises_what_its_call_does_on_a_thread_of_its_own() -> None:
    worker = Worker(threads=1, name="clerk")
    assert (await worker.run(threading.current_thread)).name.startswith("clerk")
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    worker.close()


async def test_a_worker_that_closes_drops_what_has_not_begun_and_ends_what_has() -> None:
    worker = Worker(threads=1, name="clerk")
    began, go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go.wait(10)
        ended.set()

    first = asyncio.create_task(worker.run(work))
    await asyncio.to_thread(began.wait, 10)
    second = asyncio.create_task(worker.run(ended.clear))
    await settle()
    closing = asyncio.create_task(asyncio.to_thread(worker.close))
    await asyncio.wait([second])
    assert second.cancelled()
    assert not ended.is_set()
    go.set()
    await asyncio.gather(first, closing)
    assert ended.is_set()

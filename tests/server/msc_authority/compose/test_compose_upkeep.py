"""What an authority does for itself while it runs: it gives freed memory back."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from msc_live import ManualTime, until

from msc_authority.app.work import Worker
from msc_authority.compose.upkeep import GIVE_BACK_EVERY_S, giving_back


async def test_freed_memory_is_given_back_each_minute_until_the_end() -> None:
    time, worker, given = ManualTime(), Worker(threads=1, name="upkeep"), list[float]()

    def give() -> bool:
        given.append(time.monotonic())
        return True

    task = asyncio.create_task(giving_back(time, worker, give))
    begun = time.monotonic()

    for _ in range(3):
        await until(lambda: time.armed == 1)
        await time.advance(GIVE_BACK_EVERY_S)
    await until(lambda: len(given) == 3)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    worker.close()

    assert given == [begun + rounds * GIVE_BACK_EVERY_S for rounds in (1, 2, 3)]
    assert time.armed == 0


async def test_where_memory_cannot_be_given_back_nothing_waits_to_do_it() -> None:
    time, worker = ManualTime(), Worker(threads=1, name="upkeep")

    await giving_back(time, worker, None)
    worker.close()

    assert time.armed == 0

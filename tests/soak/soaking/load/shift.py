"""Working in shifts: {"go": true} begins one, {"rest": true} ends it and is answered with what was done in it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine

from benching.child import tell

Work = Callable[[], Awaitable[None]]
REPEAT_AFTER_S = 1.0


class Tally:
    """Counts of what was done since they were last told."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, what: str, many: int = 1) -> None:
        """Adds to a count."""
        self._counts[what] += many

    def told(self) -> dict[str, object]:
        """Returns the counts, and begins anew."""
        counts, self._counts = self._counts, Counter()
        return dict(counts)


def chance(seed: int) -> random.Random:
    """Returns chance that repeats itself: a soak that found something can be run again."""
    return random.Random(seed)  # noqa: S311 -- nothing here is a secret


async def in_shifts(jobs: Callable[[], list[Coroutine[None, None, None]]], tally: Tally) -> None:
    """Runs the jobs of a shift beside each other from each "go" to the next "rest", until the lines end."""
    loop = asyncio.get_running_loop()
    shift: asyncio.Task[None] | None = None
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if "go" in json.loads(line):
            shift = asyncio.create_task(_beside(jobs()))
            tell(gone=True)
        else:
            if shift is not None:
                shift.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await shift
            tell(**tally.told())


async def _beside(jobs: list[Coroutine[None, None, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(job)


async def for_ever(work: Work, tally: Tally, expected: tuple[type[Exception], ...]) -> None:
    """Does the same again and again. What of it fails in an expected way is counted."""
    while True:
        try:
            await work()
        except expected as error:
            tally.note(f"ended by {type(error).__name__}")
            await asyncio.sleep(REPEAT_AFTER_S)

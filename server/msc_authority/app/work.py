"""Threads for calls that block, so that the event loop never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


class Stopped(Exception):
    """What was under way was given up, because the process stops."""


def unless_stopped(items: Iterable[_T], stopping: Callable[[], bool]) -> Iterator[_T]:
    """Yields the items. Raises Stopped as soon as `stopping` says so."""
    for item in items:
        if stopping():
            raise Stopped
        yield item


class Worker:
    """Runs blocking calls on a few threads of its own; further calls wait for their turn."""

    def __init__(self, *, threads: int, name: str) -> None:
        """Threads start when they are first needed."""
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)

    async def run(self, call: Callable[[], _T]) -> _T:
        """Returns what `call` returns. A cancelled caller stops waiting; a call that has begun runs to its end."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Drops calls that have not begun and waits for those that have."""
        self._pool.shutdown(wait=True, cancel_futures=True)

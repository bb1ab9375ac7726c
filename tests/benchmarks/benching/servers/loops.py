"""The event loop that the measured servers run on: the product's choice, which is uvloop where that is installed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine

from benching.child import Document, allow_many_files, hear_on_a_thread

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def uvloop_factory() -> LoopFactory | None:
    """Returns what makes a loop of uvloop, None where it is not installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def run(main: Coroutine[object, object, None], factory: LoopFactory | None) -> None:
    """Runs a server until it ends."""
    allow_many_files()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def hear_on_the_loop(heard: Callable[[Document], None]) -> None:
    """Calls `heard` on the running loop with each line from the parent, and keeps the collector off what exists now."""
    loop = asyncio.get_running_loop()

    def on_the_loop(document: Document) -> None:
        loop.call_soon_threadsafe(heard, document)

    hear_on_a_thread(on_the_loop)
    gc.freeze()

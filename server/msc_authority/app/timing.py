"""Waiting as an argument: what waits takes a timer, so that a test moves time by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

Cancel = Callable[[], None]
Uniform = Callable[[float, float], float]
"""Draws a random number between two bounds."""


class Timer(Protocol):
    """Calls back later, on the event loop."""

    def after(self, delay_s: float, callback: Callable[[], None]) -> Cancel:
        """Calls `callback` once, `delay_s` from now. Returns what cancels it."""
        ...


class LoopTimer:
    """Timer of the running event loop."""

    def after(self, delay_s: float, callback: Callable[[], None]) -> Cancel:
        """Calls `callback` once, `delay_s` from now. Returns what cancels it."""
        return asyncio.get_running_loop().call_later(max(0.0, delay_s), callback).cancel


async def pause(timer: Timer, delay_s: float) -> None:
    """Returns after `delay_s` seconds of `timer`."""
    over = asyncio.get_running_loop().create_future()
    cancel = timer.after(delay_s, lambda: None if over.done() else over.set_result(None))
    try:
        await over
    finally:
        cancel()

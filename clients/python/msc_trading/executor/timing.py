"""Time as an executor needs it: an instant, a difference, and a wait."""

from __future__ import annotations

import asyncio
from typing import Protocol

from msc_trading.clock import Clock, SystemClock


class ExecutorClock(Clock, Protocol):
    """A clock that one can wait on."""

    async def sleep(self, seconds: float) -> None:
        """Returns once so many seconds of `monotonic` have passed."""
        ...


class LoopClock(SystemClock):
    """The machine's clocks, waited on in the running event loop."""

    async def sleep(self, seconds: float) -> None:
        """Returns after so many seconds."""
        await asyncio.sleep(seconds)

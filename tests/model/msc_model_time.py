"""Time of a whole world: an event loop that leaps to what is due next, and clocks that read it."""

from __future__ import annotations

import asyncio
import itertools
import selectors
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from msc_builders import START

_ORIGIN_S = 1000.0
_NS = 1_000_000_000
_DRAWS = (0.1, 0.6, 0.35, 0.9, 0.5, 0.75, 0.2)
"""Chance, the same in every run: what is drawn at random in a process is drawn from these in turn."""


class _Leaping(selectors.SelectSelector):
    """Waits for nothing: the time that would be waited has passed at once."""

    def __init__(self, pass_s: Callable[[float], None]) -> None:
        super().__init__()
        self._pass_s = pass_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits, and nothing is due: this world has stopped")
        if timeout > 0:
            self._pass_s(timeout)
        return []


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop in which time passes only while nobody has anything to do. One thread, the same in every run."""

    def __init__(self) -> None:
        self._elapsed_s = 0.0
        self.ends_at_s = 0.0
        """Whoever is still waited for then is waited for in vain."""
        super().__init__(_Leaping(self._pass_s))

    def time(self) -> float:
        return self._elapsed_s

    def _pass_s(self, seconds: float) -> None:
        self._elapsed_s += seconds
        if self._elapsed_s > self.ends_at_s:
            raise AssertionError("time runs away: somebody waits for what never happens")

    def leap(self, seconds: float) -> None:
        """Lets time pass while everybody stands still, as on a machine that was suspended."""
        self._elapsed_s += seconds


class WorldClock:
    """Reads the loop's time, as servers and as clients want it."""

    def __init__(self, loop: LeapingLoop) -> None:
        self._loop = loop
        self._draws = itertools.cycle(_DRAWS)
        self.monotonic_ns: Callable[[], int] = lambda: round(self.monotonic() * _NS)

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return _ORIGIN_S + self._loop.time()

    def wall_s(self) -> float:
        return self.now().timestamp()

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * next(self._draws)

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        raise AssertionError("no thread lives here")


class Standstill:
    """Whether a process runs. What falls due while it stands still happens when it goes on, in order."""

    def __init__(self, loop: LeapingLoop) -> None:
        self._loop = loop
        self._since: float | None = None
        self._goes_on = asyncio.Event()
        self._missed: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()

    @property
    def on(self) -> bool:
        return self._since is not None

    def begin(self) -> None:
        if self._since is None:
            self._since = self._loop.time()
            self._goes_on.clear()

    def end(self) -> float:
        """Goes on. Returns for how long it stood."""
        if self._since is None:
            return 0.0
        stood_s, self._since = self._loop.time() - self._since, None
        self._goes_on.set()
        missed, self._missed = self._missed, {}
        for callback in missed.values():
            self._loop.call_soon(callback)
        return stood_s

    async def over(self) -> None:
        """Returns at once while the process runs, else when it goes on."""
        while self.on:
            await self._goes_on.wait()

    def do(self, callback: Callable[[], None]) -> None:
        """Calls back soon, or when the process goes on."""
        if self.on:
            self._missed[next(self._numbers)] = callback
        else:
            self._loop.call_soon(callback)

    def after(self, delay_s: float, callback: Callable[[], None]) -> Callable[[], None]:
        """The timer of a process: see `msc_authority.app.timing.Timer`."""
        number = next(self._numbers)

        def due() -> None:
            if self.on:
                self._missed[number] = callback
            else:
                callback()

        handle = self._loop.call_later(max(0.0, delay_s), due)

        def cancel() -> None:
            handle.cancel()
            self._missed.pop(number, None)

        return cancel

"""The only place that reads time and chance."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

_CHANCES = 2**48


def new_id() -> str:
    """Returns 32 hexadecimal digits that nobody else has."""
    return os.urandom(16).hex()


def shuffled(items: Iterable[str]) -> list[str]:
    """Returns them in an order that every process draws for itself."""
    return sorted(items, key=lambda _: os.urandom(8))


class Clock(Protocol):
    """Time and chance, as the client needs them."""

    @property
    def monotonic_ns(self) -> Callable[[], int]:
        """Reads nanoseconds that never run backwards; only differences mean anything."""
        ...

    def wall_s(self) -> float:
        """Returns seconds since 1970, UTC, by this machine's clock."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """Returns a random number between the two."""
        ...

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Waits on a held condition until it is notified or the time is over."""
        ...


def _monotonic_ns() -> Callable[[], int]:
    # The usual clock stands still while the machine is suspended, and a policy would look fresh after an hour's sleep.
    # CLOCK_MONOTONIC goes on while macOS sleeps (time.monotonic there is another clock); on Linux CLOCK_BOOTTIME does.
    name = "CLOCK_MONOTONIC" if sys.platform == "darwin" else "CLOCK_BOOTTIME"
    clock = getattr(time, name, None)
    return time.monotonic_ns if clock is None else partial(time.clock_gettime_ns, clock)


class SystemClock:
    """The machine's own time and chance."""

    def __init__(self) -> None:
        self.monotonic_ns: Callable[[], int] = _monotonic_ns()

    def wall_s(self) -> float:
        """Returns seconds since 1970, UTC."""
        return time.time()

    def uniform(self, low: float, high: float) -> float:
        """Returns a random number between the two."""
        # The machine's own chance, not a seeded state: forked children would all draw the same waits.
        return low + (high - low) * int.from_bytes(os.urandom(6), "big") / _CHANCES

    def wait(self, condition: threading.Condition, timeout_s: float) -> None:
        """Waits on a held condition until it is notified or the time is over."""
        condition.wait(timeout_s)

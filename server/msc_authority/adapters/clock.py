"""The one place of the authority that reads time, and draws lots."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Returns the present instant, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Returns seconds that never run backwards; only differences mean anything."""
        return time.monotonic()


class SimulatedClock:
    """Time of a simulation: `origin` at the real instant `started_at`, and `speed` times as fast from then on.

    Several processes that are given the same three numbers agree on the time without talking. Durations stay real:
    heartbeats and ages are about processes, not about the market.
    """

    def __init__(self, *, origin: datetime, started_at: datetime, speed: float) -> None:
        """Takes aware instants and a factor above 0."""
        self._origin, self._started_at, self._speed = origin, started_at, speed
        self._real = SystemClock()

    def now(self) -> datetime:
        """Returns the simulated instant, aware UTC."""
        return self._origin + (self._real.now() - self._started_at) * self._speed

    def monotonic(self) -> float:
        """Returns real seconds that never run backwards; only differences mean anything."""
        return self._real.monotonic()


def uniform(low: float, high: float) -> float:
    """Returns a random number between two bounds. It spreads load and keeps no secret."""
    return random.uniform(low, high)  # noqa: S311 -- jitter, not cryptography

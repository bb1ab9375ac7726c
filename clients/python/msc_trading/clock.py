"""The only place of trading that reads time, and draws chance."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time as trading needs it."""

    def now(self) -> datetime:
        """Returns the present instant, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Returns seconds that never run backwards; only differences mean anything."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Returns the present instant, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Returns seconds that never run backwards; only differences mean anything."""
        return time.monotonic()


def seeded(seed: int) -> random.Random:
    """Returns chance that is the same for the same seed. It keeps no secret."""
    return random.Random(seed)  # noqa: S311 -- repeatable on purpose, not cryptography

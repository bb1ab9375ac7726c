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


def uniform(low: float, high: float) -> float:
    """Returns a random number between two bounds. It spreads load and keeps no secret."""
    return random.uniform(low, high)  # noqa: S311 -- jitter, not cryptography

"""What tells the time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Reads time."""

    def now(self) -> datetime:
        """Returns the present instant, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Returns seconds that never run backwards; only differences mean anything."""
        ...

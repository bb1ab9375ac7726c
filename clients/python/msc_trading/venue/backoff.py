"""How long to wait before a stream is opened again."""

from __future__ import annotations

from collections.abc import Callable


def wait_s(attempt: int, *, shortest_s: float, longest_s: float, chance: float) -> float:
    """Returns the wait before an attempt: none before the first, then doubling, less up to half by `chance` (0..1)."""
    if attempt <= 0:
        return 0.0
    # The exponent is bounded so that it stays a float.
    return min(longest_s, shortest_s * 2.0 ** min(attempt - 1, 60)) * (1 - chance / 2)


class Backoff:
    """Counts attempts. A connection that held for `longest_s` starts the count anew; one that did not, does not."""

    def __init__(self, *, shortest_s: float, longest_s: float, chance: Callable[[], float]) -> None:
        """Takes the bounds in local seconds, and where chance comes from."""
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._chance = chance
        self._attempt = 0

    def next_s(self) -> float:
        """Returns how long to wait before the attempt that comes now."""
        waits = wait_s(self._attempt, shortest_s=self._shortest_s, longest_s=self._longest_s, chance=self._chance())
        self._attempt += 1
        return waits

    def held(self, seconds: float) -> None:
        """Learns how long the last connection held."""
        if seconds >= self._longest_s:
            self._attempt = 0

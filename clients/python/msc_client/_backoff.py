"""How long to wait before the next attempt."""

from __future__ import annotations

from msc_client.config import ClientConfig

_LARGEST_EXPONENT = 30


def backoff_bounds_s(attempt: int, config: ClientConfig) -> tuple[float, float]:
    """Returns the range to draw the wait from: floor to min(max, initial x 2^attempt), in seconds.

    The floor and the draw keep a fleet that lost its authority in the same instant from coming back in one.
    """
    ceiling = min(config.backoff_max_s, config.backoff_initial_s * 2 ** min(attempt, _LARGEST_EXPONENT))
    return config.backoff_floor_s, ceiling

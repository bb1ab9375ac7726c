"""How Redis is connected to: bounded waits, and no repetitions behind our back."""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from msc_authority.ports.cache import CacheUnusable


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long things may take, in seconds. What the URL says comes first, as in `?socket_timeout=2`."""

    connect_s: float = 0.5
    """Until a connection stands."""
    answer_s: float = 0.5
    """Until a command is answered. A stop of the authority may wait for that."""
    listen_s: float = 0.3
    """How long Redis may keep a listener waiting. Ending the listener may take as long."""


WAITS = Waits()


def connect(url: str, *, connect_s: float, answer_s: float) -> Redis:
    """A client of `url`. Nothing is connected yet.

    Raises:
        CacheUnusable: the URL cannot be read.
    """
    try:
        return Redis.from_url(
            url,
            socket_connect_timeout=connect_s,
            socket_timeout=answer_s,
            # What is repeated unseen might reach another server, with the clock of the first one in its arguments.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            client_name="msc",
        )
    except (ValueError, TypeError) as error:
        # The message may quote the URL, and any part of that may be a secret.
        raise CacheUnusable(
            f"redis_url cannot be read ({type(error).__name__}): expected redis://, rediss:// or unix://"
        ) from None

"""Instants as stored: aware UTC, and as text of one width, so that the text sorts as the instants do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDTH = len("2025-11-30T10:30:00.000000Z")
_DAY = slice(len("2025-11-30"))
_1970 = date(1970, 1, 1).toordinal()


def aware_utc(value: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        ValueError: the instant has no time zone, so nobody can say when it was.
    """
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise ValueError(f"instant {value.isoformat()} has no time zone: give it one, such as +00:00")
    return value.astimezone(UTC)


def text_of(value: datetime) -> str:
    """Text such as 2025-11-30T10:30:00.000000Z, always with microseconds."""
    instant = aware_utc(value)
    # An instant with a zone takes twice as long to write, for an offset that is not wanted.
    return f"{_day_text(instant.toordinal())}T{instant.time().isoformat('microseconds')}Z"


@lru_cache(maxsize=1024)
def _day_text(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def instant_from(text: str) -> datetime:
    """The instant that `text_of` wrote.

    Raises:
        ValueError: the text is no instant, or has no time zone.
    """
    value = datetime.fromisoformat(text)
    return value if value.tzinfo is UTC else aware_utc(value)


def microseconds_from(texts: Sequence[str]) -> NDArray[np.int64]:
    """The instants that `text_of` wrote, in order of time, in microseconds since 1970."""
    import numpy as np

    digits = np.frombuffer("".join(texts).encode(), dtype=np.uint8).reshape(-1, _WIDTH) - ord("0")
    first, last = texts[0][_DAY], texts[-1][_DAY]
    elapsed = np.full(len(texts), _days_until(first), dtype=np.int64)
    if first != last:
        elapsed[:] = [_days_until(text[_DAY]) for text in texts]
    for place, base in ((11, 24), (14, 60), (17, 60), (20, 100), (22, 100), (24, 100)):
        elapsed = elapsed * base + (digits[:, place] * 10 + digits[:, place + 1])
    return elapsed


@lru_cache(maxsize=1024)
def _days_until(day: str) -> int:
    return date.fromisoformat(day).toordinal() - _1970

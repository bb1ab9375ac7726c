"""Instants as stored: aware UTC, and as text of one width, so that the text sorts as the instants do."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache


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

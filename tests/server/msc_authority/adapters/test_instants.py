"""Instants as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.instants import aware_utc, instant_from, microseconds_from, text_of
from msc_authority.core.evidence import instant_of

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# A day off the ends of the calendar, so that every time zone can say every instant.
INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)


@given(INSTANTS)
def test_an_instant_comes_back_from_its_text_in_utc(instant: datetime) -> None:
    back = instant_from(text_of(instant))

    assert back == instant
    assert back.tzinfo is UTC


@given(INSTANTS, INSTANTS)
def test_texts_sort_as_their_instants_do(one: datetime, other: datetime) -> None:
    assert (text_of(one) < text_of(other)) == (one < other)


def test_the_text_always_has_microseconds() -> None:
    assert text_of(datetime(2025, 11, 30, 10, 30, tzinfo=UTC)) == "2025-11-30T10:30:00.000000Z"


def test_an_instant_without_time_zone_is_refused() -> None:
    for refuse in (aware_utc, text_of):
        with pytest.raises(ValueError, match="2025-01-01T00:00:00 has no time zone"):
            refuse(datetime(2025, 1, 1))
    with pytest.raises(ValueError, match="no time zone"):
        instant_from("2025-01-01T00:00:00")


def test_the_system_clock_tells_aware_time_and_never_runs_backwards() -> None:
    clock = SystemClock()

    first, second = clock.monotonic(), clock.monotonic()

    assert clock.now().tzinfo is UTC
    assert first <= second


@given(st.lists(INSTANTS, min_size=1))
def test_a_column_of_texts_comes_back_as_microseconds(instants: list[datetime]) -> None:
    instants.sort()

    assert [*map(instant_of, microseconds_from([*map(text_of, instants)]).tolist())] == instants

"""The venue's time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_builders import NOON, ManualClock

from msc_trading.venue.clock_offset import Sample, VenueTime, best


def sample(*, ahead_s: float = 0.0, round_trip_s: float = 0.0, at: float = 1000.0) -> Sample:
    return Sample(venue_time=NOON + timedelta(seconds=ahead_s), asked_at=at - round_trip_s, answered_at=at)


def test_unknown_is_a_value() -> None:
    time = VenueTime(ManualClock(), time_scale=1.0)

    assert (time.now(), time.offset_s(), time.dating_offset_s(), time.error_s()) == (None, None, None, None)


def test_the_offset_is_venue_time_minus_local_time() -> None:
    time = VenueTime(ManualClock(), time_scale=1.0)

    time.accept(sample(ahead_s=-2.5))

    assert time.offset_s() == -2.5


def test_half_of_the_way_has_passed_when_the_answer_arrives() -> None:
    time = VenueTime(ManualClock(), time_scale=1.0)

    time.accept(sample(round_trip_s=0.2))

    assert time.now() == NOON + timedelta(seconds=0.1)
    assert time.error_s() == pytest.approx(0.1)


@given(round_trip_s=st.floats(0.0, 100.0), share=st.floats(0.0, 1.0), scale=st.floats(1.0, 5000.0))
def test_however_long_the_way_is_a_request_is_never_dated_a_second_ahead(
    round_trip_s: float, share: float, scale: float
) -> None:
    time = VenueTime(ManualClock(), time_scale=scale)
    passed_since_the_answer_was_written = timedelta(seconds=round_trip_s * share * scale)

    time.accept(sample(round_trip_s=round_trip_s))

    estimate, truth = time.now(), NOON + passed_since_the_answer_was_written
    assert estimate is not None
    assert estimate - truth < timedelta(seconds=1)


def test_the_error_covers_a_slow_answer() -> None:
    time = VenueTime(ManualClock(), time_scale=1.0)

    time.accept(sample(round_trip_s=8.0))

    assert time.error_s() == 7.5


def test_time_passes_at_the_venues_speed_and_requests_are_dated_at_ours() -> None:
    clock = ManualClock()
    time = VenueTime(clock, time_scale=1440.0)
    time.accept(sample())

    clock.advance(60.0)

    assert time.now() == NOON + timedelta(days=1)
    assert time.dating_offset_s() == 0.0


def test_a_jump_of_the_wall_clock_is_made_up_for() -> None:
    clock = ManualClock()
    time = VenueTime(clock, time_scale=1.0)
    time.accept(sample())

    clock.jump(-3600.0)

    assert time.now() == NOON
    assert time.dating_offset_s() == 3600.0


def test_a_clock_that_the_venue_disagrees_with_is_unknown_again() -> None:
    time = VenueTime(ManualClock(), time_scale=1.0)
    time.accept(sample())

    time.forget()

    assert time.now() is None


def test_the_shortest_way_is_believed() -> None:
    slow, quick = sample(ahead_s=1.0, round_trip_s=0.3), sample(ahead_s=2.0, round_trip_s=0.1)

    assert best([slow, quick, slow]) is quick

"""The venue's time, estimated from questions and answers.

Venue time = the venue's time at the last sample + what has passed here since, times the venue's speed. What has passed
is read from the monotonic clock, so that a jump of the wall clock changes nothing.

A request is dated differently: the last sample + what has passed here, at real speed. On a venue with real time both
are one. On a paper exchange at 1440 times the speed a receive window of 5 s would be over after 3.5 ms of real time, so
it measures a request's age in real time, from the times that it has told; dates that run at real speed fit that, those
that run at the venue's would not survive the way there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from msc_trading.clock import Clock

# The venue refuses what is dated a second or more ahead of it; we stay below that whatever the way there took.
MAX_LEAD = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the venue's clock: asked and answered at these monotonic seconds."""

    venue_time: datetime
    asked_at: float
    answered_at: float

    @property
    def round_trip_s(self) -> float:
        """How long the answer took, which bounds the error."""
        return self.answered_at - self.asked_at


class VenueTime:
    """The present instant of the venue, once it has been sampled."""

    def __init__(self, clock: Clock, *, time_scale: float) -> None:
        """Takes the local clock, and how many seconds pass on the venue while one passes here."""
        self._clock = clock
        self._scale = time_scale
        self._anchor: tuple[datetime, float] | None = None
        self._error_s = 0.0

    def accept(self, sample: Sample) -> None:
        """Goes by this sample from now on."""
        # The answer was written between asking and its arrival: half way, but never so late that we would run ahead.
        way_back = min(timedelta(seconds=sample.round_trip_s / 2 * self._scale), MAX_LEAD)
        self._anchor = (sample.venue_time + way_back, sample.answered_at)
        self._error_s = sample.round_trip_s - min(sample.round_trip_s / 2, MAX_LEAD.total_seconds())

    def forget(self) -> None:
        """Makes it unknown: the venue has said that our time is wrong."""
        self._anchor = None

    def now(self) -> datetime | None:
        """Returns the venue's present instant, None while it is unknown."""
        return self._at_speed(self._scale)

    def offset_s(self) -> float | None:
        """Returns venue time minus local time in seconds, None while it is unknown."""
        return self._ahead_of_here(self.now())

    def dating_offset_s(self) -> float | None:
        """Returns what is added to local time to date a request, None while it is unknown."""
        return self._ahead_of_here(self._at_speed(1.0))

    def error_s(self) -> float | None:
        """Returns by how much a request may be misdated, in seconds; None while the venue's time is unknown."""
        return None if self._anchor is None else self._error_s

    def _at_speed(self, scale: float) -> datetime | None:
        if self._anchor is None:
            return None
        venue_time, at = self._anchor
        return venue_time + timedelta(seconds=(self._clock.monotonic() - at) * scale)

    def _ahead_of_here(self, venue_time: datetime | None) -> float | None:
        return None if venue_time is None else (venue_time - self._clock.now()).total_seconds()


def best(samples: list[Sample]) -> Sample:
    """Returns the sample with the shortest way, which errs least."""
    return min(samples, key=lambda sample: sample.round_trip_s)

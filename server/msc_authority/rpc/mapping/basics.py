"""Durations and instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NANOS_A_SECOND = 1_000_000_000


def duration_to_proto(seconds: float) -> Duration:
    """Returns seconds, of either sign, as a Duration."""
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1_000_000) * 1000)
    return duration


def seconds_of(duration: Duration) -> float:
    """Returns a Duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def instant_to_proto(instant: datetime) -> Timestamp:
    """Returns an aware instant as a Timestamp."""
    timestamp = Timestamp()
    timestamp.FromDatetime(instant)
    return timestamp


def instant_of(timestamp: Timestamp) -> datetime | None:
    """Returns a Timestamp as an aware instant, None when it lies outside the calendar."""
    # As `ToDatetime` does, in a third of its time: facts come by the hundred thousand.
    seconds, nanos = timestamp.seconds, timestamp.nanos
    if not 0 <= nanos < _NANOS_A_SECOND:
        return None
    try:
        return _EPOCH + timedelta(0, seconds, nanos // 1000)
    except OverflowError:
        return None

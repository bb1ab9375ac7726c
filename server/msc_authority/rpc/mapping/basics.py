"""Durations and instants."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


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
    try:
        return timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None

"""Converts between protobuf's times and Python's aware ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

#: What a timestamp counts from, and in.
_EPOCH, _SECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(seconds=1)


def now() -> datetime:
    """Return the wall clock's time, aware, in UTC."""
    return datetime.now(UTC)


def to_timestamp(moment: datetime) -> Timestamp:
    """Convert an aware datetime.

    Raises:
        ValueError: *moment* has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a timestamp needs an aware datetime")
    seconds, rest = divmod(moment - _EPOCH, _SECOND)
    return Timestamp(seconds=seconds, nanos=rest.microseconds * 1000)


def from_timestamp(stamp: Timestamp) -> datetime:
    """Convert to an aware datetime in UTC, to the microsecond."""
    return stamp.ToDatetime(tzinfo=UTC)


def to_duration(span: timedelta) -> Duration:
    """Convert a timedelta, to the microsecond."""
    duration = Duration()
    duration.FromTimedelta(span)
    return duration


def from_duration(duration: Duration) -> timedelta:
    """Convert to a timedelta, to the microsecond."""
    return duration.ToTimedelta()

"""Writes durations, shares, money, counts and moments as a report's reader takes them in at a glance."""

from __future__ import annotations

from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from miyabi_cli.showing.results import USD_MICROS

#: What stands where nothing was measured; never a number.
NOT_MEASURED = "-"


def took(duration: Duration | timedelta) -> str:
    """Return a duration with three digits or so: `35 ms`, `1.20 s`, `12.3 s`, `2 min 05 s`, `1 h 03 min`."""
    span = duration if isinstance(duration, timedelta) else duration.ToTimedelta()
    seconds = span.total_seconds()
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def measured(message: Message, field: str) -> str:
    """Return a duration of a message; where it is unset, that it was not measured."""
    return took(getattr(message, field)) if message.HasField(field) else NOT_MEASURED


def share(part: float) -> str:
    """Return a share in percent: `0.4 %`, `37 %`."""
    percent = part * 100
    return f"{percent:.1f} %" if 0 < percent < 9.95 else f"{percent:.0f} %"


def money(usd_micros: int) -> str:
    """Return millionths of a dollar as dollars; cents need four places, hundreds none."""
    dollars = usd_micros / USD_MICROS
    return f"${dollars:,.4f}" if dollars < 10 else f"${dollars:,.2f}"


def count(number: int) -> str:
    """Return a number with its thousands told apart."""
    return f"{number:,}"


def moment(time: Timestamp | datetime) -> str:
    """Return a moment in UTC, to the second."""
    whole = time if isinstance(time, datetime) else time.ToDatetime()
    return whole.isoformat(sep=" ", timespec="seconds")

"""Times travel as protobuf has them, to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from miyabi_core.proto_time import from_timestamp, to_timestamp

MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=9))),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_timestamp_is_what_protobuf_makes_of_a_moment(moment: datetime) -> None:
    """Before 1970, in other zones and at the ends of the calendar, and back again."""
    expected = Timestamp()
    expected.FromDatetime(moment.astimezone(UTC))
    assert to_timestamp(moment) == expected
    assert from_timestamp(to_timestamp(moment)) == moment


def test_moment_without_a_zone_is_refused() -> None:
    """Nobody could say when it is."""
    with pytest.raises(ValueError, match="aware"):
        to_timestamp(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point

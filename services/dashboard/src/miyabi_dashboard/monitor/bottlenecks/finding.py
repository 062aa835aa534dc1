"""Chooses among everything that was measured what is told as a bottleneck, heaviest first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.proto_time import to_duration, to_timestamp
from miyabi_core.text import first
from miyabi_dashboard.monitor.bottlenecks.slower import Slower
from miyabi_dashboard.monitor.measuring import Family
from miyabi_dashboard.monitor.storing import Series

#: Least seconds of each level, the heaviest first.
LEVELS = (
    (30.0, pb.BOTTLENECK_LEVEL_CRITICAL),
    (10.0, pb.BOTTLENECK_LEVEL_HIGH),
    (5.0, pb.BOTTLENECK_LEVEL_MEDIUM),
    (1.0, pb.BOTTLENECK_LEVEL_LOW),
)
#: Bottlenecks that a report lists.
MOST_BOTTLENECKS = 20
_FAMILIES = {
    Family.TASK: pb.BOTTLENECK_FAMILY_TASK,
    Family.TOOL: pb.BOTTLENECK_FAMILY_TOOL,
    Family.MODEL: pb.BOTTLENECK_FAMILY_MODEL_CALL,
    Family.QUEUE: pb.BOTTLENECK_FAMILY_QUEUE_WAIT,
    Family.GATEWAY: pb.BOTTLENECK_FAMILY_GATEWAY_WAIT,
}


class Candidate(NamedTuple):
    """Something that was measured: what, how long, its share of the critical path, and whether it became slower."""

    family: Family
    subject: str
    kind: int
    series: Series
    share: float = 0.0
    slower: Slower | None = None


def level_of(seconds: float) -> pb.BottleneckLevel.ValueType:
    """Return how much so many seconds weigh; unspecified below one second."""
    return next((level for least, level in LEVELS if seconds >= least), pb.BOTTLENECK_LEVEL_UNSPECIFIED)


def found_among(candidates: Iterable[Candidate]) -> tuple[list[pb.Bottleneck], int]:
    """Return what takes a second or more or has become slower, heaviest first, and how many are not listed."""
    heavy = [entry for entry in candidates if entry.slower or level_of(entry.series.durations.most)]
    heavy.sort(key=lambda entry: (-level_of(entry.series.durations.most), -entry.share,
                                  -entry.series.durations.most, entry.subject))  # fmt: skip
    listed, rest = first(heavy, MOST_BOTTLENECKS)
    return [_bottleneck(entry) for entry in listed], rest


def _bottleneck(entry: Candidate) -> pb.Bottleneck:
    """Render one."""
    durations = entry.series.durations
    found = pb.Bottleneck(
        subject=entry.subject,
        task_kind=entry.kind,  # type: ignore[arg-type]
        level=level_of(durations.most),
        duration=to_duration(timedelta(seconds=durations.most)),
        critical_path_share=entry.share,
        example=entry.series.example,
        family=_FAMILIES[entry.family],
        count=durations.count,
        p50=to_duration(timedelta(seconds=durations.quantile(0.5))),
    )
    if entry.slower is not None:
        found.usual.CopyFrom(to_duration(timedelta(seconds=entry.slower.usual)))
        found.slower_since.CopyFrom(to_timestamp(datetime.fromtimestamp(entry.slower.since, UTC)))
    return found

"""Measures from events: durations by task kind, tool and agent, and what takes long; nothing is estimated."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import TaskState
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.proto_time import to_duration

#: Durations that are kept of one subject: the newest.
MOST_SAMPLES = 2000
#: Least seconds of each level, the heaviest first.
LEVELS = (
    (30.0, pb.BOTTLENECK_LEVEL_CRITICAL),
    (10.0, pb.BOTTLENECK_LEVEL_HIGH),
    (5.0, pb.BOTTLENECK_LEVEL_MEDIUM),
    (1.0, pb.BOTTLENECK_LEVEL_LOW),
)
#: Bottlenecks that a report lists.
MOST_BOTTLENECKS = 20


@dataclass
class _Series:
    """Durations of one subject."""

    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_SAMPLES))
    failed: int = 0
    slowest: float = 0.0
    example: str = ""
    kind: int = 0

    def add(self, seconds: float, *, failed: bool, example: str, kind: int) -> None:
        """Add a measurement."""
        self.seconds.append(seconds)
        self.failed += failed
        if seconds >= self.slowest:
            self.slowest, self.example, self.kind = seconds, example, kind


class Monitor:
    """Collects measurements from the event stream of this process."""

    def __init__(self) -> None:
        self._tools: defaultdict[str, _Series] = defaultdict(_Series)
        self._tasks: defaultdict[str, _Series] = defaultdict(_Series)
        self._agents: defaultdict[str, _Series] = defaultdict(_Series)
        self._leased: dict[tuple[str, int, str], tuple[float, str]] = {}
        self._samples = 0

    def take(self, event: BatchEvent) -> None:
        """Measure what an event ends."""
        payload = event.WhichOneof("payload")
        example = f"{event.batch}/runs/{event.issue_number}/tasks/{event.task_id}"
        if payload == "tool_invocation":
            call = event.tool_invocation
            seconds = call.duration.ToTimedelta().total_seconds()
            self._tools[call.tool].add(seconds, failed=not call.succeeded, example=example, kind=event.task_kind)
            self._samples += 1
        elif payload == "task_state_changed":
            self._task(event, example)

    def _task(self, event: BatchEvent, example: str) -> None:
        """Measure a task from its lease to its end."""
        key, change = (event.batch, event.issue_number, event.task_id), event.task_state_changed
        moment = event.time.ToMicroseconds() / 1e6
        if change.to_state == TaskState.TASK_STATE_LEASED:
            self._leased[key] = (moment, change.agent)
            return
        began, agent = self._leased.pop(key, (None, ""))
        if began is None:
            return
        failed = change.to_state not in {TaskState.TASK_STATE_SUCCEEDED, TaskState.TASK_STATE_READY}
        name = TaskKind.Name(event.task_kind).removeprefix("TASK_KIND_").lower()
        for series in (self._tasks[name], self._agents[agent or "unknown"]):
            series.add(moment - began, failed=failed, example=example, kind=event.task_kind)
        self._samples += 1

    def report(self) -> pb.GetPerformanceReportResponse:
        """Return what was measured so far."""
        return pb.GetPerformanceReportResponse(
            tasks=_summaries(self._tasks),
            tools=_summaries(self._tools),
            agents=_summaries(self._agents),
            bottlenecks=self._bottlenecks(),
            samples=self._samples,
        )

    def _bottlenecks(self) -> list[Any]:
        """Return the tools that took a second or more, slowest first."""
        slow = [(name, series) for name, series in self._tools.items() if series.slowest >= LEVELS[-1][0]]
        slow.sort(key=lambda entry: -entry[1].slowest)
        return [
            pb.Bottleneck(
                subject=name,
                task_kind=TaskKind.ValueType(series.kind),
                level=next(level for least, level in LEVELS if series.slowest >= least),
                duration=to_duration(_span(series.slowest)),
                example=series.example,
            )
            for name, series in slow[:MOST_BOTTLENECKS]
        ]


def _span(seconds: float) -> Any:
    """Return a timedelta."""
    return timedelta(seconds=seconds)


def _summaries(series: dict[str, _Series]) -> list[pb.DurationSummary]:
    """Render each subject's durations, exact over the samples that are kept."""
    rendered = []
    for name, entry in sorted(series.items()):
        ordered = sorted(entry.seconds)
        rendered.append(
            pb.DurationSummary(
                subject=name,
                count=len(ordered),
                failed=entry.failed,
                p50=to_duration(_span(ordered[len(ordered) // 2])),
                p95=to_duration(_span(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))])),
                max=to_duration(_span(entry.slowest)),
                total=to_duration(_span(sum(ordered))),
            )
        )
    return rendered

"""A batch's story as bars: what each issue waited for, its attempts, and which of them the batch's end waited for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import TaskState
from miyabi.dashboard.v1.telemetry_service_pb2 import SegmentKind
from miyabi_dashboard.monitor.critical_path.history import Attempt, History, RunStory, TaskStory, tell
from miyabi_dashboard.monitor.critical_path.paths import Stretch, path_of_batch, waits

#: What a part of the story is drawn as; the others are work.
PHASES = {
    SegmentKind.SEGMENT_KIND_QUEUE_WAIT: "wait",
    SegmentKind.SEGMENT_KIND_SLOT_WAIT: "slot",
    SegmentKind.SEGMENT_KIND_BACKOFF: "backoff",
    SegmentKind.SEGMENT_KIND_APPROVAL: "approval",
    SegmentKind.SEGMENT_KIND_PAUSED: "paused",
    SegmentKind.SEGMENT_KIND_ORDER_WAIT: "order",
}


@dataclass(frozen=True, slots=True)
class Span:
    """Some time of a task, or of its issue where *task* is empty; seconds since 1970, `end` is 0 while it goes on."""

    task: str
    kind: str
    phase: str
    start: float
    end: float = 0.0
    attempt: int = 0
    fix_round: int = 0
    agent: str = ""
    state: str = ""


@dataclass
class Timeline:
    """The story of a batch, event by event."""

    sequence: int = 0
    titles: dict[int, str] = field(default_factory=dict)
    history: History = field(default_factory=History)

    def take(self, events: Iterable[BatchEvent]) -> None:
        """Go on with the next events of the log."""
        for event in events:
            self.sequence = event.sequence
            tell(self.history, event)
            for heading in event.batch_accepted.issues:
                self.titles[heading.number] = heading.title


def spans_of(history: History, run: RunStory) -> list[Span]:
    """Return what is drawn of an issue, by its begin."""
    found = [span for task in run.tasks.values() for span in _of_task(history, task)]
    if run.asked:
        found.append(Span("", "approval", "approval", run.asked, run.answered))
    return sorted(found, key=lambda span: (span.start, span.end or float("inf")))


def _of_task(history: History, task: TaskStory) -> Iterator[Span]:
    """Yield a task's waits, attempts and pauses."""
    for number, attempt in enumerate(task.attempts, 1):
        for stretch in waits(history, attempt, task.kind, ""):
            yield Span(task.id, task.kind, PHASES[stretch.kind], stretch.start, stretch.end, number, task.fix_round)
        yield _work(task, attempt, number)
    for before, after in pairwise(task.attempts):
        yield Span(task.id, task.kind, "backoff", before.ended, after.ready, fix_round=task.fix_round)
    if task.ready and task.state == TaskState.TASK_STATE_READY:
        yield Span(task.id, task.kind, "wait", task.ready, fix_round=task.fix_round)


def _work(task: TaskStory, attempt: Attempt, number: int) -> Span:
    """Return an attempt."""
    state = TaskState.Name(TaskState.ValueType(attempt.state)) if attempt.ended else ""
    return Span(task.id, task.kind, "work", attempt.leased, attempt.ended, number, task.fix_round, attempt.agent, state)


def rendered(timeline: Timeline, *, batch: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return a timeline as JSON.

    Args:
        timeline: Of the batch.
        batch: As JSON.
        now: Seconds since 1970; what goes on is drawn up to here.
    """
    history = timeline.history
    path = path_of_batch(history)
    chosen = {_place(stretch) for stretch in path}
    # The path of a batch that runs ends with its newest event; what it waits for since then is part of it.
    since = 0.0 if history.finished or not path else max(0.0, now - history.ended)
    return {
        "batch": batch, "start": history.accepted, "end": history.ended if history.finished else None, "now": now,
        "rows": [
            {
                "issueNumber": number, "title": timeline.titles.get(number, ""),
                "spans": [
                    _span(span, critical=(number, span.task, span.phase, span.start) in chosen)
                    for span in spans_of(history, run)
                ],
            }
            for number, run in history.runs.items()
        ],
        "criticalPathSeconds": round(sum(stretch.seconds for stretch in path) + since, 3),
    }  # fmt: skip


def _place(stretch: Stretch) -> tuple[int, str, str, float]:
    """Return issue, task, phase and begin of a part of the path."""
    _, _, _, issue, *task = stretch.name.split("/")
    return int(issue), task[1] if task else "", PHASES.get(stretch.kind, "work"), stretch.start


def _span(span: Span, *, critical: bool) -> dict[str, Any]:
    """Return a span as JSON."""
    return {
        "taskId": span.task, "kind": span.kind, "attempt": span.attempt, "fixRound": span.fix_round,
        "phase": span.phase, "start": span.start, "end": span.end or None, "agent": span.agent, "state": span.state,
        "critical": critical,
    }  # fmt: skip

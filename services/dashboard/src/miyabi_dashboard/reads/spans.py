"""What was done when, from the log alone: spans of waiting, work, approval, backoff, and the path that took longest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import BatchState, RunState, TaskState
from miyabi_dashboard.reads.batch_view import kind_name

#: A task that begins when another has ended begins a little later: the coordinator commits in between.
HANDOVER_SECONDS = 1.0
#: What a state of a task is drawn as; states without an entry are not drawn.
_PHASES = {
    TaskState.TASK_STATE_READY: "wait",
    TaskState.TASK_STATE_LEASED: "work",
    TaskState.TASK_STATE_BACKOFF: "backoff",
}


@dataclass(slots=True)
class Span:
    """Some time of a task, in seconds since 1970; `end` is 0 while it goes on."""

    task: str
    kind: str
    attempt: int
    fix_round: int
    phase: str
    start: float
    end: float = 0.0
    agent: str = ""
    state: str = ""
    critical: bool = False


@dataclass
class Row:
    """An issue's spans."""

    number: int
    title: str
    depends_on: tuple[int, ...] = ()
    spans: list[Span] = field(default_factory=list)
    #: The span of each task that goes on.
    open: dict[str, Span] = field(default_factory=dict)
    fix_rounds: dict[str, int] = field(default_factory=dict)


class Timeline:
    """Spans of a batch, event by event."""

    def __init__(self) -> None:
        self.sequence = 0
        self.start = self.end = self.seen = 0.0
        self.rows: dict[int, Row] = {}

    def take(self, events: Iterable[BatchEvent]) -> None:
        """Lay events of the log, in order."""
        for event in events:
            moment = event.time.seconds + event.time.nanos / 1e9
            self.sequence, self.seen = event.sequence, moment
            payload = event.WhichOneof("payload")
            if payload == "batch_accepted":
                self.start = moment
                for heading in event.batch_accepted.issues:
                    self.rows[heading.number] = Row(heading.number, heading.title, tuple(heading.depends_on))
            elif payload == "batch_finished":
                self.end = moment
            elif payload == "batch_state_changed":
                # A batch that is retried has ended no longer.
                self.end = 0.0 if event.batch_state_changed.to_state == BatchState.BATCH_STATE_RUNNING else self.end
            elif (row := self.rows.get(event.issue_number)) is not None:
                _take(row, event, payload, moment)


def _take(row: Row, event: BatchEvent, payload: str | None, moment: float) -> None:
    """Lay an event over a row."""
    if payload == "tasks_added":
        for task in event.tasks_added.tasks:
            row.fix_rounds[task.name.rpartition("/")[2]] = task.fix_round
    elif payload == "task_state_changed":
        _move(row, event, moment)
    elif payload == "run_state_changed":
        if event.run_state_changed.to_state == RunState.RUN_STATE_AWAITING_APPROVAL:
            _open(row, Span("", "approval", 0, 0, "approval", moment))
        else:
            _close(row, "", moment, RunState.Name(event.run_state_changed.to_state))


def _move(row: Row, event: BatchEvent, moment: float) -> None:
    """End a task's span, and begin the next one."""
    change = event.task_state_changed
    _close(row, event.task_id, moment, TaskState.Name(change.to_state))
    if phase := _PHASES.get(change.to_state):
        fix_round = row.fix_rounds.get(event.task_id, 0)
        agent = change.agent if phase == "work" else ""
        _open(
            row, Span(event.task_id, kind_name(event.task_kind), event.attempt, fix_round, phase, moment, agent=agent)
        )


def _open(row: Row, span: Span) -> None:
    """Begin a span."""
    row.spans.append(span)
    row.open[span.task] = span


def _close(row: Row, task: str, moment: float, state: str) -> None:
    """End the span of a task, where one goes on, with the state that it led to."""
    if (span := row.open.pop(task, None)) is not None:
        span.end, span.state = moment, state


def rendered(timeline: Timeline, *, batch: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return a timeline as JSON.

    Args:
        timeline: Of the batch.
        batch: As JSON.
        now: Seconds since 1970; what goes on is drawn up to here.
    """
    path = critical_path(timeline, now=now)
    chosen = {id(span) for span in path}
    return {
        "batch": batch, "start": timeline.start, "end": timeline.end or None, "now": now,
        "rows": [
            {
                "issueNumber": row.number, "title": row.title,
                "spans": [_span(span, critical=id(span) in chosen) for span in row.spans],
            }
            for row in timeline.rows.values()
        ],
        "criticalPathSeconds": round(sum((span.end or now) - span.start for span in path), 3),
    }  # fmt: skip


def _span(span: Span, *, critical: bool) -> dict[str, Any]:
    """Return a span as JSON."""
    return {
        "taskId": span.task, "kind": span.kind, "attempt": span.attempt, "fixRound": span.fix_round,
        "phase": span.phase, "start": span.start, "end": span.end or None, "agent": span.agent, "state": span.state,
        "critical": critical,
    }  # fmt: skip


def critical_path(timeline: Timeline, *, now: float) -> list[Span]:
    """Return the spans that the end waited for, last first.

    From the span that ended last it goes back to the one that ended last before it began, among those of the same issue
    and of the issues that this one depends on, and so on. What lies between two of them belongs to neither.
    """
    rows = [row for row in timeline.rows.values() if row.spans]
    if not rows:
        return []
    row = max(rows, key=lambda entry: max(span.end or now for span in entry.spans))
    span: Span | None = max(row.spans, key=lambda entry: entry.end or now)
    path: list[Span] = []
    while span is not None:
        path.append(span)
        row, span = _before(timeline, row, span, taken={id(entry) for entry in path})
    return path


def _before(timeline: Timeline, row: Row, span: Span, *, taken: set[int]) -> tuple[Row, Span | None]:
    """Return what ended last before a span began, with its row; None where nothing did."""
    rows = [row, *(timeline.rows[number] for number in row.depends_on if number in timeline.rows)]
    earlier = [
        (candidate, entry)
        for candidate in rows
        for entry in candidate.spans
        if id(entry) not in taken
        and entry.end
        and entry.start <= span.start
        and entry.end <= span.start + HANDOVER_SECONDS
    ]
    if not earlier:
        return row, None
    return max(earlier, key=lambda pair: (pair[1].end, pair[1].start))

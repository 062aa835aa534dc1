"""What the dashboard keeps of a batch is what the coordinator says of it, whatever happened: random logs of its use cases."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from random_logs import logs

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import TaskState
from miyabi_dashboard.reads.batch_view import ENDED, BatchView, accepted
from miyabi_dashboard.reads.preview import estimate
from miyabi_dashboard.reads.spans import HANDOVER_SECONDS, Timeline, critical_path, rendered

#: Batches of the run.
COUNT = 12


@pytest.fixture(scope="module", params=range(COUNT), ids=lambda number: f"seed {number}")
def log(request: Any) -> tuple[list[BatchEvent], list[pb.GetBatchResponse]]:
    """A batch's events, and what the coordinator said at some of its sequences."""
    (found,) = logs(request.param, 1)
    events = [ParseDict(event, BatchEvent()) for event in found["events"]]
    return events, [ParseDict(answer, pb.GetBatchResponse()) for answer in found["answers"]]


def states(view: BatchView) -> dict[str, int]:
    """Return the states of a batch, its runs and its tasks."""
    runs = {f"{run.number}": run.state for run in view.runs.values()}
    tasks = {f"{run.number}/{task.id}": task.state for run in view.runs.values() for task in run.tasks.values()}
    return {"": view.state, **runs, **tasks}


def test_events_lead_from_any_answer_to_each_later_one(log: Any) -> None:
    """An answer with the events behind it is the later answer; those that it held already change nothing."""
    events, answers = log
    for index, start in enumerate(answers):
        for end in answers[index:]:
            view = BatchView(start)
            for event in events[max(0, start.batch.last_sequence - 3) : end.batch.last_sequence]:
                view.take(event)
            assert states(BatchView(end)) == states(view)
            assert (view.sequence, view.has_gap) == (end.batch.last_sequence, False)


def test_first_event_begins_a_batch(log: Any) -> None:
    """The log alone tells the batch, its runs, and every task that has moved."""
    events, answers = log
    view = accepted(events[0])
    for event in events[1 : answers[-1].batch.last_sequence]:
        view.take(event)
    unmoved = {TaskState.TASK_STATE_PENDING, TaskState.TASK_STATE_READY}
    told, said = states(view), states(BatchView(answers[-1]))
    assert {name: state for name, state in said.items() if name in told or state not in unmoved} == told


def test_missing_event_is_noticed(log: Any) -> None:
    """Where an event is missing the batch is asked for anew."""
    events, answers = log
    view = BatchView(answers[0])
    behind = [event for event in events if event.sequence > view.sequence + 1]
    for event in behind:
        view.take(event)
    assert bool(behind) == view.has_gap


def test_spans_of_a_task_follow_one_another(log: Any) -> None:
    """A task is in one phase at a time; what has ended goes on no longer; the path is a chain that goes back in time."""
    events, answers = log
    timeline = Timeline()
    timeline.take(events)
    now = timeline.seen + 5
    for row in timeline.rows.values():
        for task in {span.task for span in row.spans}:
            mine = [span for span in row.spans if span.task == task]
            assert all(before.end <= after.start for before, after in pairwise(mine))
            assert all(span.end for span in mine[:-1])
    last = BatchView(answers[-1])
    ended = {
        f"{run.number}/{task.id}" for run in last.runs.values() for task in run.tasks.values() if task.state in ENDED
    }
    going_on = {f"{row.number}/{name}" for row in timeline.rows.values() for name in row.open if name}
    assert ended & going_on == set()
    path = critical_path(timeline, now=now)
    for after, before in pairwise(path):
        assert before.start <= after.start
        assert before.end <= after.start + HANDOVER_SECONDS
    told = rendered(timeline, batch={}, now=now)
    marked = sum(span["critical"] for row in told["rows"] for span in row["spans"])
    assert (len(path), set(timeline.rows)) == (marked, {row["issueNumber"] for row in told["rows"]})


@pytest.mark.parametrize(
    ("costs", "expected"),
    [([], None), ([0.1, 0.2], None), ([1.0, 2.0, 3.0, 4.0, 5.0], (20.0, 40.0)), ([0.5, 0.5, 0.5], (5.0, 5.0))],
)
def test_estimate_is_of_what_was_measured(costs: list[float], expected: tuple[float, float] | None) -> None:
    """Ten issues cost ten times the middle half of others; where too few were measured nothing is said."""
    found = estimate(costs, 10)
    assert expected == (None if found is None else (found["usdLow"], found["usdHigh"]))

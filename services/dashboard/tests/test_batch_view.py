"""What the dashboard keeps of a batch is what the coordinator says of it, whatever happened: random logs of its use cases."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from random_logs import logs

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import TaskState
from miyabi_dashboard.monitor.critical_path.paths import path_of_batch
from miyabi_dashboard.reads.batch_view import ENDED, BatchView, accepted
from miyabi_dashboard.reads.batches import BatchReads
from miyabi_dashboard.reads.live_batches import LiveBatches
from miyabi_dashboard.reads.preview import estimate
from miyabi_dashboard.reads.spans import Timeline, rendered, spans_of
from miyabi_dashboard.upstream import Upstream

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
    """A task is in one phase at a time; what has ended goes on no longer."""
    events, answers = log
    timeline = Timeline()
    timeline.take(events)
    ended = {
        f"{run.number}/{task.id}"
        for run in BatchView(answers[-1]).runs.values()
        for task in run.tasks.values()
        if task.state in ENDED
    }
    for number, run in timeline.history.runs.items():
        for task in run.tasks:
            mine = [span for span in spans_of(timeline.history, run) if span.task == task]
            assert all(span.end for span in mine[:-1])
            assert all(before.end <= after.start + 1e-6 for before, after in pairwise(mine))
            assert f"{number}/{task}" not in ended or all(span.end for span in mine)


def test_the_path_is_the_one_that_the_report_has(log: Any) -> None:
    """What is marked as critical is the monitor's chain, drawn where its stretches are; its seconds are the chain's, up to now while it goes on."""
    timeline = Timeline()
    timeline.take(log[0])
    told = rendered(timeline, batch={}, now=timeline.history.ended + 5)
    path = path_of_batch(timeline.history)
    drawn = [stretch for stretch in path if stretch.name.count("/") == 5]
    marked = [span for row in told["rows"] for span in row["spans"] if span["critical"] and span["taskId"]]
    assert [stretch.start for stretch in drawn] == sorted(span["start"] for span in marked)
    since = 0 if timeline.history.finished else 5
    assert round(sum(stretch.seconds for stretch in path) + since, 3) == told["criticalPathSeconds"]
    assert {row["issueNumber"] for row in told["rows"]} == set(timeline.history.runs)


async def test_what_is_drawn_is_described(log: Any) -> None:
    """The interface's description names every phase that a timeline has."""
    upstream = Upstream("127.0.0.1:1")
    reads = BatchReads(upstream, LiveBatches(upstream, lifetime=timedelta(0)), simulated=False)
    (answer,) = [route.answer for route in reads.routes() if route.path.endswith("/timeline")]
    await upstream.close()
    timeline = Timeline()
    timeline.take(log[0])
    rows = rendered(timeline, batch={}, now=timeline.history.ended + 5)["rows"]
    schema = answer["properties"]["rows"]["items"]["properties"]["spans"]["items"]["properties"]["phase"]
    assert {span["phase"] for row in rows for span in row["spans"]} <= set(schema["enum"])


@pytest.mark.parametrize(
    ("costs", "expected"),
    [([], None), ([0.1, 0.2], None), ([1.0, 2.0, 3.0, 4.0, 5.0], (20.0, 40.0)), ([0.5, 0.5, 0.5], (5.0, 5.0))],
)
def test_estimate_is_of_what_was_measured(costs: list[float], expected: tuple[float, float] | None) -> None:
    """Ten issues cost ten times the middle half of others; where too few were measured nothing is said."""
    found = estimate(costs, 10)
    assert expected == (None if found is None else (found["usdLow"], found["usdHigh"]))

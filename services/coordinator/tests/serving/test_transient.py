"""What is sent on without being logged says whose it is."""

from __future__ import annotations

import pytest

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import LeaseReference, Progress
from miyabi.coordinator.v1.event_pb2 import BatchEvent, StepChanged
from miyabi_coordinator.shards import new_batch_id
from miyabi_coordinator.translate.dispatch import transient_progress


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("verify", TaskKind.TASK_KIND_VERIFY),
        ("retry-1-implement-2", TaskKind.TASK_KIND_IMPLEMENT),
        ("pull-request", TaskKind.TASK_KIND_PULL_REQUEST),
        ("something-else", TaskKind.TASK_KIND_UNSPECIFIED),
    ],
)
def test_a_step_names_its_tasks_kind(task: str, kind: int) -> None:
    """A step that an agent tells carries batch, issue, task and kind, so that a page need not guess."""
    batch = new_batch_id(0)
    reference = LeaseReference(task=f"batches/{batch}/runs/7/tasks/{task}", fencing_token=1)
    message = Progress(reference=reference, index=1, step=StepChanged(step="running tests", percent=-1))
    event = BatchEvent.FromString(transient_progress(message, agent="a"))
    told = (event.batch, event.issue_number, event.task_id, event.task_kind, event.step_changed.step)
    assert told == (f"batches/{batch}", 7, task, kind, "running tests")

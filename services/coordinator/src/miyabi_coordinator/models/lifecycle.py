"""Which states follow which: the tables that the comments of `state.proto` list, which a test proves."""

from __future__ import annotations

from miyabi_coordinator.models.enums import BatchState, RunState, TaskState

#: From each state of a batch, those that may come next.
BATCH_MOVES = {
    BatchState.RUNNING: {BatchState.PAUSED, BatchState.SUCCEEDED, BatchState.FAILED, BatchState.CANCELLED},
    BatchState.PAUSED: {BatchState.RUNNING, BatchState.SUCCEEDED, BatchState.FAILED, BatchState.CANCELLED},
    BatchState.SUCCEEDED: set(),
    BatchState.FAILED: {BatchState.RUNNING},
    BatchState.CANCELLED: set(),
}
#: From each state of a run, those that may come next.
RUN_MOVES = {
    RunState.PENDING: {RunState.RUNNING, RunState.FAILED, RunState.SKIPPED, RunState.CANCELLED},
    RunState.RUNNING: {
        RunState.AWAITING_APPROVAL,
        RunState.SUCCEEDED,
        RunState.FAILED,
        RunState.SKIPPED,
        RunState.CANCELLED,
    },
    RunState.AWAITING_APPROVAL: {RunState.RUNNING, RunState.FAILED, RunState.CANCELLED},
    RunState.SUCCEEDED: set(),
    RunState.FAILED: {RunState.PENDING},
    RunState.SKIPPED: {RunState.PENDING},
    RunState.CANCELLED: set(),
}
#: From each state of a task, those that may come next; one that ended stays as it is.
TASK_MOVES = {
    TaskState.PENDING: {TaskState.READY, TaskState.SKIPPED, TaskState.CANCELLED},
    TaskState.READY: {TaskState.LEASED, TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED},
    TaskState.LEASED: {
        TaskState.READY,
        TaskState.BACKOFF,
        TaskState.SUCCEEDED,
        TaskState.FAILED,
        TaskState.CANCELLED,
    },
    TaskState.BACKOFF: {TaskState.READY, TaskState.SKIPPED, TaskState.CANCELLED},
    TaskState.SUCCEEDED: set(),
    TaskState.FAILED: set(),
    TaskState.SKIPPED: set(),
    TaskState.CANCELLED: set(),
}

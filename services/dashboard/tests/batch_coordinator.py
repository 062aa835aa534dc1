"""A coordinator that answers from memory, over real gRPC."""

# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from miyabi.common.v1 import task_kind_pb2
from miyabi.coordinator.v1 import batch_pb2, event_pb2, result_pb2, state_pb2
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceServicer

#: The batch that it has.
NAME = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV"


class BatchCoordinator(CoordinatorServiceServicer):
    """Has one batch of two issues, the first done, the second worked on by `agent-1`; `tell` sends events."""

    def __init__(self) -> None:
        self.listed = 0
        self.read = 0
        self._events: asyncio.Queue[event_pb2.BatchEvent] = asyncio.Queue()

    def tell(self, event: event_pb2.BatchEvent) -> None:
        """Send an event to whoever watches."""
        self._events.put_nowait(event)

    async def ListBatches(self, request: pb.ListBatchesRequest, context: Any) -> pb.ListBatchesResponse:
        """Return the batch, without runs, where it is asked for."""
        del context
        if request.repository not in {"", "a/b"}:
            return pb.ListBatchesResponse()
        self.listed += 1
        return pb.ListBatchesResponse(batches=[_batch()])

    async def GetBatch(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchResponse:
        """Return the batch with its runs."""
        del request, context
        self.read += 1
        result = result_pb2.IssueResult(
            issue_number=1, state=state_pb2.RUN_STATE_SUCCEEDED, pull_request_url="https://example.test/a/b/pull/9"
        )
        return pb.GetBatchResponse(batch=_batch(), runs=[_run(1, done=True), _run(2, done=False)], results=[result])

    async def GetIssueRun(self, request: pb.GetIssueRunRequest, context: Any) -> pb.GetIssueRunResponse:
        """Return a run with its change."""
        del request, context
        run = _run(1, done=True)
        run.change_set.diff = "+text\n"
        run.change_set.files.append(result_pb2.FileChange(path="a.py", content=b"secret whole file"))
        return pb.GetIssueRunResponse(run=run)

    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Any) -> AsyncIterator[pb.WatchEventsResponse]:
        """Send a cursor at once, then events."""
        del request, context
        yield pb.WatchEventsResponse(cursor="0")
        while True:
            yield pb.WatchEventsResponse(events=[await self._events.get()], cursor="1")


def _batch() -> batch_pb2.Batch:
    return batch_pb2.Batch(
        name=NAME,
        spec=batch_pb2.BatchSpec(repository="a/b", issue_numbers=[1, 2]),
        state=state_pb2.BATCH_STATE_RUNNING,
        counters=batch_pb2.BatchCounters(total=2, running=1, succeeded=1),
        last_sequence=12,
    )


def _run(number: int, *, done: bool) -> batch_pb2.IssueRun:
    name = f"{NAME}/runs/{number}"
    task_state = state_pb2.TASK_STATE_SUCCEEDED if done else state_pb2.TASK_STATE_LEASED
    tasks = [
        batch_pb2.Task(
            name=f"{name}/tasks/triage", kind=task_kind_pb2.TASK_KIND_TRIAGE, state=task_state, agent="agent-1"
        ),
        batch_pb2.Task(
            name=f"{name}/tasks/plan",
            kind=task_kind_pb2.TASK_KIND_PLAN,
            state=state_pb2.TASK_STATE_SUCCEEDED if done else state_pb2.TASK_STATE_PENDING,
            depends_on=["triage"],
        ),
    ]
    state = state_pb2.RUN_STATE_SUCCEEDED if done else state_pb2.RUN_STATE_RUNNING
    return batch_pb2.IssueRun(name=name, issue_number=number, state=state, tasks=tasks, depends_on=[] if done else [1])

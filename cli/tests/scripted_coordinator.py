"""A coordinator that plays a script over real gRPC, and breaks its streams where a test wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from miyabi.common.v1.freshness_pb2 import StaleData
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import Batch, BatchSpec
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceServicer
from miyabi.coordinator.v1.event_pb2 import BatchAccepted, BatchEvent, BatchFinished, IssueHeading, TaskStateChanged
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi.coordinator.v1.state_pb2 import RunState, TaskState

NAME = "miyabi.coordinator.v1.CoordinatorService"
BATCH = "batches/01ARZ3NDEKTSV4RRFFQ69G5FAV"


def story(
    *, state: RunState.ValueType = RunState.RUN_STATE_SUCCEEDED, stale: StaleData | None = None
) -> list[BatchEvent]:
    """Return four events of a batch with one issue that ends in *state* and was accepted with *stale* data."""
    result = IssueResult(
        issue_number=7, title="Broken", state=state, labels=["type:bug"], files=["a.py"], tests_failed_before=1,
        tests_passed_after=1, review_score=96, pull_request_url="http://127.0.0.1/pull/8", cost_usd_micros=12_500,
        duration=Duration(seconds=4), stale_data=stale,
    )  # fmt: skip
    batch = Batch(name=BATCH, spec=BatchSpec(repository="a/b", issue_numbers=[7]), simulated=True)
    accepted = BatchAccepted(batch=batch, issues=[IssueHeading(number=7, title="Broken", stale_data=stale)])
    moved = TaskStateChanged(to_state=TaskState.TASK_STATE_SUCCEEDED)
    return [
        BatchEvent(batch=BATCH, sequence=1, batch_accepted=accepted),
        BatchEvent(batch=BATCH, sequence=2, issue_number=7, task_id="triage", task_state_changed=moved),
        BatchEvent(batch=BATCH, sequence=3, issue_number=7, issue_finished=result),
        BatchEvent(batch=BATCH, sequence=4, batch_finished=BatchFinished(results=[result])),
    ]


class ScriptedCoordinator(CoordinatorServiceServicer):
    """Plays *events*; the first stream ends with UNAVAILABLE after *break_after* of them."""

    def __init__(self, events: list[BatchEvent], *, break_after: int = -1) -> None:
        self.events = events
        self.break_after = break_after
        self.watched_after: list[int] = []
        self.submitted: list[pb.SubmitBatchRequest] = []

    async def SubmitBatch(self, request: pb.SubmitBatchRequest, context: Any) -> AsyncIterator[pb.SubmitBatchResponse]:  # noqa: N802
        self.submitted.append(request)
        for position, event in enumerate(self.events):
            if position == self.break_after:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
            yield pb.SubmitBatchResponse(events=[event])

    async def WatchBatch(self, request: pb.WatchBatchRequest, context: Any) -> AsyncIterator[pb.WatchBatchResponse]:  # noqa: N802
        self.watched_after.append(request.after_sequence)
        yield pb.WatchBatchResponse(events=[event for event in self.events if event.sequence > request.after_sequence])

    async def GetBatch(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchResponse:  # noqa: N802
        finished = [event.batch_finished for event in self.events if event.HasField("batch_finished")]
        batch = Batch(name=request.name, end_time=Timestamp(seconds=1) if finished else None)
        return pb.GetBatchResponse(batch=batch, results=finished[0].results if finished else ())

    async def ListBatches(self, request: pb.ListBatchesRequest, context: Any) -> pb.ListBatchesResponse:  # noqa: N802
        return pb.ListBatchesResponse(batches=[self.events[0].batch_accepted.batch])

"""A coordinator that keeps one batch and two agents in memory, for the words that look after them."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from scripted_coordinator import BATCH, ScriptedCoordinator, story

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import Agent, Batch, BatchCounters, BatchSpec, IssueRun, Task
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.limits_pb2 import LimitReason, LimitStep
from miyabi.coordinator.v1.state_pb2 import BatchState, RunState, TaskState

#: A task that `agents/local-1` works on.
TASK = Task(
    name=f"{BATCH}/runs/7/tasks/implement-1", kind=TaskKind.TASK_KIND_IMPLEMENT, state=TaskState.TASK_STATE_LEASED, attempt=2,
    agent="local-1", start_time=Timestamp(seconds=1_767_225_600),
)  # fmt: skip


class Operations(ScriptedCoordinator):
    """Does what the RPCs of operators say to one batch, and keeps each request."""

    def __init__(self, events: list[BatchEvent] | None = None) -> None:
        super().__init__(story() if events is None else events)
        self.batch = Batch(
            name=BATCH, spec=BatchSpec(repository="a/b", issue_numbers=[7]), state=BatchState.BATCH_STATE_RUNNING,
            counters=BatchCounters(total=1, running=1), last_sequence=max((event.sequence for event in self.events), default=0),
        )  # fmt: skip
        self.agents = [
            Agent(
                name="agents/local-1", slots=4, leased=1, version="0.1.0", capabilities=[TaskKind.TASK_KIND_IMPLEMENT]
            ),
            Agent(name="agents/local-2", slots=2, draining=True),
        ]
        self.requests: list[Any] = []
        self.looked = 0

    async def _known(self, request: Any, context: Any) -> None:
        """Keep a request; one for another batch is refused."""
        self.requests.append(request)
        if request.name != BATCH:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such batch")

    async def PauseBatch(self, request: pb.PauseBatchRequest, context: Any) -> pb.PauseBatchResponse:  # noqa: N802
        await self._known(request, context)
        self.batch.state = BatchState.BATCH_STATE_PAUSED
        return pb.PauseBatchResponse(batch=self.batch)

    async def ResumeBatch(self, request: pb.ResumeBatchRequest, context: Any) -> pb.ResumeBatchResponse:  # noqa: N802
        await self._known(request, context)
        self.batch.state = BatchState.BATCH_STATE_RUNNING
        return pb.ResumeBatchResponse(batch=self.batch)

    async def RetryBatch(self, request: pb.RetryBatchRequest, context: Any) -> pb.RetryBatchResponse:  # noqa: N802
        await self._known(request, context)
        return pb.RetryBatchResponse(batch=self.batch)

    async def CancelBatch(self, request: pb.CancelBatchRequest, context: Any) -> pb.CancelBatchResponse:  # noqa: N802
        await self._known(request, context)
        self.batch.state = BatchState.BATCH_STATE_CANCELLED
        return pb.CancelBatchResponse(batch=self.batch)

    async def DrainAgent(self, request: pb.DrainAgentRequest, context: Any) -> pb.DrainAgentResponse:  # noqa: N802
        self.requests.append(request)
        agent = next(agent for agent in self.agents if agent.name == request.name)
        agent.draining = True
        return pb.DrainAgentResponse(agent=agent)

    async def ListAgents(self, request: pb.ListAgentsRequest, context: Any) -> pb.ListAgentsResponse:  # noqa: N802
        self.looked += 1
        if self.looked > 2:
            self.agents[0].draining = True
        return pb.ListAgentsResponse(agents=self.agents)

    async def ListBatches(self, request: pb.ListBatchesRequest, context: Any) -> pb.ListBatchesResponse:  # noqa: N802
        self.requests.append(request)
        matches = request.state in {0, self.batch.state} and request.repository in {"", "a/b"}
        return pb.ListBatchesResponse(batches=[self.batch] if matches else [])

    async def GetBatch(self, request: pb.GetBatchRequest, context: Any) -> pb.GetBatchResponse:  # noqa: N802
        run = IssueRun(
            name=f"{BATCH}/runs/7", issue_number=7, title="Broken", state=RunState.RUN_STATE_RUNNING, tasks=[TASK]
        )
        return pb.GetBatchResponse(batch=self.batch, runs=[run])

    async def ListLimitSteps(self, request: pb.ListLimitStepsRequest, context: Any) -> pb.ListLimitStepsResponse:  # noqa: N802
        step = LimitStep(
            time=Timestamp(seconds=1_767_225_600), target="model-api/api.anthropic.com", limit=8, previous=16,
            reason=LimitReason.LIMIT_REASON_REFUSED, detail="2 of 16 calls were refused",
        )  # fmt: skip
        return pb.ListLimitStepsResponse(steps=[step])

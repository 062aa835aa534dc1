"""What tests of the store's failures share: batches, watchers that resume, and a recount of everything."""

from __future__ import annotations

import asyncio
from collections import Counter

import grpc

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.testing import REPOSITORY

#: States of a run in the order of the batch's counters.
COUNTED = ("pending", "running", "awaiting_approval", "succeeded", "failed", "skipped", "cancelled")


def submit(*numbers, **fields):
    """A batch of the only repository; its issues may be in others too."""
    twice = [ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH]
    return pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=numbers, overrule=twice, **fields)


async def collect(call, *, on_event=None):
    """Return all events of a stream, committed ones only."""
    events = []
    async with asyncio.timeout(50):
        async for response in call:
            for event in response.events:
                if event.sequence:
                    events.append(event)
                    if on_event:
                        on_event(event)
    return events


async def code_of(call):
    """Return the code and reason that a call ends with."""
    from miyabi_core.status import from_rpc_error

    try:
        async with asyncio.timeout(30):
            if hasattr(call, "__aiter__"):
                async for _ in call:
                    pass
            else:
                await call
    except grpc.aio.AioRpcError as error:
        return error.code(), from_rpc_error(error).reason
    return grpc.StatusCode.OK, ""


def assert_gapless(events):
    """Check that sequences have no gap and no repeat."""
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))


def assert_decided_once(events):
    """Check that no task began or ended twice in one attempt, and no issue ended twice."""
    steps = Counter(
        (event.issue_number, event.task_id, event.attempt, event.task_state_changed.to_state)
        for event in events
        if event.HasField("task_state_changed")
    )
    assert [step for step, count in steps.items() if count > 1] == []
    endings = Counter(event.issue_number for event in events if event.HasField("issue_finished"))
    assert [number for number, count in endings.items() if count > 1] == []


async def assert_recount(stub, name):
    """Check that the counters of a batch equal a recount of its runs; returns the answer."""
    answer = await stub.GetBatch(pb.GetBatchRequest(name=name))
    states = Counter(state_pb2.RunState.Name(run.state).removeprefix("RUN_STATE_").lower() for run in answer.runs)
    counters = answer.batch.counters
    assert {name: getattr(counters, name) for name in COUNTED} == {name: states[name] for name in COUNTED}
    assert counters.total == len(answer.runs)
    return answer

"""What KEDA is told: how many ready and leased tasks there are."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from miyabi.coordinator.v1 import coordinator_service_pb2 as coordinator_pb
from miyabi.coordinator.v1 import coordinator_service_pb2_grpc as coordinator_grpc
from miyabi.coordinator.v1 import state_pb2
from miyabi.keda.v1 import external_scaler_pb2 as pb
from miyabi.keda.v1 import external_scaler_pb2_grpc
from miyabi_coordinator.decide import kind_of_task
from miyabi_coordinator.models import TaskKind
from miyabi_coordinator.testing import REPOSITORY

Triage = {"capabilities": "triage, PLAN", "tasksPerAgent": "2"}


async def submit(channel, issues):
    """Hand a batch over and hang up; returns its name."""
    stub = coordinator_grpc.CoordinatorServiceStub(channel)
    request = coordinator_pb.SubmitBatchRequest(
        repository=REPOSITORY, issue_numbers=issues, pipeline=state_pb2.PIPELINE_FIX, concurrency=10
    )
    call = stub.SubmitBatch(request)
    first = await call.read()
    call.cancel()
    return first.events[0].batch


async def count(channel, **metadata):
    """Ask for the metric as KEDA does."""
    reference = pb.ScaledObjectRef(name="agents", namespace="miyabi", scaler_metadata=metadata)
    request = pb.GetMetricsRequest(scaled_object_ref=reference, metric_name="miyabi-tasks")
    answer = await external_scaler_pb2_grpc.ExternalScalerStub(channel).GetMetrics(request)
    (value,) = answer.metric_values
    assert value.metric_value == value.metric_value_float
    return value.metric_value


async def test_ready_and_leased_tasks_are_counted(stack):
    """Tasks that wait and tasks that are worked on are work; nothing is none."""
    async with stack.coordinator() as channel:
        stub = external_scaler_pb2_grpc.ExternalScalerStub(channel)
        assert await count(channel) == 0
        assert not (await stub.IsActive(pb.ScaledObjectRef())).result
        await submit(channel, [1, 2, 3])
        assert await count(channel) == 3
        async with stack.agent(channel, slots=2, answer=lambda _: None) as agent:
            await agent.leases.get()
            await agent.leases.get()
            assert await count(channel) == 3
            assert (await stub.IsActive(pb.ScaledObjectRef())).result


async def test_what_waits_in_a_paused_batch_does_not_count(stack):
    """It waits on purpose: no agent is wanted for it and no alert is due, until the batch goes on."""
    async with stack.coordinator() as channel:
        name = await submit(channel, [1, 2])
        stub = coordinator_grpc.CoordinatorServiceStub(channel)
        assert await count(channel) == 2
        await stub.PauseBatch(coordinator_pb.PauseBatchRequest(name=name))
        assert await count(channel) == 0
        await stub.ResumeBatch(coordinator_pb.ResumeBatchRequest(name=name))
        assert await count(channel) == 2


async def test_only_the_chosen_capabilities_count(stack):
    """A trigger for some kinds of task is told of those alone."""
    async with stack.coordinator() as channel:
        await submit(channel, [1, 2])
        assert await count(channel, capabilities="TRIAGE") == 2
        assert await count(channel, capabilities="review,verify") == 0
        async with stack.agent(channel, slots=1, answer=lambda _: None) as agent:
            await agent.leases.get()
            assert (await count(channel, capabilities="triage"), await count(channel, capabilities="plan")) == (2, 0)


async def test_target_is_what_the_trigger_says(stack):
    """The metric's target is the number of tasks that one agent should have."""
    async with stack.coordinator() as channel:
        stub = external_scaler_pb2_grpc.ExternalScalerStub(channel)
        (default,) = (await stub.GetMetricSpec(pb.ScaledObjectRef())).metric_specs
        assert (default.metric_name, default.target_size, default.target_size_float) == ("miyabi-tasks", 4, 4.0)
        (chosen,) = (await stub.GetMetricSpec(pb.ScaledObjectRef(scaler_metadata=Triage))).metric_specs
        assert chosen.target_size == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("capabilities", "FLY"), ("tasksPerAgent", "0"), ("tasksPerAgent", "1001"), ("tasksPerAgent", "many")],
)
async def test_bad_metadata_is_refused(stack, name, value):
    """What cannot be read is named, and not guessed."""
    async with stack.coordinator() as channel:
        stub = external_scaler_pb2_grpc.ExternalScalerStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetMetricSpec(pb.ScaledObjectRef(scaler_metadata={name: value}))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"scaler_metadata[{name}]" in caught.value.details()


async def test_stream_tells_of_work_as_it_comes(stack):
    """A trigger that scales from 0 hears at once that there is no work, and then that there is."""
    async with stack.coordinator() as channel:
        call = external_scaler_pb2_grpc.ExternalScalerStub(channel).StreamIsActive(pb.ScaledObjectRef())
        assert not (await call.read()).result
        await submit(channel, [1])
        async with asyncio.timeout(20):
            assert (await call.read()).result
        call.cancel()


@pytest.mark.parametrize(
    ("task_id", "kind"),
    [
        ("triage", TaskKind.TRIAGE),
        ("plan", TaskKind.PLAN),
        ("implement-step-2", TaskKind.IMPLEMENT),
        ("retry-3-implement-2", TaskKind.IMPLEMENT),
        ("verify-2", TaskKind.VERIFY),
        ("retry-1-pull-request-4", TaskKind.PULL_REQUEST),
    ],
)
def test_a_task_id_names_its_kind(task_id, kind):
    """The ids of every round and retry tell what the task does."""
    assert kind is kind_of_task(task_id)

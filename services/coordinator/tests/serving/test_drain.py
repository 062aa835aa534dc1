"""A coordinator that is told to end, while it still answers for those who have not noticed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
import pytest

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc
from miyabi_coordinator.testing import ScriptedAgent
from miyabi_core.status import from_rpc_error

#: Longer than what is looked at takes.
DRAIN_DELAY = timedelta(seconds=5)


async def test_agents_go_elsewhere_at_once(stack, operators):
    """It sends agents away and takes none in, so that none waits idly for its end; calls are answered as before."""
    addresses, told_to_end = asyncio.Queue(), asyncio.Event()

    async def serve():
        async with stack.serving(drain_delay=DRAIN_DELAY) as address:
            addresses.put_nowait(address)
            await told_to_end.wait()

    async with (
        asyncio.timeout(30),
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(serve())
        async with grpc.aio.insecure_channel(await addresses.get()) as channel:
            agent = ScriptedAgent(channel)
            attached = tasks.create_task(agent.run())
            await agent.attached.wait()
            told_to_end.set()
            await attached
            assert agent.drained.is_set()
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await _attach(channel)
            assert from_rpc_error(refused.value).reason == "SHUTTING_DOWN"
            await operators(channel).ListBatches(pb.ListBatchesRequest())


async def _attach(channel):
    """Attach as another agent, and hear the first answer."""
    call = dispatch_service_pb2_grpc.DispatchServiceStub(channel).Attach()
    await call.write(
        dispatch_service_pb2.AttachRequest(
            hello=dispatch_service_pb2.Hello(agent_id="agent-2", capabilities=[1], slots=1)
        )
    )
    await call.read()
    return await call.code()

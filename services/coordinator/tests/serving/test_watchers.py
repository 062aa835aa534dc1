"""Watchers of one batch that take their time, beside others that do not."""

from __future__ import annotations

import asyncio

import grpc

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2, event_pb2, state_pb2
from miyabi_coordinator.service.telling.watch import INBOX_BYTES
from miyabi_coordinator.testing import REPOSITORY, succeed

#: Reports that travel in one message.
TOGETHER = 200
#: So many reports are more than a watcher's inbox holds: each is an event of more than 400 bytes.
MANY = INBOX_BYTES // 400

#: A connection of its own whose window stays as small as HTTP/2 begins, 64 KiB.
NARROW = (("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535))


async def report(agent, lease, count):
    """Report tool calls of a lease, each of which becomes an event."""
    for first in range(1, count + 1, TOGETHER):
        progress = [
            dispatch_service_pb2.Progress(
                reference=lease.reference,
                index=index,
                tool_invocation=event_pb2.ToolInvocation(tool="shell", detail="x" * 400, succeeded=True),
            )
            for index in range(first, min(first + TOGETHER, count + 1))
        ]
        await agent._call.write(dispatch_service_pb2.AttachRequest(progress=progress))


async def read(call, seen):
    """Read a stream to its end, noting sequences."""
    async for answer in call:
        seen.extend(event.sequence for event in answer.events)


async def test_a_watcher_that_does_not_read_holds_nobody_up(stack, operators):
    """While one watcher reads nothing, another sees the batch to its end; then the first sees everything, in order.

    There are more events than a watcher's inbox holds and than its connection takes, so that the slow one goes back to
    the log.
    """
    async with stack.coordinator() as channel, stack.agent(channel, slots=1, answer=lambda _: None) as agent:
        stub = operators(channel)
        request = pb.SubmitBatchRequest(
            repository=REPOSITORY, issue_numbers=[1], pipeline=state_pb2.PIPELINE_TRIAGE, concurrency=1
        )
        slow, fast = [], []
        submitted = stub.SubmitBatch(request)
        name = (await submitted.read()).events[0].batch
        submitted.cancel()
        watch = pb.WatchBatchRequest(name=name, committed_only=True)
        async with asyncio.timeout(50), grpc.aio.insecure_channel(channel._channel.target.decode(), NARROW) as narrow:
            slow_call = aiter(operators(narrow).WatchBatch(watch))
            slow.extend(event.sequence for event in (await anext(slow_call)).events)
            lease = await agent.leases.get()
            async with asyncio.TaskGroup() as group:
                group.create_task(read(stub.WatchBatch(watch), fast))
                await report(agent, lease, MANY + TOGETHER)
                await agent.send(succeed(lease))
            assert len(fast) > MANY > len(slow)
            await read(slow_call, slow)
        assert list(range(1, len(fast) + 1)) == fast
        assert fast == slow

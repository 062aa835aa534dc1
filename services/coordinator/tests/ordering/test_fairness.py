"""The order of leases: small batches beside large ones, and weights."""

from __future__ import annotations

import asyncio

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.testing import REPOSITORY, succeed


def triage(*numbers, **fields):
    """A batch whose own limit does not hold it back."""
    return pb.SubmitBatchRequest(
        repository=REPOSITORY,
        issue_numbers=numbers,
        pipeline=state_pb2.PIPELINE_TRIAGE,
        concurrency=len(numbers),
        overrule=[ProblemKind.PROBLEM_KIND_ISSUE_IN_BATCH],
        **fields,
    )


async def accepted(stub, request):
    """Submit, hang up, and return the batch's name."""
    call = stub.SubmitBatch(request)
    async for answer in call:
        call.cancel()
        return answer.events[0].batch
    return ""


async def leases_of(agent, count):
    """Answer leases one by one; returns the batch of each in the order in which they came."""
    order = []
    async with asyncio.timeout(30):
        for _ in range(count):
            lease = await agent.leases.get()
            order.append("/".join(lease.reference.task.split("/")[:2]))
            await agent.send(succeed(lease))
    return order


async def test_small_batch_behind_a_large_one(stack, operators):
    """A batch of three that comes behind one of twenty gets every other lease of the only slot, from the next on."""
    async with stack.coordinator() as channel, stack.agent(channel, slots=1, answer=lambda _: None) as agent:
        stub = operators(channel)
        large = await accepted(stub, triage(*range(1, 21)))
        held = await agent.leases.get()
        small = await accepted(stub, triage(1, 2, 3))
        await agent.send(succeed(held))
        order = await leases_of(agent, 8)
        pairs = [set(order[start : start + 2]) for start in (0, 2, 4)]
        assert [{large, small}] * 3 == pairs
        assert [large, large] == order[6:]


async def test_shares_follow_weights(stack, operators):
    """Of two batches that wait for one slot, the one of weight 3 gets three of four leases."""
    async with stack.coordinator() as channel:
        stub = operators(channel)
        light = await accepted(stub, triage(*range(1, 13), weight=1))
        heavy = await accepted(stub, triage(*range(1, 13), weight=3))
        async with stack.agent(channel, slots=1, answer=lambda _: None) as agent:
            order = await leases_of(agent, 16)
            assert [
                (order[start : start + 4].count(heavy), order[start : start + 4].count(light))
                for start in (0, 4, 8, 12)
            ] == [(3, 1)] * 4


async def test_priority_helps_and_does_not_starve(stack, operators):
    """A batch of higher priority is served first; the other one gets its turn before the first is through."""
    async with stack.coordinator() as channel:
        stub = operators(channel)
        plain = await accepted(stub, triage(*range(1, 13)))
        urgent = await accepted(stub, triage(*range(1, 13), priority=5))
        async with stack.agent(channel, slots=1, answer=lambda _: None) as agent:
            order = await leases_of(agent, 12)
            assert [urgent] * 5 == order[:5]
            assert plain in order[5:8]

"""Where batches live: spread over the primaries of a cluster, found again when shards were added."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from store_checks import collect, submit

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import dispatch_service_pb2 as dispatch_pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.shards import MAX_SHARDS, SLOTS, TAGS, homes_of, new_batch_id, shard_of, slot_of
from miyabi_coordinator.testing import succeed
from miyabi_core.ids import new_ulid


def test_slots_are_those_of_the_specification():
    """The slot of a tag is what the cluster specification computes for its own example."""
    assert (slot_of("123456789"), len(set(map(slot_of, TAGS)))) == (0x31C3, MAX_SHARDS)


@pytest.mark.parametrize(("primaries", "most"), [*((count, 1) for count in range(2, 7)), (8, 2), (12, 2), (16, 2)])
def test_shards_spread_over_primaries(primaries, most):
    """However many shards there are, no primary has more than a few more of them than another."""
    held = [0] * primaries
    for number, tag in enumerate(TAGS, start=1):
        held[slot_of(tag) * primaries // SLOTS] += 1
        if number >= primaries:
            assert max(held) - min(held) <= most, number


def test_requests_stay_or_go_to_the_new_shard():
    """With one more shard a request keeps its home or moves to the new one, and all former homes are known."""
    requests = [new_ulid() for _ in range(200)]
    for request in requests:
        homes = [homes_of(request, shards=shards) for shards in range(1, MAX_SHARDS + 1)]
        for count, (before, after) in enumerate(pairwise(homes), start=1):
            assert after[-1] in {before[-1], count}
        assert {home[-1] for home in homes} == set(homes[-1])
    last = [homes_of(request, shards=4)[-1] for request in requests]
    assert min(last.count(shard) for shard in range(4)) > 20


async def test_old_batches_are_found_when_shards_are_added(stack, operators):
    """After a restart with more shards old batches go on, a repeat finds its batch, and new ones use all shards."""
    requests = [submit(issue, request_id=new_ulid(), pipeline=state_pb2.PIPELINE_TRIAGE) for issue in range(1, 9)]
    async with stack.coordinator(shards=2) as channel:
        stub = operators(channel)
        old = [(await anext(aiter(stub.SubmitBatch(request)))).events[0].batch for request in requests]
    async with stack.coordinator(shards=4) as channel, stack.agent(channel):
        stub = operators(channel)
        for name, request in zip(old, requests, strict=True):
            events = await collect(stub.SubmitBatch(request))
            assert (events[0].batch, events[0].batch_accepted.reattached) == (name, True)
            assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
        ids = [request_id for request_id in (new_ulid() for _ in range(100)) if homes_of(request_id, shards=4)[-1] > 1]
        new = [(await collect(stub.SubmitBatch(submit(1, request_id=request_id))))[0].batch for request_id in ids[:4]]
        listed = (await stub.ListBatches(pb.ListBatchesRequest())).batches
    assert {shard_of(name) for name in old} == {0, 1}
    assert {shard_of(name) for name in new} <= {2, 3}
    assert {batch.name for batch in listed} == {*old, *new}


async def test_outcome_of_a_shard_that_is_not_there_is_refused_by_itself(stack, operators):
    """An agent with an outcome of a shard that was taken away is told so, and its stream goes on."""
    task = f"batches/{new_batch_id(7)}/runs/1/tasks/triage"
    lease = dispatch_pb.Lease(reference=dispatch_pb.LeaseReference(task=task, fencing_token=1), kind=1)
    async with stack.coordinator(shards=2) as channel, stack.agent(channel) as agent:
        await agent.send(succeed(lease))
        async with asyncio.timeout(10):
            answer = await agent.acknowledgements.get()
        assert (answer.reference.task, answer.accepted, answer.reason) == (task, False, "BATCH_NOT_FOUND")
        events = await collect(operators(channel).SubmitBatch(submit(1, pipeline=state_pb2.PIPELINE_TRIAGE)))
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED

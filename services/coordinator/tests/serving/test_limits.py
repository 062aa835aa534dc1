"""Limits that hold over all batches, shards and replicas, and the quota of GitHub."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
import redis.asyncio

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi_coordinator.models import PlaceRequest
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_coordinator.testing import REPOSITORY, succeed

DOCUMENT, PULL_REQUEST = 6, 7


def request(*numbers, pipeline=state_pb2.PIPELINE_TRIAGE, **fields):
    """Return a batch whose own limit does not hold it back."""
    return pb.SubmitBatchRequest(
        repository=REPOSITORY, issue_numbers=numbers, pipeline=pipeline, concurrency=len(numbers), **fields
    )


async def ended(stub, batch):
    """Follow a batch to its end; returns its results."""
    async for answer in stub.SubmitBatch(batch):
        last = answer.events[-1]
    return last.batch_finished.results


async def most_at_once(agents, *, total, limit):
    """Answer the oldest lease whenever as many are out as the limit says; returns the most that were ever out."""
    out, highest, seen = [], 0, 0
    getters = {asyncio.create_task(agent.leases.get()): agent for agent in agents}
    while seen < total or out:
        if seen < total and len(out) < limit:
            done, _ = await asyncio.wait(getters, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                agent = getters.pop(task)
                out.append((agent, task.result()))
                seen += 1
                getters[asyncio.create_task(agent.leases.get())] = agent
            highest = max(highest, len(out) + sum(agent.leases.qsize() for agent in agents))
        else:
            agent, lease = out.pop(0)
            await agent.send(succeed(lease))
    for task in getters:
        task.cancel()
    return highest


@pytest.mark.parametrize(
    "limits", [{"kind_limits": {"TRIAGE": 2}}, {"repository_limits": {REPOSITORY: 2}}, {"repository_limit": 2}]
)
async def test_limit_holds_over_batches_shards_and_replicas(stack, operators, limits):
    """Of three batches on two shards, two replicas together lease as many tasks as the limit says, and no more."""
    async with AsyncExitStack() as block:
        first, second = [await block.enter_async_context(stack.coordinator(shards=2, **limits)) for _ in range(2)]
        agents = [
            await block.enter_async_context(
                stack.agent(channel, agent_id=f"agent-{number}", slots=8, answer=lambda _: None)
            )
            for number, channel in enumerate((first, second))
        ]
        async with asyncio.timeout(50), asyncio.TaskGroup() as group:
            counting = group.create_task(most_at_once(agents, total=11, limit=2))
            batches = [
                group.create_task(ended(operators(channel), request(*numbers)))
                for channel, numbers in ((first, range(1, 6)), (second, range(6, 9)), (first, range(9, 12)))
            ]
            results = [await batch for batch in batches]
        assert counting.result() == 2
        assert {state_pb2.RUN_STATE_SUCCEEDED} == {result.state for found in results for result in found}


async def test_pull_requests_wait_for_the_quota(stack, operators):
    """While GitHub allows no pull request none is leased; each one that it allows lets one through."""
    cap = gateway_pb.RateLimit(resource="open-pull-requests", repository=REPOSITORY, limit=5, remaining=0)
    seen, documented = asyncio.Queue(), asyncio.Semaphore(0)

    def answer(lease):
        if lease.kind == PULL_REQUEST:
            seen.put_nowait(lease)
            return None
        if lease.kind == DOCUMENT:
            documented.release()
        return succeed(lease)

    async with stack.coordinator() as channel, stack.agent(channel, answer=answer) as agent, asyncio.timeout(40):
        stub = operators(channel)
        await stack.gateway.allow(cap)
        async with asyncio.TaskGroup() as group:
            batch = group.create_task(ended(stub, request(1, 2, pipeline=state_pb2.PIPELINE_FIX)))
            await stack.gateway.until_watched(REPOSITORY)
            for _ in range(2):
                await documented.acquire()
            for number in (3, 4):
                # Another batch goes through: dispatch has looked at all that is ready, and leased no pull request.
                await ended(stub, request(number))
                assert seen.empty()
                cap.remaining = 1
                await stack.gateway.allow(cap)
                lease = await seen.get()
                cap.remaining = 0
                await stack.gateway.allow(cap)
                await agent.send(succeed(lease))
            results = await batch
    assert [result.state for result in results] == [state_pb2.RUN_STATE_SUCCEEDED] * 2


async def test_dry_run_waits_for_no_quota(stack, operators):
    """A dry run opens no pull request, so no cap on them holds it up."""
    cap = gateway_pb.RateLimit(resource="open-pull-requests", repository=REPOSITORY, limit=5, remaining=0)
    await stack.gateway.allow(cap)
    async with stack.coordinator() as channel, stack.agent(channel), asyncio.timeout(30):
        results = await ended(operators(channel), request(1, pipeline=state_pb2.PIPELINE_FIX, dry_run=True))
    assert [result.state for result in results] == [state_pb2.RUN_STATE_SUCCEEDED]


async def test_place_of_a_dead_replica_is_found(valkey, stack):
    """A place whose task is over, or never was leased, does not stay taken."""
    from miyabi_coordinator.adapters.redis_store import RedisStore, ShardConnection, open_primaries
    from miyabi_coordinator.adapters.redis_store.places import RedisPlaces
    from miyabi_coordinator.service.limiting.limits import Configured, Limits

    primaries = open_primaries(valkey.url, shards=1)
    try:
        way = ShardConnection(primaries, 0)
        places = RedisPlaces(way)
        holder = "01ARZ3NDEKTSV4RRFFQ69G5F00|1|triage"
        assert await places.take([PlaceRequest(holder, (("*|1", 1),))]) == [True]
        assert await places.take(
            [PlaceRequest(holder, (("*|1", 1),)), PlaceRequest("other|1|triage", (("*|1", 1),))]
        ) == [True, False]
        assert await places.used() == {"*|1": 1}
        async with redis.asyncio.Redis.from_url(valkey.url) as client:
            (key,) = [key async for key in client.scan_iter("*places:*")]
            await client.zadd(key, {holder: 1.0})
        limits = Limits(places, Configured({1: 1}), None, stores=[RedisStore(way)])
        await limits.reconcile()
        assert await places.used() == {}
    finally:
        await primaries.aclose()


@pytest.mark.parametrize("limits", [{"kind_limits": {"MAGIC": 1}}, {"repository_limits": {"a/b": 0}}])
def test_bad_limits_are_refused_at_the_start(limits):
    """A kind that there is not, or a limit under which nothing runs, ends the start with one clear error."""
    with pytest.raises(ValueError, match=r"MAGIC is no kind|a limit is at least 1"):
        CoordinatorSettings(redis_url="redis://127.0.0.1", **limits)

"""Shards on a real cluster: three primaries, three replicas."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import grpc
import pytest
import pytest_asyncio
from store_checks import assert_decided_once, assert_gapless, assert_recount, code_of, collect, submit

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.shards import TAGS, homes_of, shard_of, slot_of
from miyabi_coordinator.testing import succeed
from miyabi_core.ids import new_ulid
from miyabi_core.store.valkey_cluster import ask, running_cluster, until

SHARDS = 3
#: A busy machine may take far longer than the two node timeouts of a failover.
FIELDS = {"shards": SHARDS, "min_replicas": 1, "store_patience": 30}
AWAY = (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(tmp_path_factory):
    """Six servers."""
    async with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest_asyncio.fixture(loop_scope="session")
async def cluster(servers, stack):
    """An empty cluster that is whole; the stack uses it."""
    async with asyncio.timeout(30):
        await servers.settled()
        for server in servers.servers:
            if (await ask(server, "ROLE"))[0] == b"master":
                await ask(server, "FLUSHALL")
    stack.redis_url = servers.url
    return servers


def request_for(shard, *numbers, **fields):
    """Return a submission whose batch will live in a shard."""
    while True:
        request_id = new_ulid()
        if homes_of(request_id, shards=SHARDS)[-1] == shard:
            return submit(*numbers, request_id=request_id, **fields)


async def promoted(server):
    """Wait until a replica has become a primary."""

    async def is_primary():
        return (await ask(server, "ROLE"))[0] == b"master"

    async with asyncio.timeout(20):
        await until(is_primary)


async def crash(server):
    """End a server; returns what brings it back."""
    await server.kill()
    return server.start


async def hang(server):
    """Stop a server that keeps its connections and believes itself a primary; returns what lets it go on."""
    os.kill(server.pid, signal.SIGSTOP)

    async def go_on():
        os.kill(server.pid, signal.SIGCONT)

    return go_on


@pytest.mark.parametrize("fail", [crash, hang])
async def test_promotion_loses_nothing_acknowledged(cluster, stack, operators, fail):
    """A primary dies or hangs and its replica is promoted: every batch of every shard ends, just as it was seen."""
    async with stack.coordinator(**FIELDS) as channel, stack.agent(channel, slots=6) as agent:
        stub = operators(channel)
        progress = asyncio.Semaphore(0)
        watching = [
            asyncio.create_task(
                collect(stub.SubmitBatch(request_for(shard, 1, 2, 3)), on_event=lambda _: progress.release())
            )
            for shard in range(SHARDS)
        ]
        for _ in range(60):
            await progress.acquire()
        victim = await cluster.holder_of(slot_of(TAGS[0]))
        recover = await fail(victim)
        meanwhile = [
            asyncio.create_task(collect(stub.SubmitBatch(request_for(shard, 4, pipeline=state_pb2.PIPELINE_TRIAGE))))
            for shard in range(SHARDS)
            for _ in range(3)
        ]
        await promoted(cluster.replica_of(victim))
        # Until it is back the shard has no replica, so nothing new counts there.
        await recover()
        seen = [await task for task in (*watching, *meanwhile)]
        for events in seen:
            assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
            assert_gapless(events)
            assert_decided_once(events)
            await assert_recount(stub, events[0].batch)
            assert await collect(stub.WatchBatch(pb.WatchBatchRequest(name=events[0].batch))) == events
        leases = [agent.leases.get_nowait() for _ in range(agent.leases.qsize())]
        assert len({lease.reference.task for lease in leases}) == SHARDS * (3 * 7 + 3)
        assert max(Counter(lease.reference.task for lease in leases).values()) == 1
        assert Counter(shard_of(events[0].batch) for events in seen) == dict.fromkeys(range(SHARDS), 4)


async def test_dead_shard_holds_up_no_other(cluster, stack, operators):
    """While a shard has neither primary nor replica, the agent's work on another is taken, its own once it is back."""
    victim = await cluster.holder_of(slot_of(TAGS[0]))
    pair = (victim, cluster.replica_of(victim))
    async with stack.coordinator(**FIELDS) as channel, stack.agent(channel, answer=lambda _: None) as agent:
        stub = operators(channel)
        calls = {shard: stub.SubmitBatch(request_for(shard, 1, pipeline=state_pb2.PIPELINE_TRIAGE)) for shard in (0, 1)}
        async with asyncio.timeout(10):
            leases = {
                shard_of(lease.reference.task.split("/")[1]): lease
                for lease in [await agent.leases.get() for _ in range(2)]
            }
        for server in pair:
            await server.kill()
        await agent.beat(*leases.values())
        await agent.send(succeed(leases[0]))
        await agent.send(succeed(leases[1]))
        events = await collect(calls[1])
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
        assert agent.acknowledgements.get_nowait().reference == leases[1].reference
        for server in pair:
            await server.start()
        events = await collect(calls[0])
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
        assert agent.acknowledgements.get_nowait().accepted


async def test_shards_are_on_all_primaries(cluster, stack, operators):
    """Three shards live on three primaries, and a listing has the batches of all."""
    async with stack.coordinator(**FIELDS) as channel:
        stub = operators(channel)
        calls = [stub.SubmitBatch(request_for(shard, 1)) for shard in range(SHARDS)]
        names = {(await anext(aiter(call))).events[0].batch for call in calls}
        listed = await stub.ListBatches(pb.ListBatchesRequest())
    assert {batch.name for batch in listed.batches} == names
    assert len({(await cluster.holder_of(slot_of(tag))).port for tag in TAGS[:SHARDS]}) == SHARDS


async def test_orderly_failover_is_followed(cluster, stack, operators):
    """When an operator swaps a primary and its replica, a stream that waits for events goes on."""
    async with stack.coordinator(**FIELDS) as channel:
        stub = operators(channel)
        stream = aiter(stub.SubmitBatch(request_for(0, 1)))
        first = (await anext(stream)).events[0]
        before = await cluster.holder_of(slot_of(TAGS[0]))
        replica = cluster.replica_of(before)
        await ask(replica, "CLUSTER", "FAILOVER")
        await promoted(replica)
        await stub.PauseBatch(pb.PauseBatchRequest(name=first.batch))
        async with asyncio.timeout(20):
            change = (await anext(stream)).events[0]
        assert (change.sequence, change.batch_state_changed.to_state) == (2, state_pb2.BATCH_STATE_PAUSED)


async def test_slot_on_its_way_is_waited_for(cluster, stack, operators):
    """While a slot is moved key by key nothing of its shard is half done: calls wait, and go on afterwards."""
    slot = slot_of(TAGS[1])
    source = await cluster.holder_of(slot)
    target = await cluster.holder_of(slot_of(TAGS[0]))
    async with stack.coordinator(**FIELDS | {"store_patience": 0.5}) as channel:
        stub = operators(channel)
        request = request_for(1, 1)
        await ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", await ask(source, "CLUSTER", "MYID"))
        await ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", await ask(target, "CLUSTER", "MYID"))
        assert await code_of(stub.SubmitBatch(request)) == AWAY
        for server in (source, target):
            await ask(server, "CLUSTER", "SETSLOT", slot, "STABLE")
        first = (await anext(aiter(stub.SubmitBatch(request)))).events[0]
        assert (first.sequence, shard_of(first.batch)) == (1, 1)

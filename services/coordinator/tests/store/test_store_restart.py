"""One server that dies or is full, and several coordinators on it: nothing is lost, nothing is decided twice."""

from __future__ import annotations

import asyncio
import resource

import grpc
import pytest
import redis.asyncio
from store_checks import assert_decided_once, assert_gapless, assert_recount, code_of, collect, submit

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.testing import succeed
from miyabi_core.ids import new_ulid
from miyabi_core.store.valkey import EmbeddedValkey

FULL = (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")


async def test_killed_server_costs_nothing(stack, operators, durable):
    """While the server is killed again and again a batch runs to its end: no call fails, no lease is given twice."""
    async with stack.coordinator() as channel, stack.agent(channel, slots=4) as agent:
        stub = operators(channel)
        progress = asyncio.Semaphore(0)
        call = stub.SubmitBatch(submit(*range(1, 13)))
        watching = asyncio.create_task(collect(call, on_event=lambda _: progress.release()))
        for _ in range(3):
            for _ in range(40):
                await progress.acquire()
            await durable.kill()
            asking = stub.ListBatches(pb.ListBatchesRequest(), timeout=20)
            await durable.start()
            (listed,) = (await asking).batches
        events = await watching
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
        assert_gapless(events)
        assert_decided_once(events)
        leases = [agent.leases.get_nowait() for _ in range(agent.leases.qsize())]
        assert {lease.attempt for lease in leases} == {1}
        assert len(leases) == len({lease.reference.task for lease in leases}) == 12 * 7
        await assert_recount(stub, listed.name)
        assert await collect(stub.WatchBatch(pb.WatchBatchRequest(name=listed.name))) == events


async def test_call_waits_as_long_as_its_caller(stack, operators, durable):
    """A call that finds no store ends as UNAVAILABLE just before its own deadline, not at the end of our patience."""
    async with stack.coordinator() as channel:
        stub = operators(channel)
        await durable.kill()
        call = stub.ListBatches(pb.ListBatchesRequest(), timeout=1)
        assert await code_of(call) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


async def test_coordinators_share_one_store(stack, operators, durable):
    """An agent that loses its coordinator goes on at another one with the leases it had; nothing is done twice."""
    async with (
        stack.coordinator() as one,
        stack.coordinator() as two,
        stack.agent(two, agent_id="steady", slots=2),
    ):
        async with stack.agent(one, agent_id="mover", slots=3, answer=lambda _: None) as mover:
            watching = asyncio.create_task(collect(operators(one).SubmitBatch(submit(*range(1, 9)))))
            async with asyncio.timeout(20):
                held = [await mover.leases.get() for _ in range(3)]
        references = [lease.reference for lease in held]
        async with stack.agent(two, agent_id="mover", slots=3, held=references) as mover:
            assert mover.lost == []
            for lease in (*held, *held):
                # The second time as if the first acknowledgement had been lost.
                await mover.send(succeed(lease))
            async with asyncio.timeout(20):
                answers = [await mover.acknowledgements.get() for _ in range(6)]
            events = await watching
            agents = await operators(one).ListAgents(pb.ListAgentsRequest())
        assert {(entry.reference.task, entry.accepted) for entry in answers if entry.reference in references} == {
            (reference.task, True) for reference in references
        }
        assert [agent.name for agent in agents.agents] == ["agents/mover", "agents/steady"]
        assert_gapless(events)
        assert_decided_once(events)
        assert max(event.attempt for event in events) == 1
        name = events[0].batch
        await assert_recount(operators(one), name)
        assert await collect(operators(two).WatchBatch(pb.WatchBatchRequest(name=name))) == events


async def test_leases_outlive_a_long_outage(stack, operators, durable):
    """Leases that ran out while no agent could renew them are renewed by the next heartbeat, not given to another."""
    fields = {"store_patience": 0.2, "lease": 1, "heartbeat_interval": 5}
    async with (
        stack.coordinator(**fields) as channel,
        stack.agent(channel, slots=1, answer=lambda _: None) as agent,
    ):
        call = operators(channel).SubmitBatch(submit(1, pipeline=state_pb2.PIPELINE_TRIAGE))
        watching = asyncio.create_task(collect(call))
        async with asyncio.timeout(10):
            lease = await agent.leases.get()
        await durable.kill()
        # Two calls that each fail: the lease of a second is over.
        for _ in range(8):
            assert (await code_of(operators(channel).ListBatches(pb.ListBatchesRequest())))[1] == "STORE_UNAVAILABLE"
        await durable.start()
        await agent.beat(lease)
        await agent.send(succeed(lease))
        events = await watching
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
        assert max(event.attempt for event in events) == 1


async def test_full_memory_is_one_clear_refusal(stack, operators, durable):
    """Without memory writes are refused with one reason, reads go on, and what waits is done when there is room."""
    async with (
        stack.coordinator() as channel,
        stack.agent(channel, answer=lambda _: None) as agent,
        redis.asyncio.Redis.from_url(durable.url) as admin,
    ):
        stub = operators(channel)
        watching = asyncio.create_task(collect(stub.SubmitBatch(submit(1, pipeline=state_pb2.PIPELINE_TRIAGE))))
        async with asyncio.timeout(10):
            lease = await agent.leases.get()
        await admin.config_set("maxmemory-policy", "noeviction")
        await admin.config_set("maxmemory", 1)
        again = submit(2, request_id=new_ulid(), pipeline=state_pb2.PIPELINE_TRIAGE)
        assert await code_of(stub.SubmitBatch(again)) == FULL
        await agent.send(succeed(lease))
        (batch,) = (await stub.ListBatches(pb.ListBatchesRequest())).batches
        assert await code_of(stub.PauseBatch(pb.PauseBatchRequest(name=batch.name))) == FULL
        assert [key async for key in admin.scan_iter(f"*{again.request_id}*")] == []
        await admin.config_set("maxmemory", 0)
        async with asyncio.timeout(10):
            acknowledged = await agent.acknowledgements.get()
        assert acknowledged.accepted
        events = await watching
        assert_gapless(events)
        await assert_recount(stub, batch.name)
        assert (await anext(aiter(stub.SubmitBatch(again)))).events[0].sequence == 1


@pytest.mark.parametrize("room", [0, 300])
async def test_full_disk_is_one_clear_refusal(stack, operators, tmp_path, room):
    """Without disk writes are refused with one reason; what was accepted is there afterwards, the rest is not."""
    folder = tmp_path / "store"
    async with EmbeddedValkey(folder) as server:
        stack.redis_url = server.url
        async with stack.coordinator() as channel:
            stub = operators(channel)
            (log,) = folder.glob("appendonlydir/*.incr.aof")
            most = log.stat().st_size + room
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
            requests = [submit(1, request_id=new_ulid(), pipeline=state_pb2.PIPELINE_TRIAGE) for _ in range(20)]
            accepted, code = [], (grpc.StatusCode.OK, "")
            for request in requests:
                call = stub.SubmitBatch(request)
                try:
                    accepted.append((await anext(aiter(call))).events[0].batch)
                except grpc.aio.AioRpcError:
                    code = await code_of(stub.SubmitBatch(request))
                    break
            assert code == FULL
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            async with asyncio.timeout(20):
                while (code := await code_of(stub.PauseBatch(pb.PauseBatchRequest(name=accepted[0])))) == FULL:
                    pass
            assert code == (grpc.StatusCode.OK, "")
            await server.kill()
            await server.start()
            listed = await stub.ListBatches(pb.ListBatchesRequest())
            assert sorted(batch.name for batch in listed.batches) == sorted(accepted)

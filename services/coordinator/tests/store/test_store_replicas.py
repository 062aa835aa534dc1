"""Writes that have to be on a replica before they count."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager

import grpc
import pytest_asyncio
from store_checks import assert_decided_once, assert_gapless, assert_recount, code_of, collect, submit

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.testing import succeed
from miyabi_core.ids import new_ulid
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_core.store.valkey_cluster import ask, until

AWAY = (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
#: Short, so that a refusal does not take a test's time; a replica that lives confirms within milliseconds.
FIELDS = {"min_replicas": 1, "store_patience": 0.5}


@pytest_asyncio.fixture(loop_scope="session")
async def replica(stack, tmp_path):
    """The replica of a primary that the stack uses."""
    options = {"repl-diskless-sync-delay": "0"}
    async with (
        EmbeddedValkey(tmp_path / "primary", appendfsync="always", options=options) as primary,
        EmbeddedValkey(tmp_path / "replica", appendfsync="always", options=options) as server,
    ):
        await ask(server, "REPLICAOF", "127.0.0.1", primary.port)

        async def follows():
            return (await ask(server, "ROLE"))[3] == b"connected"

        await until(follows)
        stack.redis_url = primary.url
        yield server


@contextmanager
def stopped(server):
    """Stop a server for the length of the block: its connections stay, its answers do not come."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def test_submission_counts_when_a_replica_has_it(stack, operators, replica):
    """Without a replica a submission is UNAVAILABLE, the repeat as well; with it the repeat finds the one batch."""
    async with stack.coordinator(**FIELDS) as channel:
        stub = operators(channel)
        request = submit(1, 2, request_id=new_ulid(), pipeline=state_pb2.PIPELINE_TRIAGE)
        with stopped(replica):
            assert await code_of(stub.SubmitBatch(request)) == AWAY
            assert await code_of(stub.SubmitBatch(request)) == AWAY
        async with stack.agent(channel):
            events = await collect(stub.SubmitBatch(request))
        assert events[-1].batch_finished.state == state_pb2.BATCH_STATE_SUCCEEDED
        assert_gapless(events)
        assert [batch.name for batch in (await stub.ListBatches(pb.ListBatchesRequest())).batches] == [events[0].batch]
        await assert_recount(stub, events[0].batch)


async def test_change_of_state_counts_when_a_replica_has_it(stack, operators, replica):
    """Without a replica a pause is UNAVAILABLE, the repeat that finds it done as well; it is logged once."""
    async with stack.coordinator(**FIELDS) as channel:
        stub = operators(channel)
        call = stub.SubmitBatch(submit(1))
        name = (await anext(aiter(call))).events[0].batch
        with stopped(replica):
            assert await code_of(stub.PauseBatch(pb.PauseBatchRequest(name=name))) == AWAY
            assert await code_of(stub.PauseBatch(pb.PauseBatchRequest(name=name))) == AWAY
        answer = await stub.PauseBatch(pb.PauseBatchRequest(name=name))
        assert (answer.batch.state, answer.batch.last_sequence) == (state_pb2.BATCH_STATE_PAUSED, 2)


async def test_outcome_counts_when_a_replica_has_it(stack, operators, replica):
    """An outcome is acknowledged, and seen by watchers, when a replica has it, and then once."""
    async with (
        stack.coordinator(**FIELDS) as channel,
        stack.agent(channel, answer=lambda _: None) as agent,
    ):
        seen, leased = [], asyncio.Event()

        def note(event):
            seen.append(event)
            if event.task_state_changed.to_state == state_pb2.TASK_STATE_LEASED:
                leased.set()

        request = submit(1, pipeline=state_pb2.PIPELINE_TRIAGE)
        watching = asyncio.create_task(collect(operators(channel).SubmitBatch(request), on_event=note))
        async with asyncio.timeout(10):
            lease = await agent.leases.get()
            await leased.wait()
        with stopped(replica):
            before = len(seen)
            await agent.send(succeed(lease))
            # Each takes as long as our patience: the outcome is written by now, and tried again.
            for _ in range(2):
                assert await code_of(operators(channel).SubmitBatch(submit(2))) == AWAY
            assert (len(seen), agent.acknowledgements.qsize()) == (before, 0)
        async with asyncio.timeout(20):
            acknowledged = await agent.acknowledgements.get()
        assert acknowledged.accepted
        events = await watching
        assert_gapless(events)
        assert_decided_once(events)

"""Ended batches go with all their keys; running and retried ones stay."""

from __future__ import annotations

import time
from datetime import timedelta

import redis.asyncio
from kept_keys import DAYS, everything, sweep
from service_calls import collect, submit

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator.adapters.redis_store import RedisKeeper, RedisStore, ShardConnection, open_primaries
from miyabi_coordinator.testing import succeed


def failing(lease):
    """Fail issue 2."""
    outcome = succeed(lease)
    if lease.inputs.issue_number == 2:
        outcome.failure.reason = state_pb2.FAILURE_REASON_GITHUB
    return outcome


async def test_nothing_of_an_ended_batch_is_left(stack, operators, valkey):
    """After its retention no key and no member names the batch or its request; before it, everything is there."""
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        async with stack.coordinator() as channel, stack.agent(channel, answer=failing):
            request_id = "01JDAAAAAAAAAAAAAAAAAAAAAA"
            stub = operators(channel)
            events = await collect(stub.SubmitBatch(submit(1, 2, 33, request_id=request_id)))
            batch = events[0].batch.removeprefix("batches/")
            await sweep(valkey.url, ahead=DAYS - timedelta(minutes=1))
            assert (await stub.GetBatch(pb.GetBatchRequest(name=events[0].batch))).batch.end_time.seconds
            await sweep(valkey.url)
            assert (await stub.ListBatches(pb.ListBatchesRequest())).batches == []
        left = await everything(client)
        assert [entry for entry in left if batch in entry or request_id in entry] == []


async def test_running_and_retried_batches_stay(stack, operators, valkey):
    """A batch that runs, or runs again, is not touched, however long ago it ended first."""
    async with stack.coordinator() as channel:
        stub = operators(channel)
        async with stack.agent(channel, answer=failing):
            ended = (await collect(stub.SubmitBatch(submit(2, pipeline=state_pb2.PIPELINE_TRIAGE))))[0].batch
        call = stub.SubmitBatch(submit(1))
        running = (await call.read()).events[0].batch
        await stub.RetryBatch(pb.RetryBatchRequest(name=ended))
        await sweep(valkey.url)
        listed = await stub.ListBatches(pb.ListBatchesRequest())
        assert {batch.name for batch in listed.batches} == {ended, running}
        call.cancel()


async def test_a_retry_between_the_look_and_the_removal_wins(stack, operators, valkey):
    """The removal itself compares: a batch that was found as ended and is retried meanwhile stays."""
    primaries = open_primaries(valkey.url, shards=1)
    try:
        connection = ShardConnection(primaries, 0)
        keeper, store = RedisKeeper(connection), RedisStore(connection)
        async with stack.coordinator() as channel:
            stub = operators(channel)
            async with stack.agent(channel, answer=failing):
                name = (await collect(stub.SubmitBatch(submit(2, pipeline=state_pb2.PIPELINE_TRIAGE))))[0].batch
            later = time.time() + DAYS.total_seconds()
            (found,) = await keeper.ended_before(later, limit=10)
            assert f"batches/{found}" == name
            await stub.RetryBatch(pb.RetryBatchRequest(name=name))
            assert not await keeper.remove(found, ended_before=later)
            assert await store.load_batch(found) is not None
    finally:
        await primaries.aclose()

"""What stands in the store, or in a cursor, is not always ours."""

from __future__ import annotations

import asyncio
import base64

import grpc
import pytest
import redis.asyncio

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi_coordinator import shards
from miyabi_coordinator.errors import InvalidArgumentError
from miyabi_coordinator.service.telling.all_events import decode
from miyabi_coordinator.testing import REPOSITORY, succeed
from miyabi_core.metrics import REGISTRY

#: References that no commit writes.
BAD = [{"x": "y"}, {"b": b"\xff", "s": "1", "n": "1", "r": "0"}, {"b": "batches/x", "s": "9" * 5000, "n": "1", "r": "0"}, {"b": "x", "s": "²", "n": "1", "r": "0"}]  # fmt: skip


async def test_reader_of_a_shard_outlives_what_it_cannot_read(stack, operators):
    """References that cannot be read are skipped: a batch behind them is worked on and watched to its end."""
    before = REGISTRY.get_sample_value("miyabi_store_unreadable_total") or 0.0
    async with stack.coordinator() as channel, stack.agent(channel, answer=succeed), asyncio.timeout(30):
        async with redis.asyncio.Redis.from_url(stack.redis_url) as client:
            for fields in BAD:
                await client.xadd(f"{shards.prefix(0)}events", fields)
        request = pb.SubmitBatchRequest(
            repository=REPOSITORY, issue_numbers=[1], pipeline=state_pb2.PIPELINE_TRIAGE, concurrency=1
        )
        seen = [
            event.WhichOneof("payload")
            async for answer in operators(channel).SubmitBatch(request)
            for event in answer.events
        ]
        assert seen[-1] == "batch_finished"
    assert REGISTRY.get_sample_value("miyabi_store_unreadable_total") == before + len(BAD)


@pytest.mark.parametrize("text", ["[" * 5000, "{}", "[1e999]", '["x"]', "NaN", "9" * 5000, '["\\ud800"]'])
def test_cursor_that_is_none_is_refused(text):
    """Depth, digits and odd values in a cursor are the caller's mistake."""
    with pytest.raises(InvalidArgumentError):
        decode(base64.urlsafe_b64encode(text.encode()).decode())


async def test_deep_cursor_is_an_invalid_argument(stack, operators):
    """Over the wire it is INVALID_ARGUMENT, whatever it holds."""
    cursor = base64.urlsafe_b64encode(b"[" * 3000).decode()
    async with stack.coordinator() as channel:
        call = operators(channel).WatchEvents(pb.WatchEventsRequest(cursor=cursor))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT

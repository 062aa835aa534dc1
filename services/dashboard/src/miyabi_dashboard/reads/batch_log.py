"""Reads the log of a batch: pages of committed events, and all of it as lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi_dashboard.upstream import WHOLE_SECONDS, Upstream, as_dict

#: Seconds for a log that somebody takes home: as fast as the line bears it, and ten thousand issues have hundreds of
#: thousands of events.
EXPORT_SECONDS = 3600.0


async def logged(
    upstream: Upstream, name: str, *, after: int, last: int, seconds: float = WHOLE_SECONDS
) -> AsyncGenerator[list[BatchEvent], None]:
    """Yield the committed events behind *after*, up to *last*, which must be there.

    Args:
        upstream: Has the log.
        name: `batches/{ulid}`.
        after: Sequence that the caller has.
        last: Sequence of the last event.
        seconds: How long all of it may take.

    Raises:
        grpc.aio.AioRpcError: there is no such batch, or the coordinator is out of reach.
    """
    if after >= last:
        return
    request = pb.WatchBatchRequest(name=name, after_sequence=after, committed_only=True)
    call = upstream.stub.WatchBatch(request, timeout=seconds)
    try:
        async for answer in call:
            yield [event for event in answer.events if event.sequence <= last]
            if answer.events and answer.events[-1].sequence >= last:
                return
    finally:
        # A batch that goes on would be followed to its end.
        call.cancel()


async def page(upstream: Upstream, name: str, *, newest: int, after: int, limit: int) -> dict[str, Any]:
    """Return events behind a sequence; `complete` where there are no more for now.

    Args:
        upstream: Has the log.
        name: `batches/{ulid}`.
        newest: Sequence of the batch's newest event.
        after: Sequence that the caller has.
        limit: At most so many events.

    Raises:
        grpc.aio.AioRpcError: there is no such batch, or the coordinator is out of reach.
    """
    last = min(newest, after + limit)
    events: list[dict[str, Any]] = []
    async with aclosing(logged(upstream, name, after=after, last=last)) as pages:
        async for found in pages:
            events += map(as_dict, found)
    return {"events": events, "lastSequence": max(min(after, newest), last), "complete": last >= newest}


async def lines(upstream: Upstream, name: str, *, newest: int, after: int) -> AsyncGenerator[bytes, None]:
    """Yield the log as JSON, an event a line.

    Raises:
        grpc.aio.AioRpcError: there is no such batch, or the coordinator is out of reach.
    """
    async with aclosing(logged(upstream, name, after=after, last=newest, seconds=EXPORT_SECONDS)) as pages:
        async for found in pages:
            yield b"".join(orjson.dumps(as_dict(event), option=orjson.OPT_APPEND_NEWLINE) for event in found)

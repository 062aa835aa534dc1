"""What tests of the whole coordinator ask it: batches of its only repository, and all that is said of one."""

from __future__ import annotations

import asyncio

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi_coordinator.testing import REPOSITORY


async def collect(call):
    """Return all events of a stream."""
    events = []
    async with asyncio.timeout(20):
        async for response in call:
            events.extend(response.events)
    return events


def submit(*numbers, **fields):
    """Return the request for a batch."""
    return pb.SubmitBatchRequest(repository=REPOSITORY, issue_numbers=numbers, **fields)

"""GitHub refuses for its limit, and what was read before is used, marked, all the way to the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from running_system import System, running_system
from toy_repository import REPOSITORY

from miyabi.common.v1.freshness_pb2 import STALE_CAUSE_RATE_LIMITED
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1 import state_pb2
from miyabi.coordinator.v1.event_pb2 import BatchEvent

#: Everything that was read is old at once, so that each batch asks GitHub.
NOTHING_IS_FRESH = {"GRAPH_CACHE_TTL": "1", "MIYABI_GITHUB_GATEWAY_CACHE_REVALIDATE_SECONDS": "0"}


def submit(system: System) -> AsyncIterator[BatchEvent]:
    """Hand over the first issue, for its labels."""
    return system.client.submit(
        pb.SubmitBatchRequest(
            repository=REPOSITORY, issue_numbers=[1], pipeline=state_pb2.PIPELINE_TRIAGE, dry_run=True
        )
    )


async def get(system: System, path: str) -> Any:
    """Return what the page's server answers."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{system.stack.page}/api/{path}")
        answer.raise_for_status()
        return answer.json()


async def test_batch_goes_on_with_old_data_and_says_so(tmp_path: Path) -> None:
    """With GitHub's limit reached a batch is accepted with what is known of its issue; event, run and page tell its age."""
    async with running_system(tmp_path, settings=NOTHING_IS_FRESH) as system:
        events = [event async for event in submit(system)]
        assert not events[0].batch_accepted.issues[0].HasField("stale_data")
        async with httpx.AsyncClient() as http:
            dials = {"faults": [{"kind": "graphql_limit", "count": 1000}]}
            address = f"http://127.0.0.1:{system.stack.options.ports.github}/_sim/dials"
            (await http.put(address, json=dials)).raise_for_status()
        events = [event async for event in submit(system)]
        accepted, results = events[0], events[-1].batch_finished.results
        stale = accepted.batch_accepted.issues[0].stale_data
        assert stale.cause == STALE_CAUSE_RATE_LIMITED
        assert stale.age.ToTimedelta().total_seconds() > 0
        shown = await get(system, accepted.batch)
        assert shown["runs"][0]["stale_data"]["fetch_time"] == stale.fetch_time.ToJsonString()
        assert shown["runs"][0]["stale_data"]["cause"] == "STALE_CAUSE_RATE_LIMITED"
        assert [result.stale_data for result in results] == [stale]

"""`miyabi agents`: who is attached, and what each agent runs now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.batch_pb2 import Agent
from miyabi.coordinator.v1.state_pb2 import BatchState, TaskState
from miyabi_cli.asking.arguments import Every, Json, Watch
from miyabi_cli.client import CoordinatorClient, talk
from miyabi_cli.runtime import Runtime
from miyabi_cli.showing.agent_view import Fleet, Running, key_of, lines_of, show_fleet
from miyabi_cli.showing.watching import EVERY, Seen, shown_once_or_watched
from miyabi_core.text import first

#: Batches that run whose tasks are looked at: one call each; the others are counted and told.
MOST_BATCHES = 50
#: Calls for batches that are under way at once: enough to hide the way there and back.
CALLS_AT_ONCE = 8
#: Agents of one answer; the coordinator gives at most 1,000.
AGENTS_PAGE = 1000


def agents(*, watch: Watch = False, every: Every = EVERY, as_json: Json = False) -> None:
    """List the agents that are attached, with their slots and the tasks that they run now."""

    async def main(runtime: Runtime, client: CoordinatorClient) -> int:
        async def look() -> Seen:
            fleet = await _fleet(client)
            now = datetime.now(UTC).replace(tzinfo=None)
            show = partial(show_fleet, runtime.output, fleet, now=now)
            return Seen(lines_of(fleet), show, key=key_of(fleet))

        return await shown_once_or_watched(runtime, look, as_json=as_json, watch=watch, every=every)

    talk(main)


async def _fleet(client: CoordinatorClient) -> Fleet:
    """Ask for the agents and for the leased tasks of the batches that run or are paused."""
    agents = await _agents(client)
    names: list[str] = []
    if any(agent.leased for agent in agents):
        for state in (BatchState.BATCH_STATE_RUNNING, BatchState.BATCH_STATE_PAUSED):
            request = pb.ListBatchesRequest(state=state, page_size=500)
            names.extend(batch.name for batch in (await client.ask(client.stub.ListBatches, request)).batches)
    looked, rest = first(names, MOST_BATCHES)
    places = asyncio.Semaphore(CALLS_AT_ONCE)
    found = await asyncio.gather(*(_running(client, name, places) for name in looked))
    tasks: dict[str, list[Running]] = {}
    for one in (one for batch in found for one in batch):
        tasks.setdefault(one.task.agent.removeprefix("agents/"), []).append(one)
    return Fleet(agents, tasks, rest)


async def _agents(client: CoordinatorClient) -> list[Agent]:
    """Return all agents, page by page."""
    found: list[Agent] = []
    request = pb.ListAgentsRequest(page_size=AGENTS_PAGE)
    while True:
        answer = await client.ask(client.stub.ListAgents, request)
        found.extend(answer.agents)
        request.page_token = answer.next_page_token
        if not request.page_token:
            return found


async def _running(client: CoordinatorClient, name: str, places: asyncio.Semaphore) -> list[Running]:
    """Return the tasks of a batch that agents work on."""
    async with places:
        answer = await client.ask(client.stub.GetBatch, pb.GetBatchRequest(name=name))
    return [
        Running(name, answer.batch.spec.repository, run.issue_number, task)
        for run in answer.runs
        for task in run.tasks
        if task.state == TaskState.TASK_STATE_LEASED
    ]

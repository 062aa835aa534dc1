"""Completes batches, issues and agents in the shell: asks the coordinator briefly, silent when it is away.

What a person types next must never wait or be disturbed, so whatever goes wrong ends in no suggestions.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from miyabi_cli.client import CoordinatorClient

#: Longest wait for the coordinator: a person who pressed Tab waits no longer.
ANSWER = timedelta(seconds=1)
#: Newest batches that are offered; older ones are typed, and `miyabi batches` lists them.
MOST_BATCHES = 50
#: What completes a name, with words that the shell shows beside it where it can.
Suggestions = list[tuple[str, str]]


def complete_batches(ctx: typer.Context, incomplete: str) -> Suggestions:
    """Return batches whose name, or ULID alone, begins like this."""

    async def ask(client: CoordinatorClient) -> Suggestions:
        from miyabi.coordinator.v1 import coordinator_service_pb2 as pb  # noqa: PLC0415 - only when Tab was pressed here
        from miyabi_cli.client import LATEST  # noqa: PLC0415
        from miyabi_cli.showing.batch_view import batch_words  # noqa: PLC0415

        answer = await client.stub.ListBatches(pb.ListBatchesRequest(page_size=MOST_BATCHES))
        found = [(batch.name, batch_words(batch)) for batch in answer.batches]
        if found:
            found.insert(0, (LATEST, found[0][1]))
        ulids = [(name.removeprefix("batches/"), words) for name, words in found[1:]]
        return [entry for entry in [*found, *(ulids if incomplete[:1].isdigit() else [])] if _begins(entry, incomplete)]

    return _asked(ctx, ask)


def complete_issues(ctx: typer.Context, incomplete: str) -> Suggestions:
    """Return the issues of the batch that stands before, that begin like this."""

    async def ask(client: CoordinatorClient) -> Suggestions:
        from miyabi.coordinator.v1 import coordinator_service_pb2 as pb  # noqa: PLC0415 - only when Tab was pressed here
        from miyabi_cli.client import batch_name  # noqa: PLC0415
        from miyabi_core.text import exact  # noqa: PLC0415

        name = await client.resolve(batch_name(str(ctx.params.get("batch") or "")))
        answer = await client.stub.GetBatch(pb.GetBatchRequest(name=name))
        found = [(str(run.issue_number), exact(run.title)) for run in answer.runs]
        return [entry for entry in found if _begins(entry, incomplete)]

    return _asked(ctx, ask)


def complete_agents(ctx: typer.Context, incomplete: str) -> Suggestions:
    """Return attached agents whose id begins like this."""

    async def ask(client: CoordinatorClient) -> Suggestions:
        from miyabi.coordinator.v1 import coordinator_service_pb2 as pb  # noqa: PLC0415 - only when Tab was pressed here

        answer = await client.stub.ListAgents(pb.ListAgentsRequest())
        found = [(agent.name.removeprefix("agents/"), f"{agent.leased} of {agent.slots}") for agent in answer.agents]
        return [entry for entry in found if _begins(entry, incomplete)]

    return _asked(ctx, ask)


def _begins(entry: tuple[str, str], incomplete: str) -> bool:
    """Tell whether a suggestion goes on from what is typed."""
    return entry[0].startswith(incomplete)


def _asked(ctx: typer.Context, ask: Callable[[CoordinatorClient], Awaitable[Suggestions]]) -> Suggestions:
    """Ask the coordinator that the command line and the environment name; no suggestions where that goes wrong."""
    try:
        from miyabi_cli.caller import read_caller  # noqa: PLC0415 - only when Tab was pressed here
        from miyabi_cli.client import coordinator  # noqa: PLC0415

        before = ctx.find_root().params
        names = {"identity_token_file": before.get("token_file"), "tls_ca_file": before.get("tls_ca")}

        async def main() -> Suggestions:
            caller = read_caller(os.environ, {name: value for name, value in names.items() if value is not None})
            async with asyncio.timeout(ANSWER.total_seconds()), coordinator(caller) as client:
                return await ask(client)

        return asyncio.run(main())
    except Exception:  # noqa: BLE001 - a shell that completes shows no errors, whatever they are
        return []

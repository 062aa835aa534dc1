"""Ranks the files of a lease's commit for its issue."""

from __future__ import annotations

from functools import partial

from miyabi.github_gateway.v1.github_gateway_service_pb2 import Issue
from miyabi_agents.agents import prompts
from miyabi_agents.agents.locating.reordering import reordered
from miyabi_agents.agents.prefix.tools import MAX_ORDERED
from miyabi_agents.localisation import Candidate, Locator
from miyabi_agents.localisation.index import LIMIT
from miyabi_agents.model import SharedPrefix
from miyabi_agents.ports import TaskContext
from miyabi_core.text import first


async def locate(context: TaskContext, locator: Locator, issue: Issue) -> list[Candidate]:
    """Return the files of the base that an issue is likely about by what is in them; its title counts apart.

    Raises:
        WorkspaceError: the base cannot be checked out.
    """
    inputs = context.lease.inputs
    async with context.progress.invocation("localise", detail=inputs.base_sha):
        return await locator.rank(
            (inputs.repository, inputs.base_sha),
            f"{issue.title}\n{prompts.clean(issue.body)}",
            files=partial(context.workspaces.files, repository=inputs.repository, sha=inputs.base_sha),
            limit=MAX_ORDERED,
        )


async def likely_files(
    context: TaskContext, candidates: list[Candidate], *, issue: str, shared: SharedPrefix
) -> list[Candidate]:
    """Return the few that are shown to who makes a plan or a change, best first.

    Where there are no more than those, nothing is gained by another order.

    Args:
        context: The task's.
        candidates: As `locate` found them.
        issue: As models are shown it.
        shared: What conversations begin with.

    Raises:
        WorkspaceError: the base cannot be read.
    """
    if len(candidates) > LIMIT:
        candidates = await reordered(context, candidates, issue=issue, shared=shared)
    # The others are less likely than these: nobody would miss them.
    return list(first(candidates, LIMIT)[0])

"""The environment of a change: base's, unless it edits what that is made of."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.port import Environment
from miyabi_agents.verification.changes import Overlaid, Sorted, only
from miyabi_agents.verification.ground import Footing, Repository, build


async def environment_of(
    context: TaskContext,
    repository: Repository,
    footing: Footing,
    change: ChangeSet,
    ordered: Sorted,
    *,
    held: AsyncExitStack,
) -> Environment:
    """Return the environment of a change to one project.

    Args:
        context: The task's.
        repository: What base's files say.
        footing: The project, with base's environment.
        change: The whole change.
        ordered: Its files that belong to the project, by what they are.
        held: Keeps the environment from being removed.

    Raises:
        EnvironmentBuildError: the change's own environment cannot be built.
    """
    if not ordered.manifests:
        return footing.environment
    part = footing.part
    changed = {path: None if file.deleted else file.content for path, file in ordered.manifests.items()}
    files = Overlaid(repository.laid, changed)
    machine = await context.environments.machine()
    recipe = await asyncio.to_thread(part.toolchain.recipe, part.project, files, machine)
    return await build(context, recipe, files, project=part.project, held=held, manifests=only(change, changed))

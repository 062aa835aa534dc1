"""Reads a repository of GitHub by a gateway of its own, the only process that knows GitHub's token."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from miyabi_agents.errors import AgentError
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.workspace.access import GitAccess
from miyabi_agents.workspace.git import git_network
from miyabi_cli.errors import EXIT_UNAVAILABLE, CliError
from miyabi_cli.runtime import Runtime
from miyabi_cli.stack.local import OwnGateway, gateway_only
from miyabi_cli.terminal import ours, say
from miyabi_cli.trial.place import Place, private_folder

#: How a repository of GitHub is written.
ON_GITHUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
#: A person waits: GitHub that is away longer than that is said to be.
_AWAY = timedelta(seconds=5)


@asynccontextmanager
async def own_gateway(runtime: Runtime, repository: str) -> AsyncIterator[OwnGateway]:
    """Run a gateway that reads GitHub with the person's token, for a block.

    Raises:
        CliError: there is no token, or the gateway does not start.
    """
    if not runtime.settings.github_token:
        raise CliError(
            f"{repository} is no folder here, and reading it from GitHub takes GITHUB_TOKEN",
            hint="a checkout takes none: git clone it, then `miyabi inspect PATH`",
        )
    folder = await asyncio.to_thread(private_folder, runtime.settings.data_dir, prefix="gateway-")
    try:
        say(runtime.errors, ours("reading from GitHub", style="dim"))
        async with gateway_only(runtime.settings, folder, inherited=runtime.environment) as gateway:
            yield gateway
    finally:
        await asyncio.shield(asyncio.to_thread(remove_tree, folder))


@asynccontextmanager
async def from_github(runtime: Runtime, repository: str) -> AsyncIterator[Place]:
    """Give the newest commit of a repository's default branch, for a block.

    Raises:
        CliError: there is no token, the gateway does not start, or GitHub has no such repository.
    """
    async with own_gateway(runtime, repository) as gateway:
        yield await newest(gateway, repository)


async def newest(gateway: OwnGateway, repository: str) -> Place:
    """Return the newest commit of a repository's default branch.

    Raises:
        CliError: there is none, or it cannot be read.
    """
    access = GitAccess(gateway.git_url, lambda: gateway.git_secret)
    sha = await _newest(f"{gateway.git_url}/{repository}.git", access)
    return Place(repository, sha, gateway.git_url, access)


async def _newest(url: str, access: GitAccess) -> str:
    """Return the commit of a repository's HEAD.

    Raises:
        CliError: there is none, or it cannot be read.
    """
    try:
        output = await git_network("ls-remote", url, "HEAD", variables=access.variables(), away=_AWAY)
    except AgentError as error:
        raise CliError(f"the repository cannot be read: {error}", exit_code=EXIT_UNAVAILABLE) from error
    sha = output.decode(errors="replace").partition("\t")[0]
    if not sha:
        raise CliError("the repository has no commit yet")
    return sha

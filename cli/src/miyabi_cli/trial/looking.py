"""Looks at a repository as the product's own steps do."""

from __future__ import annotations

from miyabi_agents.errors import AgentError
from miyabi_agents.inspection import Inspection, inspect
from miyabi_cli.errors import EXIT_ISSUE_FAILED, CliError
from miyabi_cli.runtime import Runtime
from miyabi_cli.terminal import say, shown
from miyabi_cli.trial.place import Place, set_up
from miyabi_core.text import Untrusted


async def look(runtime: Runtime, place: Place, *, root: str, build: bool) -> Inspection:
    """Look at a commit.

    Args:
        runtime: Of the command.
        place: Which commit.
        root: Only the project of this folder; empty: all.
        build: Build environments and run base's tests; else only what is recognised is told.

    Raises:
        CliError: the commit cannot be read, the sandbox cannot be used, or the disk is full.
    """

    def announce(text: str) -> None:
        say(runtime.errors, shown(Untrusted(text), style="dim"))

    try:
        async with set_up(place, runtime.settings.data_dir, announce=announce) as context:
            return await inspect(context, place, run=build, root=root)
    except (AgentError, OSError) as error:
        raise CliError(str(error), exit_code=EXIT_ISSUE_FAILED) from error

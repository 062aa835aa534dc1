"""Runs tests and commands on the change as it is now, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi_agents.agents.editing.files import described, entry_at, not_usable
from miyabi_agents.agents.trying.bench import Bench
from miyabi_agents.agents.trying.definitions import RUN_COMMAND, RUN_TESTS
from miyabi_agents.agents.trying.told import command_told, red_of, told
from miyabi_agents.agents.trying.wanted import Wanted, sorted_files, wanted
from miyabi_agents.errors import ConfigError
from miyabi_agents.model.talking.loop import Shown, ToolHandler
from miyabi_agents.ports import SandboxResult, TaskContext, Tree
from miyabi_agents.toolchains.registry import by_project
from miyabi_agents.verification.changes import without
from miyabi_agents.verification.execution import Execution, Ran, how_it_ended
from miyabi_agents.verification.ground import Footing, Repository, survey
from miyabi_agents.workspace.objects import EntryKind
from miyabi_core.text import enumerated, exact

#: Longest time of one command: what takes longer is a test, or goes on for ever.
COMMAND_WALL = timedelta(seconds=120)
#: Characters of what a command prints that the model is shown.
COMMAND_CHARACTERS = 20_000


@dataclass(frozen=True)
class TryingTools:
    """The tools of one task; its conversations share one of these.

    A call that cannot be done raises ValueError with a sentence for the model that begins with the argument's name.

    Args:
        bench: Where the change is tried.
        tree: Holds it.
    """

    bench: Bench
    tree: Tree
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """The tools that the repository allows."""
        return _allowed(self.bench.repository)

    def handlers(self) -> dict[str, ToolHandler]:
        """Return the handler of each tool."""
        known: dict[str, ToolHandler] = {"run_tests": self.run_tests, "run_command": self.run_command}
        return {entry["name"]: known[entry["name"]] for entry in self.definitions}

    async def run_tests(self, given: Mapping[str, Any]) -> Shown:
        """Run tests on the change.

        Raises:
            ValueError: a target names nothing, there is nothing to run, or no time left.
            SandboxError: the sandbox cannot be used.
            WorkspaceError: a checkout cannot be made.
        """
        async with self._alone:
            change = await self.tree.change_set()
            targets = [str(target) for target in given.get("targets", ())]
            parts = await asyncio.to_thread(wanted, self.bench.repository, change, targets)
            shown = [await self._tested(part, change) for part in parts]
        red = frozenset[str]().union(*(entry.red or frozenset() for entry in shown))
        return Shown("\n\n".join(entry.text for entry in shown), red)

    async def _tested(self, part: Wanted, change: ChangeSet) -> Shown:
        """Run the tests of one project; edits of what decides how tests are run are left out, as verify does at first.

        Raises:
            ValueError: its environment cannot be had, or there is no time left.
        """
        footing = await self.bench.footing(part.recognised, part.on_base)
        notes = [f"{part.left_out} more files of tests that are near were not run"] if part.left_out else []
        notes += [f"whole files were run; these are the tests of {enumerated(part.names, 5)}"] if part.names else []
        harness = sorted(part.ordered.harness)
        ran = await self._ran(part, footing, without(change, harness))
        if harness:
            named = enumerated([exact(path) for path in harness], 5)
            said = f"edits of how tests are run were left out, as they decide nothing: {named}"
            if red_of(ran.verdicts, part.names):
                ran = await self._ran(part, footing, change)
                said = f"this rests on edits of how tests are run, which a person has to approve: {named}"
            notes.append(said)
        base = footing.base.verdicts
        return Shown(told(ran, base, names=part.names, notes=notes), red_of(ran.verdicts, part.names))

    async def _ran(self, part: Wanted, footing: Footing, change: ChangeSet) -> Ran:
        """Run tests in a checkout of the change."""
        environment = await self.bench.environment(footing, change, part.ordered)
        wall = self.bench.wall()
        with self.bench.timed():
            async with self.bench.checkout(change) as checkout:
                execution = Execution(self.bench.context, footing.part, environment)
                return await execution.run(checkout, part.targets, name="try", wall=wall, may_not_build=True)

    async def run_command(self, given: Mapping[str, Any]) -> str:
        """Run a command on a copy of the change.

        Raises:
            ValueError: it names no program or no folder, or there is no time left.
            CallRefusedError: the folder lies outside of the repository.
            SandboxError: the sandbox cannot be used.
            WorkspaceError: a checkout cannot be made.
        """
        command, cwd = [str(part) for part in given["command"]], _folder(self.tree, str(given.get("cwd", "")))
        if not command[0] or command[0].startswith("-") or "=" in command[0]:
            raise ValueError(f"command: {exact(command[0]) or 'an empty word'} is no program")
        async with self._alone:
            change = await self.tree.change_set()
            result, note = await self._commanded(command, cwd, change)
        cut = result.output_cut
        return command_told(result.output, how_it_ended(result), cut=cut, most=COMMAND_CHARACTERS, note=note)

    async def _commanded(self, command: list[str], cwd: str, change: ChangeSet) -> tuple[SandboxResult, str]:
        """Run it in the environment of the project that its folder, or the change, belongs to.

        Where the change edits what that is made of, it is built anew; where that fails, a note says that base's served.
        """
        repository = self.bench.repository
        touched = [f"{cwd}/x"] if cwd != "." else [file.path for file in change.files]
        parts = by_project(touched, repository.recognised)
        recognised = parts[0][0] if parts else repository.recognised[0]
        footing = await self.bench.footing(recognised, ())
        environment, note = footing.environment, ""
        try:
            ordered = sorted_files(repository, recognised, change)
            environment = await self.bench.environment(footing, change, ordered)
        except ValueError as error:
            note = f"it ran in the environment of the repository without your change: {error}"
        wall = self.bench.wall(COMMAND_WALL)
        with self.bench.timed():
            async with self.bench.checkout(change) as checkout:
                execution = Execution(self.bench.context, footing.part, environment)
                return await execution.command(checkout, command, cwd=cwd, wall=wall), note


def _allowed(repository: Repository) -> list[dict[str, Any]]:
    """Return the tools that a repository allows."""
    return [RUN_TESTS, *([RUN_COMMAND] if repository.config.tools.run_command else [])]


async def offered(context: TaskContext) -> list[dict[str, Any]]:
    """Return the tools that `open_tools` would give for the lease's commit; none where it would give none.

    Raises:
        WorkspaceError: the base cannot be read.
    """
    inputs = context.lease.inputs
    async with context.workspaces.files(repository=inputs.repository, sha=inputs.base_sha) as base:
        try:
            return _allowed(await survey(context, base))
        except ConfigError:
            return []


def _folder(tree: Tree, path: str) -> str:
    """Return the folder of the repository that a command runs in.

    Raises:
        ValueError: there is none.
        CallRefusedError: it lies outside, or a link leads there.
    """
    if path in {"", "."}:
        return "."
    found = entry_at(tree, path, "cwd")
    if found.kind is EntryKind.ABSENT:
        raise ValueError(f"cwd: there is no folder {exact(path)}")
    if found.kind is not EntryKind.FOLDER:
        raise not_usable(found, f"cwd: {described(found, path)}")
    return found.path


@asynccontextmanager
async def open_tools(context: TaskContext, tree: Tree) -> AsyncIterator[TryingTools | None]:
    """Give the tools for a block; None where the repository's tests are not recognised, so that nothing can be run.

    Raises:
        WorkspaceError: the base cannot be read.
    """
    inputs = context.lease.inputs
    async with AsyncExitStack() as held:
        files = context.workspaces.files(repository=inputs.repository, sha=inputs.base_sha)
        base = await held.enter_async_context(files)
        try:
            repository = await survey(context, base)
        except ConfigError:
            yield None
            return
        yield TryingTools(Bench(context, repository, held), tree)

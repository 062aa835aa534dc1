"""Analysers of JavaScript for repositories without: pinned by a lock file, fetched as environments are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.port import Environment, Machine, Phase, Recipe, Step

#: Our files: the manifest, its lock file with the hash of every package, the configuration.
FOLDER = Path(__file__).parent
FILES = ("eslint.config.mjs", "package-lock.json", "package.json")
#: In whose name the environment is kept: it holds nothing of any repository, so that all share it.
NAME = "miyabi/analysers"


class OwnFiles:
    """Implements `toolchains.port.BaseFiles` for them."""

    @property
    def committed(self) -> datetime:
        """A day that never changes: the lock file says which packages."""
        return datetime(2026, 1, 1, tzinfo=UTC)

    def paths(self) -> Sequence[str]:
        """List them."""
        return FILES

    def read(self, path: str) -> bytes | None:
        """Return a file's content."""
        return (FOLDER / path).read_bytes() if path in FILES else None


@dataclass
class OwnTools:
    """The environment that has them, opened when the first asks and held until the end.

    Args:
        context: The task's.
        held: Holds it.
    """

    context: TaskContext
    held: AsyncExitStack
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _made: Environment | None = None

    async def get(self) -> Environment:
        """Return it.

        Raises:
            ToolchainMissingError: node or npm is not there.
            EnvironmentBuildError: the packages cannot be had.
            SandboxError: the sandbox cannot be used.
        """
        async with self._lock:
            if self._made is None:
                recipe = recipe_of(await self.context.environments.machine())
                opened = self.context.environments.open(recipe, OwnFiles(), check_out=_lay, repository=NAME)
                self._made = await self.held.enter_async_context(opened)
            return self._made


def recipe_of(machine: Machine) -> Recipe:
    """Return how they are installed: what the lock file says, by hash, and none of their scripts.

    Raises:
        ToolchainMissingError: node or npm is not there.
    """
    missing = [name for name in ("node", "npm") if name not in machine.programs]
    if missing:
        raise ToolchainMissingError(f"{missing[0]} is not on this machine; install Node.js 20 or newer with npm")
    node, npm = machine.programs["node"], machine.programs["npm"]
    words = [str(node), str(npm)] if npm.suffix == ".js" else [str(npm)]
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--cache", "{cache}"]
    path = {"PATH": f"{node.parent}:/usr/local/bin:/usr/bin:/bin"}
    step = Step("get eslint and tsc", Phase.FETCH, [*words, "ci", *quiet], path, cwd="{tree}", downloads_only=True)
    roots = [*machine.roots.get("node", ()), *machine.roots.get("npm", ())]
    return Recipe("javascript", "analysers of Miyabi", FILES, [f"node={node}", f"npm={npm}"], [step], roots)


async def _lay(folder: Path) -> None:
    """Lay our files into a folder."""
    for name in FILES:
        await asyncio.to_thread((folder / name).write_bytes, (FOLDER / name).read_bytes())

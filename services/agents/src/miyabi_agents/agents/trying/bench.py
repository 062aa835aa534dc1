"""Where a change is tried while it is made: the environments of its projects, checkouts of its files, and time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi_agents.errors import ConfigError, EnvironmentBuildError, ToolchainMissingError
from miyabi_agents.ports import TaskContext, Worktree
from miyabi_agents.toolchains.port import Environment
from miyabi_agents.toolchains.registry import Recognised
from miyabi_agents.verification.changes import Sorted
from miyabi_agents.verification.ground import Footing, Repository, prepare
from miyabi_agents.verification.own_environment import environment_of
from miyabi_core.proto_time import from_timestamp, now

#: What all runs of a task may take together, in times of the repository's own limit for one.
RUNS = 3
#: Share of the time to the lease's deadline that runs may take: thinking needs the rest.
SHARE = 0.5
#: A run that has less than this is not begun: it would show nothing.
LEAST = timedelta(seconds=1)


@dataclass
class Bench:
    """What the runs of one task share.

    Args:
        context: The task's.
        repository: What base's files say.
        held: Keeps environments from being removed.
    """

    context: TaskContext
    repository: Repository
    held: AsyncExitStack
    _footings: dict[tuple[str, str], Footing] = field(default_factory=dict)
    _left: timedelta | None = None

    @property
    def left(self) -> timedelta:
        """How much time runs may still take."""
        if self._left is None:
            self._left = RUNS * timedelta(seconds=self.repository.config.test.timeout)
            if self.context.lease.HasField("deadline"):
                self._left = min(self._left, SHARE * (from_timestamp(self.context.lease.deadline) - now()))
        return self._left

    def wall(self, most: timedelta | None = None) -> timedelta:
        """Return how long the next run may take.

        Args:
            most: Not longer than this; default: the repository's own limit.

        Raises:
            ValueError: there is no time left; a sentence for the model.
        """
        wall = min(self.left, most or timedelta(seconds=self.repository.config.test.timeout))
        if wall < LEAST:
            raise ValueError("no time is left to run anything in this task; finish with what you know")
        return wall

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take what the block needs from the time that is left."""
        began, left = time.monotonic(), self.left
        try:
            yield
        finally:
            self._left = left - timedelta(seconds=time.monotonic() - began)

    async def footing(self, recognised: Recognised, targets: Sequence[str]) -> Footing:
        """Return a project ready for tests; made once, when it is first asked for.

        Args:
            recognised: Toolchain and project.
            targets: Tests whose outcome on base is looked at, where the whole suite takes too long.

        Raises:
            ValueError: its environment cannot be had; a sentence for the model.
        """
        _, project = recognised
        key = (project.toolchain, project.root)
        if key not in self._footings:
            try:
                footing = await prepare(self.context, self.repository, recognised, targets=targets, held=self.held)
            except (ConfigError, EnvironmentBuildError, ToolchainMissingError) as error:
                raise ValueError(f"the tests' environment cannot be had: {error}") from error
            self._footings[key] = footing
        return self._footings[key]

    async def environment(self, footing: Footing, change: ChangeSet, ordered: Sorted) -> Environment:
        """Return the environment of the change: base's, unless it edits what that is made of.

        Raises:
            ValueError: it cannot be built; a sentence for the model.
        """
        try:
            return await environment_of(self.context, self.repository, footing, change, ordered, held=self.held)
        except EnvironmentBuildError as error:
            raise ValueError(f"the environment that the change describes cannot be built: {error}") from error

    @asynccontextmanager
    async def checkout(self, change: ChangeSet) -> AsyncIterator[Worktree]:
        """Lend a checkout of base with the change laid over it; what is written there is thrown away.

        Raises:
            WorkspaceError: it cannot be made.
        """
        inputs = self.context.lease.inputs
        opened = self.context.workspaces.open(
            repository=inputs.repository, sha=inputs.base_sha, label=f"try-{inputs.issue_number}"
        )
        async with opened as tree:
            await tree.apply(change)
            yield tree

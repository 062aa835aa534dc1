"""Runs tests of one checkout in the sandbox and reads their verdicts; how each run ended is kept for a person."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from miyabi.coordinator.v1.result_pb2 import TestRunReport
from miyabi_agents.ports import Network, SandboxJob, SandboxLimits, SandboxResult, TaskContext, Worktree
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.toolchains.port import Environment, Project, RunVerdicts, TestRun, Toolchain
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_agents.verification.laying import copy_tree, lay
from miyabi_core.proto_time import to_duration
from miyabi_core.text import ending, shortened

#: End of a run's output that is kept for a person.
TAIL_CHARACTERS = 8000
#: Longest time of one test: integration tests with servers of their own need half of it.
TEST_SECONDS = 60.0
#: Bytes of a command's output that are kept: many times what anybody is shown of it.
COMMAND_BYTES = 1 << 20
#: Runs of tests at once in this process: more only make each other time out.
_PLACES = asyncio.Semaphore(max(1, (os.cpu_count() or 2) // 2 + 1))


@dataclass(frozen=True)
class Part:
    """One project of a repository with its toolchain."""

    toolchain: Toolchain
    project: Project
    config: RepositoryConfig


@dataclass(frozen=True)
class Ran:
    """One run: its verdicts, how it is reported, and what confined it."""

    verdicts: RunVerdicts
    report: TestRunReport
    layers: tuple[str, ...] = ()
    missing_layers: tuple[str, ...] = ()
    timed_out: bool = False


#: Nothing was to be run.
NOTHING = RunVerdicts(complete=True)


def nothing(name: str) -> Ran:
    """Return the run of no target."""
    return Ran(NOTHING, TestRunReport(name=name, complete=True))


@dataclass(frozen=True)
class Execution:
    """Runs tests of one project.

    Args:
        context: The task's.
        part: Project and toolchain.
        environment: What its tests need.
    """

    context: TaskContext
    part: Part
    environment: Environment

    async def run(
        self,
        tree: Worktree,
        targets: Sequence[str] | None,
        *,
        name: str,
        wall: timedelta | None = None,
        may_not_build: bool = False,
    ) -> Ran:
        """Run *targets* in a checkout, or the whole suite.

        Args:
            tree: The checkout; generated files are laid into it.
            targets: As the toolchain names them; None: the whole suite. None at all: nothing is run.
            name: How the run is called in reports.
            wall: Longest time; default: the repository's own.
            may_not_build: A build that fails says that the tests do not build there, not that there is no verdict.

        Raises:
            SandboxError: the sandbox cannot be used.
        """
        if targets is not None and not targets:
            return nothing(name)
        run = self.part.toolchain.test_run(self.part.project, self.environment, targets)
        limits = SandboxLimits(wall=wall or timedelta(seconds=self.part.config.test.timeout))
        limits = replace(limits, cpu=4 * limits.wall)
        async with self._laid(tree, run) as scratch, _PLACES:
            return await self._run(tree, run, scratch, name=name, limits=limits, may_not_build=may_not_build)

    async def measured(
        self, tree: Worktree, run: TestRun, *, name: str, wall: timedelta, beside: str
    ) -> tuple[Ran, Mapping[str, bytes]]:
        """Run tests by a command that measures them too; returns what it wrote beside the report of the tests.

        Args:
            tree: The checkout; generated files are laid into it.
            run: As the toolchain gives it, and more.
            name: How the run is called in reports.
            wall: Longest time.
            beside: What the names of those files begin with.

        Raises:
            SandboxError: the sandbox cannot be used.
        """
        limits = SandboxLimits(wall=wall, cpu=4 * wall)
        async with self._laid(tree, run) as scratch, _PLACES:
            for command in run.before:
                result = await self._sandboxed(tree, run, scratch, command=command, name=name, limits=limits)
                if result.exit_code != 0 or result.timed_out:
                    return self._unbuilt(run, result, name=name, command=command, may_not_build=False), {}
            result = await self._sandboxed(tree, run, scratch, command=run.command, name=name, limits=limits)
        mine = {file: content for file, content in result.report.items() if file.startswith(beside)}
        own = replace(result, report={file: text for file, text in result.report.items() if file not in mine})
        verdicts = await asyncio.to_thread(self.part.toolchain.read, self.part.project, run, own, tree=tree.path)
        return _ran(name, run, result, verdicts), mine

    async def command(
        self, tree: Worktree, command: Sequence[str], *, cwd: str, wall: timedelta, output_bytes: int = COMMAND_BYTES
    ) -> SandboxResult:
        """Run any program in a checkout as tests are run there: environment, variables, sandbox.

        Args:
            tree: The checkout; generated files are laid into it.
            command: A program, looked for where the tests' programs are, and its arguments.
            cwd: Folder of the checkout to run in.
            wall: Longest time.
            output_bytes: Of its output, so much is kept.

        Raises:
            SandboxError: the sandbox cannot be used, or the folder is not there.
        """
        whole = self.part.toolchain.test_run(self.part.project, self.environment, None)
        run = replace(whole, cwd=cwd, shown=" ".join(command))
        limits = SandboxLimits(wall=wall, cpu=4 * wall, output_bytes=output_bytes)
        async with self._laid(tree, run) as scratch, _PLACES:
            words = ["/usr/bin/env", *command]
            return await self._sandboxed(tree, run, scratch, command=words, name="command", limits=limits)

    @asynccontextmanager
    async def _laid(self, tree: Worktree, run: TestRun) -> AsyncIterator[Path]:
        """Lay generated files into a checkout, and give the run's private folder for a block."""
        laid = self.part.toolchain.lay(self.part.project, self.environment)
        await asyncio.to_thread(lay, laid, source=self.environment.tree, target=tree.path)
        scratch = tree.path.parent / f"{tree.path.name}.scratch"
        try:
            await asyncio.to_thread(prepare_scratch, scratch, run.copies)
            yield scratch
        finally:
            await asyncio.shield(asyncio.to_thread(remove_tree, scratch))

    async def _run(
        self, tree: Worktree, run: TestRun, scratch: Path, *, name: str, limits: SandboxLimits, may_not_build: bool
    ) -> Ran:
        """Build what the tests need, then run them."""
        for command in run.before:
            result = await self._sandboxed(tree, run, scratch, command=command, name=f"{name}: build", limits=limits)
            if result.exit_code != 0 or result.timed_out:
                return self._unbuilt(run, result, name=name, command=command, may_not_build=may_not_build)
        result = await self._sandboxed(tree, run, scratch, command=run.command, name=name, limits=limits)
        read = self.part.toolchain.read
        verdicts = await asyncio.to_thread(read, self.part.project, run, result, tree=tree.path)
        return _ran(name, run, result, verdicts)

    async def _sandboxed(
        self, tree: Worktree, run: TestRun, scratch: Path, *, command: Sequence[str], name: str, limits: SandboxLimits
    ) -> SandboxResult:
        """Run one command of a run."""
        places = {"tree": str(tree.path), "env": str(self.environment.path), "scratch": str(scratch)}
        job = SandboxJob(
            [filled(argument, places) for argument in command],
            cwd=tree.path / run.cwd,
            writable=[tree.path, scratch],
            readable=[self.environment.path, *self.environment.recipe.readable, *run.readable],
            environment={
                key: filled(value, {**places, "seconds": test_seconds(limits.wall)})
                for key, value in run.environment.items()
            },
            limits=limits,
            network=Network.LOOPBACK,
        )
        async with self.context.progress.invocation(f"tests.{name.replace(' ', '_')}", detail=run.shown) as invocation:
            result = await self.context.sandbox.run(job)
            if result.timed_out or result.limit_hit:
                invocation.failed(how_it_ended(result))
            return result

    def _unbuilt(
        self, run: TestRun, result: SandboxResult, *, name: str, command: Sequence[str], may_not_build: bool
    ) -> Ran:
        """Report a build that failed before the tests."""
        words = f"`{shortened(' '.join(command), 200)}` failed: {_tail(result.output, 600)}"
        clean = may_not_build and result.exit_code > 0 and not result.timed_out
        unbuilt = {self.part.project.root: words} if clean else {}
        return _ran(name, run, result, RunVerdicts(complete=clean, problem=words, unbuilt=unbuilt))


def _ran(name: str, run: TestRun, result: SandboxResult, verdicts: RunVerdicts) -> Ran:
    """Put a run together for a person."""
    report = TestRunReport(
        name=name,
        complete=verdicts.complete,
        problem=shortened(verdicts.problem or verdicts.gate, 2000),
        exit_code=result.exit_code,
        duration=to_duration(result.duration),
        total=len(verdicts.verdicts),
        output_tail=_tail(result.output, TAIL_CHARACTERS),
        output_cut=result.output_cut or len(result.output) > TAIL_CHARACTERS,
        command=shortened(run.shown, 4000),
    )
    return Ran(verdicts, report, tuple(result.layers), tuple(result.missing_layers), result.timed_out)


def how_it_ended(result: SandboxResult) -> str:
    """Say how a command ended that did not end well, for a person."""
    if result.timed_out:
        return f"it did not end within {result.duration.total_seconds():.0f} s"
    if result.limit_hit:
        return f"it was ended by the limit on {result.limit_hit}"
    if result.exit_code < 0:
        return f"it was ended by signal {-result.exit_code}"
    return f"it ended with exit status {result.exit_code}"


def _tail(text: str, longest: int) -> str:
    """Return the end of what strangers printed, without what a terminal obeys."""
    return ending("".join(char for char in text if char in "\n\t" or char.isprintable()), longest)


def test_seconds(wall: timedelta) -> str:
    """Return how many seconds one test may take: so few that a run outlives one test that does not end."""
    return f"{min(TEST_SECONDS, wall.total_seconds() / 2):g}"


def filled(text: str, places: Mapping[str, str]) -> str:
    """Fill placeholders in; other braces stay as they are."""
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def prepare_scratch(scratch: Path, copies: Mapping[str, Path]) -> None:
    """Make the run's private folder, with the writable copies that it needs."""
    scratch.mkdir(parents=True)
    for name, source in copies.items():
        copy_tree(source, scratch / name)

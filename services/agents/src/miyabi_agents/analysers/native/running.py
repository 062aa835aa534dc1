"""Runs the toolchains' own analysers on base and on the change, in the sandbox, and says which were not run and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path, PurePosixPath
from uuid import uuid4

from miyabi.coordinator.v1.result_pb2 import AnalyserRun
from miyabi_agents.analysers.base import MAX_OUTPUT_BYTES, AnalyserError, RawFinding, Subject
from miyabi_agents.analysers.changed.configurations import NAMES
from miyabi_agents.analysers.changed.exhibits import write_where_free
from miyabi_agents.analysers.known import without_known
from miyabi_agents.analysers.languages import suffix_of
from miyabi_agents.analysers.native.go import GoVet, Staticcheck
from miyabi_agents.analysers.native.javascript import TSCONFIG, Eslint, Tsc
from miyabi_agents.analysers.native.linter import LEFT_OUT, Lint, Linter, Said
from miyabi_agents.analysers.native.own import OwnTools
from miyabi_agents.analysers.native.rust import Clippy
from miyabi_agents.analysers.suite import Found, on_changed_lines
from miyabi_agents.errors import ConfigError, EnvironmentBuildError, SandboxError, ToolchainMissingError
from miyabi_agents.ports import Network, SandboxJob, SandboxLimits, SandboxResult, TaskContext, Worktree
from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.toolchains.port import Environment, TestRun
from miyabi_agents.toolchains.registry import Recognised, by_project
from miyabi_agents.verification.execution import filled, prepare_scratch
from miyabi_agents.verification.ground import survey
from miyabi_agents.verification.laying import lay
from miyabi_agents.workspace import linkfree
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_core.proto_time import to_duration
from miyabi_core.text import enumerated

#: All of them, in the order in which they are listed.
LINTERS: tuple[Linter, ...] = (GoVet(), Staticcheck(), Clippy(), Eslint(), Tsc())
#: One run: clippy and tsc compile a whole project.
TIMEOUT = timedelta(minutes=5)
#: Longest version and longest sentence of a run.
MAX_VERSION, MAX_SENTENCE = 60, 500

#: Gives a checkout of the change.
Head = Callable[[], AbstractAsyncContextManager[Worktree]]


@dataclass
class Linted:
    """What they found, and how each ended."""

    findings: Found = field(default_factory=list)
    runs: list[AnalyserRun] = field(default_factory=list)


async def lint(context: TaskContext, subject: Subject, base: CommitFiles, head: Head) -> Linted:
    """Have the analysers of each touched project look at the change; what base has too is not the change's.

    A tool that is not there, or whose environment cannot be built, was not run, and says why; one that fails has no
    verdict.

    Args:
        context: The task's.
        subject: The changed files.
        base: The files before.
        head: Gives a checkout of the change.
    """
    linted = Linted()
    wanted = [path for path in subject.files if any(suffix_of(path) in one.suffixes for one in LINTERS)]
    if not wanted:
        return linted
    try:
        repository = await survey(context, base)
    except ConfigError as error:
        _not_run(linted, LINTERS, wanted, str(error))
        return linted
    parts = [
        (recognised, theirs)
        for recognised, paths in by_project(wanted, repository.recognised)
        if (theirs := [path for path in paths if _linters(recognised, path)])
    ]
    seen = {path for _, paths in parts for path in paths}
    _not_run(linted, LINTERS, [path for path in wanted if path not in seen], "no project holds the files")
    for recognised, paths in parts:
        await _lint_project(context, subject, base, _Part(recognised, paths, head), linted)
    order = {linter.name: place for place, linter in enumerate(LINTERS)}
    linted.runs.sort(key=lambda run: order[run.analyser])
    return linted


@dataclass(frozen=True)
class _Part:
    """Changed files of one project."""

    recognised: Recognised
    paths: Sequence[str]
    head: Head


async def _lint_project(context: TaskContext, subject: Subject, base: CommitFiles, part: _Part, linted: Linted) -> None:
    """Run the analysers of one project, unless what they need cannot be had."""
    toolchain = part.recognised[0]
    own = [one for one in LINTERS if one.toolchain == toolchain.name]
    edited = next(filter(toolchain.is_manifest, subject.files), "")
    if edited:
        # Packages that are new are not in base's environment: each import of them would be a finding.
        _not_run(linted, own, part.paths, f"the change edits {edited}, and the environment at hand is base's")
        return
    try:
        async with _Place.made(context, subject, base, part.recognised, part.head) as place:
            await place.run_all(own, part.paths, linted)
    except (EnvironmentBuildError, ToolchainMissingError) as error:
        _not_run(linted, own, part.paths, str(error))


def _linters(recognised: Recognised, path: str) -> list[Linter]:
    """Return the analysers of a project's toolchain that read a file."""
    return [one for one in LINTERS if one.toolchain == recognised[0].name and suffix_of(path) in one.suffixes]


def _not_run(linted: Linted, linters: Sequence[Linter], paths: Sequence[str], why: str) -> None:
    """Say that analysers were not run on files that are theirs."""
    known = {run.analyser for run in linted.runs}
    for linter in linters:
        if linter.name not in known and any(suffix_of(path) in linter.suffixes for path in paths):
            note = f"not run: {why}"[:MAX_SENTENCE]
            linted.runs.append(AnalyserRun(analyser=linter.name, not_applicable=True, notes=[note]))


@dataclass(frozen=True)
class _Place:
    """A project's environment, with checkouts of base and of the change."""

    context: TaskContext
    subject: Subject
    recognised: Recognised
    environment: Environment
    before: Worktree
    after: Worktree
    tools: OwnTools

    @classmethod
    @asynccontextmanager
    async def made(
        cls, context: TaskContext, subject: Subject, base: CommitFiles, recognised: Recognised, head: Head
    ) -> AsyncIterator[_Place]:
        """Build the environment and check both out; of analysers' configuration there is base's in both.

        Raises:
            ToolchainMissingError: a program is missing on this machine.
            EnvironmentBuildError: the environment cannot be built.
        """
        toolchain, project = recognised
        repository = context.lease.inputs.repository
        machine = await context.environments.machine()
        recipe = await asyncio.to_thread(toolchain.recipe, project, base, machine)
        modules = await context.workspaces.submodules(repository=repository, sha=base.sha)
        async with AsyncExitStack() as held:
            await context.progress.step("building the environment of the analysers")
            opened = context.environments.open(
                recipe,
                base,
                check_out=lambda path: context.workspaces.lay(repository=repository, sha=base.sha, path=path),
                repository=repository,
                root=project.root,
                submodules=modules.key,
            )
            environment = await held.enter_async_context(opened)
            before = context.workspaces.open(repository=repository, sha=base.sha, label="lint")
            trees = [await held.enter_async_context(before), await held.enter_async_context(head())]
            laid = toolchain.lay(project, environment)
            for tree in trees:
                await asyncio.to_thread(lay, laid, source=environment.tree, target=tree.path)
            await asyncio.to_thread(_configure, base, trees[1].path, subject.files)
            yield cls(context, subject, recognised, environment, trees[0], trees[1], OwnTools(context, held))

    async def run_all(self, linters: Sequence[Linter], paths: Sequence[str], linted: Linted) -> None:
        """Run analysers at once, each on the files that it reads."""
        ours = {linter.name: [path for path in paths if suffix_of(path) in linter.suffixes] for linter in linters}
        quieted = {path for linter in linters if linter.reads_quieted for path in ours[linter.name]}
        await asyncio.to_thread(self._quieten, sorted(quieted))
        async with asyncio.TaskGroup() as tasks:
            for linter in linters:
                tasks.create_task(self._run(linter, ours[linter.name], linted))

    async def _run(self, linter: Linter, files: Sequence[str], linted: Linted) -> None:
        """Run one on both sides."""
        if not files:
            return
        job = linter.lint(self.recognised[1], self.environment, files)
        if isinstance(job, str):
            _not_run(linted, [linter], files, job)
            return
        run, began = AnalyserRun(analyser=linter.name), time.monotonic()
        try:
            if job.own_tools:
                await self.tools.get()
            run.version = await self._version(job)
            run.notes.extend([job.note] if job.note else [])
            commands = (job.command, self.after), (job.command if job.before is None else job.before, self.before)
            after, before = await asyncio.gather(*(self._said(linter, job, *one) for one in commands))
            left_out = sorted({entry.path for entry in after if entry.rule == LEFT_OUT} & set(files))
            if len(left_out) == len(files):
                _not_run(linted, [linter], files, "the repository's configuration leaves out what is changed")
                return
            run.notes.extend(
                [f"the repository's configuration leaves out {enumerated(left_out, 5)}"] if left_out else []
            )
            new = [entry for entry in without_known(after, before) if entry.rule != LEFT_OUT]
            found = [(linter.name, entry) for entry in new if entry.path in self.subject.lines]
            linted.findings += on_changed_lines(found, self.subject)
            run.completed = True
        except (EnvironmentBuildError, ToolchainMissingError) as error:
            _not_run(linted, [linter], files, str(error))
            return
        except (AnalyserError, SandboxError) as error:
            run.error = str(error)[:MAX_SENTENCE]
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            run.error = f"its output could not be understood ({type(error).__name__})"
        run.duration.CopyFrom(to_duration(timedelta(seconds=time.monotonic() - began)))
        linted.runs.append(run)

    async def _said(self, linter: Linter, job: Lint, command: Sequence[str], tree: Worktree) -> list[RawFinding]:
        """Run a command in a checkout, and read it."""
        if not command:
            return []
        async with self.context.progress.invocation(linter.name) as invocation:
            result = await self._sandboxed(job, command, tree)
            if result.timed_out or result.limit_hit or result.output_cut or result.exit_code < 0:
                why = f"{linter.name} came to no end: {_how(result)}"
                invocation.failed(why)
                raise AnalyserError(why)
        said = Said(result.output, result.exit_code, tree.path, self.recognised[1].root)
        found = await asyncio.to_thread(linter.read, said)
        return [entry for entry in found if entry.rule not in job.ignored]

    async def _version(self, job: Lint) -> str:
        """Return what a tool says of its version: the first line of it."""
        result = await self._sandboxed(job, job.version, self.before)
        return (result.output.strip().splitlines() or ["not said"])[0][:MAX_VERSION]

    async def _sandboxed(self, job: Lint, command: Sequence[str], tree: Worktree) -> SandboxResult:
        """Run one command as the project's tests are run."""
        toolchain, project = self.recognised
        run: TestRun = toolchain.test_run(project, self.environment, [])
        scratch = tree.path.parent / f"{tree.path.name}.{uuid4().hex}.scratch"
        places = {"tree": str(tree.path), "env": str(self.environment.path), "scratch": str(scratch)}
        tools = [(await self.tools.get()).tree] if job.own_tools else []
        places |= {"tools": str(tools[0])} if tools else {}
        try:
            await asyncio.to_thread(prepare_scratch, scratch, run.copies)
            variables = {**run.environment, **job.environment}
            return await self.context.sandbox.run(
                SandboxJob(
                    [filled(argument, places) for argument in command],
                    cwd=tree.path / run.cwd,
                    writable=[tree.path, scratch],
                    readable=[
                        self.environment.path,
                        *self.environment.recipe.readable,
                        *run.readable,
                        *job.readable,
                        *tools,
                    ],
                    environment={key: filled(value, places) for key, value in variables.items()},
                    limits=SandboxLimits(wall=TIMEOUT, cpu=4 * TIMEOUT, output_bytes=MAX_OUTPUT_BYTES),
                    network=Network.NONE,
                )
            )
        finally:
            await asyncio.shield(asyncio.to_thread(remove_tree, scratch))

    def _quieten(self, files: Sequence[str]) -> None:
        """Lay changed files without the words that tell an analyser to look away."""
        for path in files:
            linkfree.write(self.after.path, path, (self.subject.root / path).read_bytes())


def _configure(base: CommitFiles, tree: Path, changed: Sequence[str]) -> None:
    """Make a checkout have base's configuration of analysers, and none that the change adds."""
    for path in changed:
        if _decides(path):
            linkfree.remove(tree, path)
    for path in filter(_decides, base.paths()):
        content = base.read(path)
        if content is not None:
            write_where_free(tree, path, content)


def _decides(path: str) -> bool:
    """Tell whether a file decides what these analysers say, and nothing else."""
    name = PurePosixPath(path).name
    return name in NAMES or name == TSCONFIG


def _how(result: SandboxResult) -> str:
    """Say how a command ended that has no verdict."""
    if result.timed_out:
        return f"it took longer than {TIMEOUT.total_seconds() / 60:.0f} minutes"
    if result.limit_hit:
        return f"it was ended by the limit on {result.limit_hit}"
    if result.output_cut:
        return f"it said more than {MAX_OUTPUT_BYTES >> 20} MiB"
    return f"it was ended by signal {-result.exit_code}"

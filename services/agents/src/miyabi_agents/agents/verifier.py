"""Verify: runs the new tests and the touched neighbourhood on base and on the change, in the sandbox."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import ChangeSet, VerifyResult
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.ports import SandboxJob, SandboxLimits, SandboxResult, TaskContext, Worktree
from miyabi_agents.verification import config as configuration
from miyabi_agents.verification.compare import compare, edited_functions
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_agents.verification.environment import Environments
from miyabi_agents.verification.parsers import parse
from miyabi_agents.verification.targets import choose, test_files
from miyabi_core.proto_time import to_duration

#: End of the runner's output that is kept.
TAIL_CHARACTERS = 20_000


class VerifierAgent:
    """Measures; a bad verdict is a result, not an error."""

    kind = "verify"
    capabilities = frozenset({TaskKind.TASK_KIND_VERIFY})

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Run the tests.

        Raises:
            ConfigError: the repository says nowhere how its tests are run.
            EnvironmentBuildError: what the tests need cannot be installed.
            SandboxError: a layer is missing that must be there.
            WorkspaceError: the base cannot be checked out.
        """
        inputs = task.inputs
        change = inputs.change_set
        workspaces = context.workspaces
        name, sha = inputs.repository, inputs.base_sha
        before = workspaces.open(repository=name, sha=sha, label=f"base-{inputs.issue_number}")
        after = workspaces.open(repository=name, sha=sha, label=f"change-{inputs.issue_number}")
        async with before as base, after as changed:
            settings = context.settings
            config = configuration.load(base, name, operator_dir=settings.repository_config_dir)
            added, edited = await asyncio.to_thread(_own_tests, base, change)
            await base.apply(_tests_only(change))
            await changed.apply(change)
            await context.progress.step("building the test environment")
            async with context.progress.invocation("environment.build"):
                python = await Environments(settings.shared_dir / "environments").python(config.env)
            command = _command(config, python, choose(change, config.test))
            await context.progress.step("running tests on base and on the change")
            async with asyncio.TaskGroup() as tasks:
                on_base = tasks.create_task(
                    _run(context, "tests.base", command, config=config, tree=base, python=python)
                )
                on_change = tasks.create_task(
                    _run(context, "tests.change", command, config=config, tree=changed, python=python)
                )
        result = _result(on_base.result(), on_change.result(), config, added=added, edited=edited, change=change)
        result.command.extend(command)
        result.runtime = await _runtime(python)
        return Outcome(verification=result)


def _own_tests(base: Worktree, change: ChangeSet) -> tuple[set[str], set[str]]:
    """Return the test functions that a change adds and those that it edits."""
    added: set[str] = set()
    edited: set[str] = set()
    contents = {file.path: file.content for file in change.files}
    for path in test_files(change):
        try:
            before = base.read(path).decode("utf-8", "replace")
        except WorkspaceError:
            before = ""
        new, old = edited_functions(before, contents[path].decode("utf-8", "replace"))
        added |= new
        edited |= old
    return added, edited


def _tests_only(change: ChangeSet) -> ChangeSet:
    """Return the part of a change that is tests: what is laid over base, so that they can fail there."""
    own = set(test_files(change))
    return ChangeSet(base_sha=change.base_sha, files=[file for file in change.files if file.path in own])


def _command(config: RepositoryConfig, python: Path, targets: list[str]) -> list[str]:
    """Fill the command's placeholders in."""
    command: list[str] = []
    for argument in config.test.command:
        if argument == "{targets}":
            command += targets
        else:
            command.append(argument.replace("{python}", str(python)))
    return command


async def _run(
    context: TaskContext, name: str, command: list[str], *, config: RepositoryConfig, tree: Worktree, python: Path
) -> SandboxResult:
    """Run the tests of one checkout in the sandbox."""
    limits = SandboxLimits(wall=timedelta(seconds=config.test.timeout), cpu=timedelta(seconds=config.test.timeout))
    environment = python.parent.parent
    readable = [environment, *await asyncio.to_thread(_interpreter_folders, python)]
    job = SandboxJob(
        command,
        cwd=tree.path / config.test.cwd,
        writable=[tree.path],
        readable=readable,
        environment={"PYTHONPATH": str(tree.path), "VIRTUAL_ENV": str(environment)},
        limits=limits,
    )
    async with context.progress.invocation(name, detail=" ".join(command)) as invocation:
        result = await context.sandbox.run(job)
        if result.timed_out:
            invocation.failed(f"ended after {config.test.timeout} s")
        return result


def _interpreter_folders(python: Path) -> list[Path]:
    """Return where the interpreter behind an environment lives."""
    real = python.resolve()
    return [real.parent.parent]


def _result(
    on_base: SandboxResult,
    on_change: SandboxResult,
    config: RepositoryConfig,
    *,
    added: set[str],
    edited: set[str],
    change: ChangeSet,
) -> VerifyResult:
    """Compare the two runs."""
    style = config.test.format
    declared = {entry.test for entry in change.changed_expectations}
    before, after = parse(on_base.output, style=style), parse(on_change.output, style=style)
    result = compare(before, after, added=added, edited=edited, declared=declared)
    if on_change.timed_out or not after:
        result.passed = False
    result.duration_before.CopyFrom(to_duration(on_base.duration))
    result.duration_after.CopyFrom(to_duration(on_change.duration))
    result.sandbox_layers.extend(on_change.layers)
    result.missing_sandbox_layers.extend(on_change.missing_layers)
    result.output_tail = on_change.output[-TAIL_CHARACTERS:]
    return result


async def _runtime(python: Path) -> str:
    """Return the interpreter's name and version; it is ours or the operator's, so it may be asked directly."""
    code = "import platform; print(platform.python_implementation(), platform.python_version())"
    process = await asyncio.create_subprocess_exec(
        str(python), "-I", "-c", code, stdout=asyncio.subprocess.PIPE, env={"PATH": "/usr/bin:/bin"}
    )
    output, _ = await process.communicate()
    return output.decode(errors="replace").strip()

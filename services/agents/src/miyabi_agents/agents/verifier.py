"""Verify: runs the tests of every project that a change touches, on base and on the change, and judges them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.errors import ConfigError, EnvironmentBuildError
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.port import Selection
from miyabi_agents.toolchains.registry import Recognised, by_project
from miyabi_agents.verification.changes import Sorted, sort
from miyabi_agents.verification.config import FILE_NAME
from miyabi_agents.verification.coverage.measuring import Proven, measure
from miyabi_agents.verification.gate import Gate, Gated
from miyabi_agents.verification.ground import Repository, stand, survey
from miyabi_agents.verification.results import merged
from miyabi_agents.verification.targets import configured


class VerifierAgent:
    """Measures; a bad verdict is a result, not an error."""

    kind = "verify"
    capabilities = frozenset({TaskKind.TASK_KIND_VERIFY})

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Run the tests.

        Raises:
            ConfigError: the repository says it wrongly, or no tests are recognised.
            ToolchainMissingError: a program is missing on this machine.
            EnvironmentBuildError: what the tests need cannot be installed, or base's own tests cannot be loaded.
            SandboxError: a layer is missing that must be there.
            WorkspaceError: the base cannot be checked out.
        """
        inputs = task.inputs
        async with context.workspaces.files(repository=inputs.repository, sha=inputs.base_sha) as base:
            repository = await survey(context, base)
            parts = by_project([file.path for file in inputs.change_set.files], repository.recognised)
            if not parts:
                raise ConfigError(
                    "no file of the change belongs to a project whose tests are recognised. Say in "
                    f"{FILE_NAME} how they are run (`test.command`), or have a person review the change"
                )
            async with AsyncExitStack() as held:
                judged = [await _gated(context, repository, part, paths, held) for part, paths in parts]
                result = merged([gated for gated, _ in judged])
                if result.passed:
                    result.coverage.CopyFrom(await measure(context, [proven for _, proven in judged if proven]))
        return Outcome(verification=result)


async def _gated(
    context: TaskContext, repository: Repository, recognised: Recognised, paths: Sequence[str], held: AsyncExitStack
) -> tuple[Gated, Proven | None]:
    """Judge the files of one project; returns what of it can be measured too."""
    change = context.lease.inputs.change_set
    files = _of(change, paths)
    ordered, selection = await asyncio.to_thread(_look, repository, recognised, files)
    near = configured(list(paths), repository.config)
    if near:
        selection = Selection(selection.own, near, "the neighbourhood is the one that the configuration names")
    targets = list(dict.fromkeys([*selection.own, *selection.near]))
    there = [target for target in targets if target not in ordered.tests or repository.base.read(target) is not None]
    own = sum(target in set(selection.own) for target in there)
    footing = await stand(context, repository, recognised, targets=there, held=held, least=own)
    if footing.base.timed_out:
        raise EnvironmentBuildError(
            f"base's own tests take too long for a verdict: {footing.base.verdicts.problem}. Give them more time "
            f"in {FILE_NAME} (`test.timeout`), or name fewer (`test.targets`)"
        )
    gated = await Gate(context, repository, footing, change, ordered, selection, held).judge()
    if gated.ran is None or gated.environment is None or gated.change is None:
        return gated, None
    base, part = repository.base, footing.part
    return gated, Proven(part, gated.environment, base, gated.change, ordered, paths, gated.targets, gated.ran)


def _of(change: ChangeSet, paths: Sequence[str]) -> list[FileChange]:
    """Return the files of a change by their paths."""
    wanted = set(paths)
    return [file for file in change.files if file.path in wanted]


def _look(repository: Repository, recognised: Recognised, files: Sequence[FileChange]) -> tuple[Sorted, Selection]:
    """Sort a project's files and choose its tests; reads only."""
    toolchain, project = recognised
    changed = {file.path: None if file.deleted else file.content for file in files}
    return sort(files, toolchain, repository.base), toolchain.select(project, repository.base, changed)

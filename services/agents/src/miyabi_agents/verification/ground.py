"""Prepares what every verdict stands on, before money is spent: projects, their environments, base's own tests."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from posixpath import normpath

from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi_agents.errors import ConfigError, EnvironmentBuildError, ToolchainMissingError
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.port import UNSEEN, BaseFiles, Environment, Project, Recipe
from miyabi_agents.toolchains.registry import Recognised, by_project, recognise
from miyabi_agents.verification import config as configuration
from miyabi_agents.verification.base_runs import BaseRuns
from miyabi_agents.verification.config import RepositoryConfig
from miyabi_agents.verification.execution import Execution, Part, Ran
from miyabi_agents.verification.judge import PASSED
from miyabi_agents.verification.remedies import BASE_ENDS
from miyabi_agents.verification.targets import configured
from miyabi_agents.workspace.submodules import BroughtSubmodules, LaidFiles
from miyabi_core.text import shortened, split_lines

#: How often what base cannot import is added to its environment.
MAX_REPAIRS = 3
#: Files of tests that are run where the whole suite takes too long.
MAX_TARGETS = 60
#: Seconds that those may take at least, before the change's own alone are run.
MIN_PATIENCE_SECONDS = 120
#: How languages call their errors.
_ERROR = re.compile(r"\b\w*(?:Error|Exception|error)\b: ?\S")
#: Likely files whose tests are tried before money is spent, and how many of those.
MOST_LIKELY = 5


@dataclass(frozen=True)
class Repository:
    """What a commit's files say of how it is tested."""

    base: BaseFiles
    config: RepositoryConfig
    recognised: Sequence[Recognised]
    #: The same with the files of submodules, which environments are built with; projects are not looked for in those.
    laid: BaseFiles
    notes: tuple[str, ...] = ()  #: on submodules that were not fetched


@dataclass(frozen=True)
class Footing:
    """One project, ready for tests: its environment, and what base's own tests show."""

    part: Part
    environment: Environment
    base: Ran
    #: What was run: as many of the targets as there was time for; None: the whole suite, which is short.
    targets: tuple[str, ...] | None
    notes: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the whole suite is short enough to be run each time."""
        return self.targets is None


async def survey(context: TaskContext, base: BaseFiles) -> Repository:
    """Recognise the projects of the lease's commit; nothing is run.

    Raises:
        ConfigError: a file says it wrongly, or nothing that has tests is recognised.
        WorkspaceError: the proxy is out of reach for its submodules.
    """
    inputs = context.lease.inputs
    modules = await context.workspaces.submodules(repository=inputs.repository, sha=inputs.base_sha)
    return await asyncio.to_thread(_survey, base, inputs.repository, context, modules)


def _survey(base: BaseFiles, name: str, context: TaskContext, modules: BroughtSubmodules) -> Repository:
    """Read the repository's file, then ask every toolchain."""
    own = base.read(configuration.FILE_NAME)
    config = configuration.load(own, name, operator_dir=context.settings.repository_config_dir)
    if config is not None:
        refuse_missing_folder(base, config)
    recognised = recognise(base, config)
    if not recognised:
        raise ConfigError(
            f"{name} has no tests that are recognised (Python, JavaScript, TypeScript, Go, Rust), and no "
            f"{configuration.FILE_NAME} that says how they are run. Add one to the repository (`test.command`)"
        )
    laid = LaidFiles(base, modules) if modules.modules else base
    return Repository(base, config or RepositoryConfig(), recognised, laid, modules.notes)


def refuse_missing_folder(base: BaseFiles, config: RepositoryConfig) -> None:
    """Refuse a folder for the tests that base does not have; what a submodule may bring is left alone.

    Raises:
        ConfigError: there is none.
    """
    folder = normpath(config.test.cwd)
    if folder == "." or base.read(".gitmodules") is not None:
        return
    if not any(path.startswith(f"{folder}/") for path in base.paths()):
        raise ConfigError(
            f"test.cwd: the repository has no folder {shortened(folder, 200)!r}. Mend {configuration.FILE_NAME}: it is "
            "relative to the repository's root"
        )


async def stand(
    context: TaskContext,
    repository: Repository,
    recognised: Recognised,
    *,
    targets: Sequence[str],
    held: AsyncExitStack,
    least: int = 1,
) -> Footing:
    """Build a project's environment and run base's own tests: the whole suite where it is short, else *targets*.

    Args:
        context: The task's.
        repository: What base's files say.
        recognised: Toolchain and project.
        targets: As the toolchain names them, the most important first: those that there is no time for are left out.
        held: Keeps the environment from being removed until it is closed.
        least: How many of the first targets are run whatever time they take: the change's own.

    Raises:
        ToolchainMissingError: a program is missing on this machine.
        EnvironmentBuildError: the environment cannot be built, or nothing of base can be imported in it.
        WorkspaceError: base cannot be checked out.
        SandboxError: the sandbox cannot be used.
    """
    footing = await prepare(context, repository, recognised, targets=targets, held=held, least=least)
    _refuse_dead(footing.base)
    return footing


async def prepare(
    context: TaskContext,
    repository: Repository,
    recognised: Recognised,
    *,
    targets: Sequence[str],
    held: AsyncExitStack,
    least: int = 1,
) -> Footing:
    """Do as `stand`, but show base's tests for what they are, even where none of them could be loaded.

    Raises:
        ToolchainMissingError: a program is missing on this machine.
        EnvironmentBuildError: the environment cannot be built.
        WorkspaceError: base cannot be checked out.
        SandboxError: the sandbox cannot be used.
    """
    toolchain, project = recognised
    part = Part(toolchain, project, repository.config)
    machine = await context.environments.machine()
    recipe = await asyncio.to_thread(toolchain.recipe, project, repository.laid, machine)
    notes: list[str] = []
    for _ in range(MAX_REPAIRS + 1):
        environment = await build(context, recipe, repository.laid, project=project, held=held)
        ran, chosen = await _base_runs(context, part, environment, targets, least=max(1, least))
        repaired = (
            await asyncio.to_thread(toolchain.repair, environment.recipe, ran.verdicts) if _lacking(ran) else None
        )
        if repaired is None or len(notes) == MAX_REPAIRS:
            break
        added = sorted(set(repaired.notes) - set(recipe.notes))
        notes.append("; ".join(added) or "what base could not import was added to its environment")
        recipe = repaired
    if unseen := project.facts.get(UNSEEN):
        notes.append(str(unseen))
    return Footing(part, environment, ran, None if chosen is None else tuple(chosen), (*notes, *repository.notes))


async def try_ground(context: TaskContext, likely: Sequence[str]) -> None:
    """Make sure, before a model is paid, that base's own tests can be run where a change is likely.

    Of the projects that the likely files belong to, the first whose tests can be run is enough.

    Raises:
        ToolchainMissingError: as `stand`, of the first project.
        EnvironmentBuildError: as `stand`, of the first project.
    """
    inputs = context.lease.inputs
    async with context.workspaces.files(repository=inputs.repository, sha=inputs.base_sha) as base:
        repository = await survey(context, base)
        parts = by_project(likely, repository.recognised) or [(repository.recognised[0], [])]
        first: EnvironmentBuildError | ToolchainMissingError | None = None
        for recognised, paths in parts:
            near = await asyncio.to_thread(_near, repository, recognised, paths[:MOST_LIKELY])
            try:
                await _try_near(context, repository, recognised, near)
            except (EnvironmentBuildError, ToolchainMissingError) as error:
                first = first or error
            else:
                return
        if first is not None:
            raise first


async def _try_near(context: TaskContext, repository: Repository, recognised: Recognised, near: Sequence[str]) -> None:
    """Try the nearest tests, and where they cannot be run each by itself and two farther ones, before all are given up.

    Raises:
        ToolchainMissingError: as `stand`.
        EnvironmentBuildError: as `stand`, of the nearest.
    """
    async with AsyncExitStack() as held:
        footing = await prepare(context, repository, recognised, targets=near[:MOST_LIKELY], held=held)
        try:
            _refuse_dead(footing.base)
        except EnvironmentBuildError:
            # One of them may need what no other does (a database, a build of its own) and keep all from being run.
            others = [] if footing.whole or not near else [*near[1:MOST_LIKELY], near[len(near) // 2], near[-1]]
            for target in dict.fromkeys(others):
                one = await prepare(context, repository, recognised, targets=[target], held=held)
                if PASSED in one.base.verdicts.verdicts.values():
                    return
            raise


def _near(repository: Repository, recognised: Recognised, paths: Sequence[str]) -> Sequence[str]:
    """Return tests that are near to files, as they are on base, the nearest first."""
    toolchain, project = recognised
    found = configured(list(paths), repository.config)
    if found:
        return found
    contents = {path: repository.base.read(path) for path in paths}
    return list(toolchain.select(project, repository.base, contents).near)


async def build(
    context: TaskContext,
    recipe: Recipe,
    base: BaseFiles,
    *,
    project: Project,
    held: AsyncExitStack,
    manifests: ChangeSet | None = None,
) -> Environment:
    """Return the environment of a recipe, built where it is not there yet.

    Args:
        context: The task's.
        recipe: How.
        base: The files whose content it depends on.
        project: What it is for.
        held: Keeps it from being removed until it is closed.
        manifests: What a change does to manifests, for an environment of its own; nothing else of it is laid.

    Raises:
        EnvironmentBuildError: it cannot be built.
    """
    inputs = context.lease.inputs
    modules = await context.workspaces.submodules(repository=inputs.repository, sha=inputs.base_sha)
    await context.progress.step("building the test environment")
    async with context.progress.invocation("environment.build", detail=recipe.origin):
        opened = context.environments.open(
            recipe,
            base,
            check_out=lambda path: context.workspaces.lay(
                repository=inputs.repository, sha=inputs.base_sha, path=path, change=manifests
            ),
            repository=inputs.repository,
            root=project.root,
            change=manifests is not None,
            submodules=modules.key,
        )
        return await held.enter_async_context(opened)


def _lacking(ran: Ran) -> bool:
    """Tell whether base's run shows something that it could not load."""
    return bool(ran.verdicts.unbuilt)


def _refuse_dead(ran: Ran) -> None:
    """End what cannot lead to a verdict, before a model is paid.

    Raises:
        EnvironmentBuildError: nothing of base's tests could be loaded, or their run broke off.
    """
    verdicts = ran.verdicts
    if verdicts.unbuilt and PASSED not in verdicts.verdicts.values():
        file, reason = next(iter(sorted(verdicts.unbuilt.items())))
        words = _telling(reason)
        raise EnvironmentBuildError(
            f"base's own tests cannot be loaded: {file}: {shortened(words, 600)}. Name what they need in the project's "
            f"manifest, or in {configuration.FILE_NAME} (`env.requirements`)"
        )
    if not verdicts.complete and not ran.timed_out:
        raise EnvironmentBuildError(
            f"base's own tests come to no end: {shortened(verdicts.problem, 600) or 'no end marker'}. {BASE_ENDS}"
        )


def _telling(reason: str) -> str:
    """Return the line of a reason that tells most: the last one that names an error, else the last one."""
    lines = [line.strip() for line in split_lines(reason) if line.strip()]
    return next((line for line in reversed(lines) if _ERROR.search(line)), lines[-1] if lines else "")


async def _base_runs(
    context: TaskContext, part: Part, environment: Environment, targets: Sequence[str], *, least: int
) -> tuple[Ran, Sequence[str] | None]:
    """Run base's own tests: all, where they are short; else as many of *targets* as there is time for.

    Returns the run and its targets; None: all.
    """
    allowed = part.config.test.whole_suite
    if allowed and not part.config.test.targets:
        wall = timedelta(seconds=min(allowed, part.config.test.timeout))
        ran = await base_run(context, part, environment, None, wall=wall)
        if ran.verdicts.complete:
            return ran, None
    chosen = list(targets)[: max(least, MAX_TARGETS)]
    if len(chosen) > least:
        patience = timedelta(seconds=min(max(allowed, MIN_PATIENCE_SECONDS), part.config.test.timeout))
        ran = await base_run(context, part, environment, chosen, wall=patience)
        if ran.verdicts.complete:
            return ran, chosen
        # Too slow, or one of them ends the run for all: those that must be run may come to an end without the others.
        chosen = chosen[:least]
    return await base_run(context, part, environment, chosen), chosen


async def base_run(
    context: TaskContext,
    part: Part,
    environment: Environment,
    targets: Sequence[str] | None,
    *,
    wall: timedelta | None = None,
) -> Ran:
    """Return what base's own tests show, kept for each commit, environment and targets."""
    inputs = context.lease.inputs
    chosen = [str(wall), *(["*"] if targets is None else targets)]
    toolchain = f"{part.project.toolchain}:{part.project.root}:{part.project.runner}"
    key = [inputs.repository, inputs.base_sha, environment.path.name, toolchain, part.config.model_dump_json(), *chosen]

    async def run() -> Ran:
        async with AsyncExitStack() as stack:
            opened = context.workspaces.open(
                repository=inputs.repository, sha=inputs.base_sha, label=f"base-{inputs.issue_number}"
            )
            tree = await stack.enter_async_context(opened)
            execution = Execution(context, part, environment)
            return await execution.run(tree, targets, name="base", wall=wall)

    if targets is not None and not targets:
        return await run()
    await context.progress.step("running base's own tests")
    return await BaseRuns(context.settings.kept_runs_dir).get(key, run)

"""Looks at a commit as verification would: what is recognised, its environment, and what base's own tests show."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta

from miyabi.coordinator.v1.result_pb2 import TestRunReport, TestVerdict
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi_agents.errors import AgentError
from miyabi_agents.inspection.place import Place, WithFile
from miyabi_agents.inspection.progress import Progress
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.port import BaseFiles, Project, Recipe, RunVerdicts
from miyabi_agents.toolchains.registry import Recognised
from miyabi_agents.verification.config import FILE_NAME, RepositoryConfig
from miyabi_agents.verification.execution import Ran
from miyabi_agents.verification.ground import Footing, Repository, base_run, build, prepare, survey

#: Verdicts by the word that a person reads, in the order in which they are counted.
WORDS = {
    "passed": TestVerdict.TEST_VERDICT_PASSED,
    "failed": TestVerdict.TEST_VERDICT_FAILED,
    "skipped": TestVerdict.TEST_VERDICT_SKIPPED,
    "blocked": TestVerdict.TEST_VERDICT_BLOCKED,
}


@dataclass(frozen=True)
class Refusal:
    """Why base's tests cannot be run."""

    reason: str  #: `NO_TEST_COMMAND`, `TOOLCHAIN_MISSING`, `ENVIRONMENT`, …
    message: str

    @classmethod
    def of(cls, error: AgentError) -> Refusal:
        """Return an error's reason and words."""
        return cls(FailureReason.Name(error.reason).removeprefix("FAILURE_REASON_"), str(error))


@dataclass(frozen=True)
class Seconds:
    """What took how long."""

    first: float = 0.0  #: the environment, built or found
    again: float = 0.0  #: the same environment once more
    tests: float = 0.0


@dataclass(frozen=True)
class Look:
    """One project of a repository."""

    project: Project
    recipe: Recipe | None = None
    notes: tuple[str, ...] = ()
    report: TestRunReport | None = None
    verdicts: RunVerdicts = field(default_factory=RunVerdicts)
    built: bool = False  #: the environment was built now, not found
    seconds: Seconds = field(default_factory=Seconds)
    refusal: Refusal | None = None

    @property
    def counts(self) -> dict[str, int]:
        """Tests by verdict."""
        found = list(self.verdicts.verdicts.values())
        return {word: found.count(verdict) for word, verdict in WORDS.items()}

    def named(self, word: str) -> dict[str, str]:
        """Return the tests of one verdict, each with the first lines of why.

        Args:
            word: One of `WORDS`.
        """
        wanted = sorted(test for test, verdict in self.verdicts.verdicts.items() if verdict == WORDS[word])
        return {test: self.verdicts.reasons.get(test, "") for test in wanted}


@dataclass(frozen=True)
class Inspection:
    """What a look at a repository showed."""

    place: Place
    config: RepositoryConfig = field(default_factory=RepositoryConfig)
    config_from: str = ""  #: where the configuration is; empty: nowhere
    looks: tuple[Look, ...] = ()
    refusal: Refusal | None = None  #: why there are none

    @property
    def refusals(self) -> list[Refusal]:
        """Return all reasons why tests cannot be run."""
        found = [self.refusal, *(look.refusal for look in self.looks)]
        return [refusal for refusal in found if refusal is not None]


async def inspect(context: TaskContext, place: Place, *, run: bool, root: str = "") -> Inspection:
    """Look at a commit.

    Args:
        context: What is set up.
        place: Which commit.
        run: Build environments and run tests; else only what is recognised is shown.
        root: Only the projects of this folder; empty: all.

    Raises:
        WorkspaceError: the commit cannot be read.
        SandboxError: the sandbox cannot be used.
    """
    async with context.workspaces.files(repository=place.repository, sha=place.sha) as files:
        own = await asyncio.to_thread(place.own_file)
        base: BaseFiles = files if own is None else WithFile(files, FILE_NAME, own)
        where = await asyncio.to_thread(_config_from, base, context, uncommitted=own is not None)
        try:
            repository = await survey(context, base)
        except AgentError as error:
            return Inspection(place, config_from=where, refusal=Refusal.of(error))
        wanted = [one for one in repository.recognised if not root or one[1].root == root]
        if not wanted:
            there = ", ".join(sorted({project.root for _, project in repository.recognised}))
            words = Refusal("NO_TEST_COMMAND", f"no project is recognised in {root}; there are some in: {there}")
            return Inspection(place, repository.config, where, refusal=words)
        look = _run if run else _recognise
        looks = [await look(context, repository, one) for one in wanted]
        return Inspection(place, repository.config, where, tuple(looks))


def _config_from(base: BaseFiles, context: TaskContext, *, uncommitted: bool) -> str:
    """Say where the repository's configuration is."""
    if base.read(FILE_NAME) is not None:
        return f"{FILE_NAME} (not committed)" if uncommitted else FILE_NAME
    folder = context.settings.repository_config_dir
    operators = folder / f"{context.lease.inputs.repository}.yaml" if folder else None
    return str(operators) if operators is not None and operators.is_file() else ""


async def _recognise(context: TaskContext, repository: Repository, recognised: Recognised) -> Look:
    """Say how a project's environment would be built."""
    project = recognised[1]
    try:
        recipe = await _wanted(context, repository, recognised)
    except AgentError as error:
        return Look(project, refusal=Refusal.of(error))
    return Look(project, recipe, (*recipe.notes, *repository.notes))


async def _wanted(context: TaskContext, repository: Repository, recognised: Recognised) -> Recipe:
    """Return how a project's environment is built, before anything is repaired.

    Raises:
        ToolchainMissingError: a program is missing on this machine.
        EnvironmentBuildError: a requirement is refused.
    """
    toolchain, project = recognised
    machine = await context.environments.machine()
    return await asyncio.to_thread(toolchain.recipe, project, repository.laid, machine)


async def _run(context: TaskContext, repository: Repository, recognised: Recognised) -> Look:
    """Build a project's environment and run base's tests in it."""
    project, progress = recognised[1], context.progress
    assert isinstance(progress, Progress)
    async with AsyncExitStack() as held:
        try:
            footing, ran = await _stand(context, repository, recognised, held)
        except AgentError as error:
            seconds = Seconds(first=progress.seconds("environment."), tests=progress.seconds("tests."))
            return Look(project, seconds=seconds, refusal=Refusal.of(error))
        first, tests = progress.seconds("environment."), progress.seconds("tests.")
        recipe, environment = footing.environment.recipe, footing.environment
        wanted = recipe if footing.notes else await _wanted(context, repository, recognised)
        await build(context, wanted, repository.laid, project=project, held=held)
        seconds = Seconds(first, progress.seconds("environment."), tests)
    return Look(
        project=project,
        recipe=recipe,
        notes=tuple(dict.fromkeys((*environment.notes, *footing.notes))),
        report=ran.report,
        verdicts=ran.verdicts,
        built=environment.seconds > 0,
        seconds=seconds,
        refusal=_refusal(ran),
    )


async def _stand(
    context: TaskContext, repository: Repository, recognised: Recognised, held: AsyncExitStack
) -> tuple[Footing, Ran]:
    """Run base's whole suite, or all neighbourhoods that the configuration names, for as long as one run may take."""
    test = repository.config.test
    named = sorted({target for rule in test.targets for target in rule.tests})
    config = repository.config.model_copy(update={"test": test.model_copy(update={"whole_suite": test.timeout})})
    widened = replace(repository, config=config)
    footing = await prepare(context, widened, recognised, targets=named, held=held)
    if named or footing.whole:
        return footing, footing.base
    # A suite that came to no end leaves nothing to stand on; how it ended is what a person wants to see.
    wall = timedelta(seconds=test.timeout)
    return footing, await base_run(context, footing.part, footing.environment, None, wall=wall)


def _refusal(ran: Ran) -> Refusal | None:
    """Say why a run is nothing to stand on; None where it is something."""
    verdicts = ran.verdicts
    if not verdicts.complete:
        return Refusal("ENVIRONMENT", verdicts.problem or "the run of base's tests came to no end")
    if not verdicts.verdicts and not verdicts.unbuilt:
        return Refusal("ENVIRONMENT", "no test was found")
    if not verdicts.verdicts:
        return Refusal("ENVIRONMENT", "none of base's tests can be loaded")
    return None

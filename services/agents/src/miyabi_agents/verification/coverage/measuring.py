"""Runs the tests of a proven change once more, measured; whatever comes of that, the verdict stays as it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

from miyabi.coordinator.v1.result_pb2 import ChangeCoverage, ChangeSet, FileCoverage
from miyabi_agents.analysers.changed.lines import changed_lines
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.port import BaseFiles, Environment
from miyabi_agents.verification.changes import Sorted
from miyabi_agents.verification.coverage.measures import MEASURES, UNMEASURED
from miyabi_agents.verification.coverage.port import PREFIX, Lines, Measure, Wanted
from miyabi_agents.verification.execution import Execution, Part, Ran
from miyabi_agents.verification.judge import PASSED
from miyabi_core.proto_time import from_timestamp, now, to_duration
from miyabi_core.text import first, shortened

#: How many times as long as the run of the change measuring it may take.
TIMES = 2
#: Seconds that it may take at least: interpreters and compilers start up once more, however short the tests are.
LEAST_SECONDS = 30
#: Seconds of the step that are left for its end: what was found is sent, folders are removed.
RESERVED_SECONDS = 20
#: Seconds beyond the run's own for the checkout, and for other runs to end.
AROUND_SECONDS = 30
#: Files that are measured: their names go into one variable of at most 128 KiB (Linux, MAX_ARG_STRLEN).
MAX_FILES, MAX_NAMES = 1_000, 100_000
#: Files and lines that a result lists, and the longest reason (result.proto).
MAX_LISTED, MAX_MISSED, MAX_REASON = 300, 100, 500


@dataclass(frozen=True)
class Proven:
    """One project of a change whose tests have given their verdict."""

    part: Part
    environment: Environment
    base: BaseFiles
    change: ChangeSet  #: what was run
    sorted: Sorted
    paths: Sequence[str]  #: of the change, those of the project
    targets: Sequence[str] | None  #: what was run; None: the whole suite
    ran: Ran


@dataclass(frozen=True)
class _Seen:
    """What is known of one file."""

    wanted: Wanted
    lines: Lines


async def measure(context: TaskContext, projects: Sequence[Proven]) -> ChangeCoverage:
    """Return which changed lines the tests execute; files of a measure that fails say why they were not measured.

    Args:
        context: The task's.
        projects: One after the other, all of a change that is proven.
    """
    began = time.monotonic()
    seen: list[_Seen] = []
    names: list[str] = []
    for project in projects:
        wanted = await asyncio.to_thread(_wanted, project)
        tool = MEASURES.get(project.part.project.toolchain)
        found = await _measured(context, project, tool, wanted)
        seen += [_Seen(file, found[file.path]) for file in wanted]
        if tool is not None and any(not found[file.path].problem for file in wanted):
            names.append(tool.name(project.environment))
    result = _rendered(seen)
    result.measure = shortened("; ".join(dict.fromkeys(names)), MAX_REASON)
    result.duration.CopyFrom(to_duration(timedelta(seconds=time.monotonic() - began)))
    return result


def _wanted(project: Proven) -> list[Wanted]:
    """Return the files of code that a change leaves, without tests, what lies beside them, and manifests."""
    tool = MEASURES.get(project.part.project.toolchain)
    suffixes = set(UNMEASURED) | (tool.suffixes if tool else set())
    kinds = project.sorted
    out = {*kinds.tests, *kinds.support, *kinds.harness, *kinds.manifests}
    inside = set(project.paths) - out
    code = [
        file
        for file in project.change.files
        if file.path in inside and not file.deleted and PurePosixPath(file.path).suffix in suffixes
    ]
    lines = [changed_lines(project.base.read(file.path), file.content) for file in code]
    return [Wanted(file.path, file.content, rows) for file, rows in zip(code, lines, strict=True) if rows]


async def _measured(
    context: TaskContext, project: Proven, tool: Measure | None, wanted: Sequence[Wanted]
) -> Mapping[str, Lines]:
    """Return what was seen of each file."""
    unfit = {file.path: _unfit(project, tool, file) for file in wanted}
    fit = [file for file in wanted if not unfit[file.path]]
    found = {path: Lines(problem=why) for path, why in unfit.items() if why}
    if tool is None or not fit:
        return found
    try:
        return {**found, **await _run(context, project, tool, fit)}
    except TimeoutError:
        problem = "it took longer than there was time for"
    except Exception as error:  # noqa: BLE001 - whatever it is, the verdict that was given stays
        problem = shortened(str(error) or type(error).__name__, MAX_REASON)
    return {**found, **{file.path: Lines(problem=problem) for file in fit}}


def _unfit(project: Proven, tool: Measure | None, file: Wanted) -> str:
    """Return why a file is not measured; empty where it can be."""
    suffix = PurePosixPath(file.path).suffix
    if tool is None or suffix not in tool.suffixes:
        return UNMEASURED.get(suffix, "nothing measures it")
    if not file.path.isprintable():
        return "its name has a character that is not printable"
    return tool.unfit(project.part.project, file)


async def _run(context: TaskContext, project: Proven, tool: Measure, wanted: Sequence[Wanted]) -> Mapping[str, Lines]:
    """Run the tests measured.

    Raises:
        ValueError: they do not show what they showed before, or the measure cannot be read.
        TimeoutError: there was no time for it.
        AgentError: the sandbox or the checkout cannot be had.
    """
    if len(wanted) > MAX_FILES or sum(len(file.path.encode()) + 1 for file in wanted) > MAX_NAMES:
        raise ValueError(f"the change has more than {MAX_FILES:,} files, or their names are too long")
    part, inputs = project.part, context.lease.inputs
    wall = _wall(context, project.ran)
    run = part.toolchain.test_run(part.project, project.environment, project.targets)
    run = tool.prepared(part.project, run, wanted)
    await context.progress.step("measuring which changed lines the tests execute")
    label = f"coverage-{inputs.issue_number}"
    async with (
        asyncio.timeout(wall.total_seconds() + AROUND_SECONDS),
        context.workspaces.open(repository=inputs.repository, sha=inputs.base_sha, label=label) as tree,
    ):
        await tree.apply(project.change)
        execution = Execution(context, part, project.environment)
        ran, files = await execution.measured(tree, run, name="coverage", wall=wall, beside=PREFIX)
        _refuse_other(project.ran, ran)
        return await asyncio.to_thread(tool.read, part.project, files, wanted)


def _wall(context: TaskContext, ran: Ran) -> timedelta:
    """Return how long the run may take.

    Raises:
        TimeoutError: nothing is left of the step's time.
    """
    wall = timedelta(seconds=max(LEAST_SECONDS, TIMES * ran.report.duration.ToTimedelta().total_seconds()))
    if context.lease.HasField("deadline"):
        left = from_timestamp(context.lease.deadline) - now()
        wall = min(wall, left - timedelta(seconds=RESERVED_SECONDS + AROUND_SECONDS))
    if wall <= timedelta():
        raise TimeoutError
    return wall


def _refuse_other(before: Ran, measured: Ran) -> None:
    """Refuse a run that shows less than the one it repeats: what it did not reach would seem not to be covered.

    Raises:
        ValueError: it came to no end, or a test does not pass that passed.
    """
    if not measured.verdicts.complete:
        raise ValueError(f"the measured run came to no end: {measured.verdicts.problem or 'it does not say why'}")
    then, again = before.verdicts.verdicts, measured.verdicts.verdicts
    lost = sorted(test for test, verdict in then.items() if verdict == PASSED and again.get(test) != PASSED)
    if lost:
        raise ValueError(f"{len(lost):,} tests that pass do not under measurement, the first is {lost[0]}")


def _rendered(seen: Sequence[_Seen]) -> ChangeCoverage:
    """Return the numbers of all files."""
    result = ChangeCoverage()
    ordered = sorted(seen, key=lambda one: one.wanted.path)
    listed, result.files_left_out = first([_file(one) for one in ordered], MAX_LISTED)
    result.files.extend(listed)
    for one in ordered:
        result.executable += len(one.lines.executable & one.wanted.lines)
        result.covered += len(one.lines.covered & one.lines.executable & one.wanted.lines)
    return result


def _file(one: _Seen) -> FileCoverage:
    """Return the numbers of one file."""
    executable = one.lines.executable & one.wanted.lines
    missed, _ = first(sorted(executable - one.lines.covered), MAX_MISSED)
    return FileCoverage(
        path=one.wanted.path,
        executable=len(executable),
        covered=len(executable & one.lines.covered),
        missed=missed,
        not_measured=shortened(one.lines.problem, MAX_REASON),
    )

"""Runs every analyser at once, and says which changed files none of them has a verdict on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from miyabi.coordinator.v1.result_pb2 import AnalyserRun
from miyabi_agents.analysers.base import Analyser, AnalyserError, RawFinding, Subject, ToolRunner
from miyabi_agents.analysers.patterns import Patterns
from miyabi_agents.analysers.python_tools import Bandit, Mypy, Ruff
from miyabi_agents.analysers.secrets import DetectSecrets
from miyabi_agents.errors import SandboxError
from miyabi_core.proto_time import to_duration

if TYPE_CHECKING:
    from miyabi_agents.ports import ProgressSink

#: Every analyser, in the order in which they are listed.
ALL: tuple[Analyser, ...] = (Ruff(), Mypy(), Bandit(), Patterns(), DetectSecrets())
#: Endings of code that none of them reads; a change of such a file is not reviewed, and says so.
UNKNOWN_CODE = frozenset({
    ".java", ".kt", ".kts", ".scala", ".groovy", ".rb", ".php", ".c", ".h", ".cc", ".cpp", ".hpp", ".cxx", ".cs", ".fs",
    ".swift", ".m", ".mm", ".pl", ".pm", ".lua", ".r", ".jl", ".ex", ".exs", ".erl", ".hs", ".ml", ".clj", ".dart",
    ".zig", ".nim", ".sh", ".bash", ".ps1", ".bat", ".vue", ".svelte", ".pyx", ".pxd", ".sol", ".tf",
})  # fmt: skip
#: Name of the line that says what was not looked at.
COVERAGE = "coverage of the change"

Found = list[tuple[str, RawFinding]]


async def run_all(
    analysers: Sequence[Analyser], subject: Subject, progress: ProgressSink, runner: ToolRunner
) -> tuple[Found, list[AnalyserRun]]:
    """Return the findings of all analysers on changed lines, and how each ended."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_run(analyser, subject, progress, runner)) for analyser in analysers]
    findings = [(run.analyser, finding) for task in running for run, found in [task.result()] for finding in found]
    runs = [task.result()[0] for task in running]
    return on_changed_lines(findings, subject), [*runs, *_unseen(analysers, runs, subject)]


def on_changed_lines(findings: Found, subject: Subject) -> Found:
    """Keep findings on changed lines, and those on whole files; one on a file that is no changed one is kept too."""
    return [
        (name, entry)
        for name, entry in findings
        if entry.line == 0 or entry.path not in subject.lines or entry.line in subject.lines[entry.path]
    ]


async def _run(
    analyser: Analyser, subject: Subject, progress: ProgressSink, runner: ToolRunner
) -> tuple[AnalyserRun, list[RawFinding]]:
    """Run one; what keeps it from a verdict is said, not hidden."""
    report = AnalyserRun(analyser=analyser.name)
    files = [path for path in subject.files if analyser.applies(path)]
    if not files:
        report.not_applicable = True
        return report, []
    began = time.monotonic()
    found: list[RawFinding] = []
    async with progress.invocation(analyser.name, detail=f"{len(files)} files") as invocation:
        try:
            report.version = analyser.version()
            found = await analyser.analyse(subject, files, runner)
            report.completed = True
        except (AnalyserError, SandboxError) as error:
            report.error = str(error)[:500]
            invocation.failed(str(error))
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            report.error = f"its output could not be understood: {type(error).__name__}"
            invocation.failed(report.error)
    report.duration.CopyFrom(to_duration(timedelta(seconds=time.monotonic() - began)))
    return report, found


def _unseen(analysers: Sequence[Analyser], runs: Sequence[AnalyserRun], subject: Subject) -> list[AnalyserRun]:
    """Return a run without a verdict where code was changed that no analyser has looked at."""
    judging = [one for one, run in zip(analysers, runs, strict=True) if one.judges_code and run.completed]
    names = [path for path in subject.files if _is_code(path) and not any(one.applies(path) for one in judging)]
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    words = f"no analyser has a verdict on {', '.join(names[:3])}{more}"
    return [AnalyserRun(analyser=COVERAGE, error=words[:500])]


def _is_code(path: str) -> bool:
    """Tell whether a file is code that should be looked at, beyond its text."""
    return PurePosixPath(path).suffix in UNKNOWN_CODE or any(one.judges_code and one.applies(path) for one in ALL)

"""Runs every analyser at once, and says which changed files none of them has a verdict on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from miyabi.coordinator.v1.result_pb2 import AnalyserRun
from miyabi_agents.analysers.base import Analyser, AnalyserError, RawFinding, Report, Subject, ToolRunner
from miyabi_agents.analysers.languages import is_code
from miyabi_agents.analysers.parts import in_parts
from miyabi_agents.analysers.patterns import Patterns
from miyabi_agents.analysers.python.bandit import Bandit
from miyabi_agents.analysers.python.mypy import SYNTAX as MYPY_SYNTAX
from miyabi_agents.analysers.python.mypy import Mypy
from miyabi_agents.analysers.python.ruff import SYNTAX as RUFF_SYNTAX
from miyabi_agents.analysers.python.ruff import Ruff
from miyabi_agents.analysers.secrets import DetectSecrets
from miyabi_agents.errors import SandboxError
from miyabi_core.proto_time import to_duration
from miyabi_core.text import enumerated, listed, shortened

if TYPE_CHECKING:
    from miyabi_agents.ports import ProgressSink

#: Every analyser, in the order in which they are listed.
ALL: tuple[Analyser, ...] = (Ruff(), Mypy(), Bandit(), Patterns(), DetectSecrets())
#: Name of the line that says what was not looked at.
COVERAGE = "coverage of the change"
#: What helps where no analyser reads a language.
BY_HAND = "Have a person review these files."
#: What helps where an analyser failed and does not say what would.
AGAIN = "Submit it again; where that ends the same way, have a person review these files."
#: What analysers call code that cannot be parsed: a finding, by which whoever cannot read the file has a verdict.
SYNTAX = RUFF_SYNTAX | {MYPY_SYNTAX}
#: Files that a sentence names; notes that a run lists.
NAMED, NOTES = 3, 20
#: Longest error and note.
MAX_SENTENCE = 500

Found = list[tuple[str, RawFinding]]


@dataclass
class Looked:
    """What all analysers said."""

    findings: Found = field(default_factory=list)
    runs: list[AnalyserRun] = field(default_factory=list)
    remedy: str = ""  #: where there is no verdict


@dataclass
class _One:
    """How one analyser ended."""

    run: AnalyserRun
    report: Report = field(default_factory=Report)
    failed: bool = False  #: as a whole


async def run_all(
    analysers: Sequence[Analyser],
    subject: Subject,
    progress: ProgressSink,
    runner: ToolRunner,
    *,
    left_out: Mapping[str, Sequence[str]] | None = None,
) -> Looked:
    """Return the findings of all analysers on changed lines, and how each ended.

    Args:
        analysers: Who looks.
        subject: What is looked at.
        progress: Hears of each.
        runner: Runs them.
        left_out: Code that nobody looks at, by the reason.
    """
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(_run(analyser, subject, progress, runner)) for analyser in analysers]
    ended = [task.result() for task in running]
    broken = {entry.path for one in ended for entry in one.report.findings if entry.rule in SYNTAX}
    for one in ended:
        _conclude(one, subject, broken)
    findings = [(one.run.analyser, finding) for one in ended for finding in one.report.findings]
    unseen, remedy = _unseen(analysers, ended, subject, left_out or {})
    remedies = [one.report.remedy or AGAIN for one in ended if one.run.error]
    return Looked(
        [(name, _shown(entry, subject)) for name, entry in on_changed_lines(findings, subject)],
        [*(one.run for one in ended), *unseen],
        next(iter([*remedies, remedy]), ""),
    )


def on_changed_lines(findings: Found, subject: Subject) -> Found:
    """Keep findings on changed lines, and those on whole files; one on a file that is no changed one is kept too."""
    return [
        (name, entry)
        for name, entry in findings
        if entry.line == 0 or entry.path not in subject.lines or entry.line in subject.lines[entry.path]
    ]


def _shown(entry: RawFinding, subject: Subject) -> RawFinding:
    """Return a finding with the name that a reader is shown."""
    return replace(entry, path=subject.shown.get(entry.path, entry.path))


async def _run(analyser: Analyser, subject: Subject, progress: ProgressSink, runner: ToolRunner) -> _One:
    """Run one; what keeps it from a verdict is said, not hidden."""
    one = _One(AnalyserRun(analyser=analyser.name))
    files = [path for path in subject.files if analyser.applies(path)]
    if not files:
        one.run.not_applicable = True
        return one
    began = time.monotonic()
    async with progress.invocation(analyser.name, detail=f"{len(files)} files") as invocation:
        try:
            one.run.version = analyser.version()
            one.report = await in_parts(analyser, subject, files, runner)
        except (AnalyserError, SandboxError) as error:
            one.report, one.failed = Report(remedy=getattr(error, "remedy", "")), True
            one.run.error = shortened(str(error), MAX_SENTENCE)
        if one.run.error or one.report.unread:
            invocation.failed(one.run.error or next(iter(one.report.unread.values())))
    one.run.duration.CopyFrom(to_duration(timedelta(seconds=time.monotonic() - began)))
    return one


def _conclude(one: _One, subject: Subject, broken: set[str]) -> None:
    """Say how one ended; a file that it cannot read since the change broke it has its verdict in that."""
    notes = list(one.report.notes)
    silent = {path: why for path, why in one.report.unread.items() if path not in broken}
    if broken & one.report.unread.keys():
        names = _names(broken & one.report.unread.keys(), subject)
        notes.append(f"{names}: not looked at, since it cannot be parsed, which is a finding")
    one.run.notes.extend(listed(notes, NOTES, longest=MAX_SENTENCE))
    if silent:
        why = next(iter(silent.values()))
        one.run.error = shortened(f"no verdict on {_names(silent, subject)}: {why}", MAX_SENTENCE)
    one.run.completed = not one.run.error and not one.run.not_applicable


def _unseen(
    analysers: Sequence[Analyser], ended: Sequence[_One], subject: Subject, left_out: Mapping[str, Sequence[str]]
) -> tuple[list[AnalyserRun], str]:
    """Return a run without a verdict where code was changed that no analyser has looked at, and what helps."""
    judging = [one for one, end in zip(analysers, ended, strict=True) if one.judges_code and not end.failed]
    names = [path for path in subject.files if _should_be_read(path, analysers) and not _read(path, judging)]
    words = [f"no analyser has a verdict on {_names(names, subject)}"] if names else []
    words += [f"{enumerated(sorted(paths), NAMED)}: {reason}" for reason, paths in sorted(left_out.items())]
    if not words:
        return [], ""
    return [AnalyserRun(analyser=COVERAGE, error=shortened("; ".join(words), MAX_SENTENCE))], BY_HAND


def _should_be_read(path: str, analysers: Sequence[Analyser]) -> bool:
    """Tell whether a file is code, of a language that is known to us or to one of the analysers."""
    return is_code(path) or any(one.judges_code and one.applies(path) for one in analysers)


def _read(path: str, judging: Iterable[Analyser]) -> bool:
    """Tell whether some analyser that judges code had a look at a file."""
    return any(one.applies(path) for one in judging)


def _names(paths: Iterable[str], subject: Subject) -> str:
    """Name some files as a reader is shown them."""
    return enumerated(sorted(subject.shown.get(path, path) for path in paths), NAMED)

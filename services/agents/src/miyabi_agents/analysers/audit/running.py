"""Audits the dependencies that a change adds or raises; what cannot be asked is said, never passed over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from miyabi.coordinator.v1.result_pb2 import AnalyserRun
from miyabi_agents.analysers.audit import indexes, osv
from miyabi_agents.analysers.audit.advisories import UNKNOWN, WEIGHTS, Known, merged
from miyabi_agents.analysers.audit.manifests import Dependency, dependencies, reads
from miyabi_agents.analysers.base import RawFinding, Subject
from miyabi_agents.analysers.suite import Found
from miyabi_agents.errors import EnvironmentBuildError, SandboxError
from miyabi_agents.ports import TaskContext
from miyabi_core.proto_time import to_duration
from miyabi_core.text import enumerated, listed, shortened, split_lines

#: Its name among the analysers.
NAME = "dependency audit"
#: Longest sentence, and sentences (result.proto); names in one.
MAX_SENTENCE, MAX_NOTES, NAMED = 500, 20, 5


@dataclass
class Audited:
    """What it found, and how it ended."""

    findings: Found = field(default_factory=list)
    runs: list[AnalyserRun] = field(default_factory=list)


@dataclass
class _Fresh:
    """What a change adds or raises."""

    by_file: dict[str, set[Dependency]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[Dependency]:
        """Every version once."""
        return sorted(set().union(*self.by_file.values()))


async def audit(context: TaskContext, subject: Subject) -> Audited:
    """Look up what a change adds or raises: in the operator's database where there is one, else at package indexes.

    A machine that reaches none of them is no reason for an incomplete review: the audit says `not run`, and why.

    Args:
        context: The task's.
        subject: The changed files.
    """
    files = [path for path in subject.files if reads(path)]
    if not files:
        return Audited()
    began = time.monotonic()
    fresh = await asyncio.to_thread(_fresh, subject, files)
    run = AnalyserRun(analyser=NAME)
    audited = Audited(runs=[run])
    async with context.progress.invocation(NAME, detail=f"{len(fresh.all)} versions") as invocation:
        every, notes = await _known(context, fresh.all)
        audited.findings = [(NAME, found) for found in _findings(fresh, every, subject)]
        notes = [*fresh.unread, *notes]
        if not every and (fresh.all or fresh.unread):
            run.not_applicable = True
            invocation.failed(notes[-1])
        else:
            run.completed = True
            run.version = "; ".join(known.source for known in every)
    run.notes.extend(listed(notes or ["no exact version is new"] * (not fresh.all), MAX_NOTES, longest=MAX_SENTENCE))
    run.duration.CopyFrom(to_duration(timedelta(seconds=time.monotonic() - began)))
    return audited


def _fresh(subject: Subject, files: Sequence[str]) -> _Fresh:
    """Return the versions that the change names and base does not."""
    fresh = _Fresh()
    for path in files:
        before = subject.base_root / path
        try:
            now = dependencies(path, (subject.root / path).read_bytes())
            fresh.by_file[path] = now - (dependencies(path, before.read_bytes()) if before.is_file() else set())
        except ValueError as error:
            fresh.unread.append(f"{subject.shown.get(path, path)} was not read: {shortened(str(error), 200)}")
    return fresh


async def _known(context: TaskContext, wanted: Sequence[Dependency]) -> tuple[list[Known], list[str]]:
    """Ask every source that there is; returns what they say, and what could not be asked."""
    every: list[Known] = []
    notes: list[str] = []
    database = context.settings.osv_database
    if not wanted:
        return every, notes
    if database is not None:
        try:
            every.append(await asyncio.to_thread(osv.look_up, database, wanted))
        except ValueError as error:
            notes.append(f"not run: {error}")
    asked = frozenset[str]().union(*(known.asked for known in every))
    for ecosystem in sorted(indexes.ECOSYSTEMS - asked):
        rest = [one for one in wanted if one.ecosystem == ecosystem]
        try:
            every += [await indexes.look_up(context, ecosystem, rest)] if rest else []
        except (EnvironmentBuildError, SandboxError) as error:
            notes.append(f"not run for {_named(rest)}: {shortened(str(error), 300)}")
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            notes.append(f"not run for {_named(rest)}: what was answered cannot be read ({type(error).__name__})")
    lost = [one for one in wanted if one.ecosystem not in asked | indexes.ECOSYSTEMS]
    if lost:
        without = "no OSV database is set" if database is None else "the OSV database has none about it"
        notes.append(f"not run for {_named(lost)}: no index of theirs gives advisories, and {without}")
    return every, [*(note for known in every for note in known.notes), *notes]


def _named(wanted: Iterable[Dependency]) -> str:
    """Name some versions."""
    return enumerated([f"{one.name} {one.version}" for one in wanted], NAMED)


def _findings(fresh: _Fresh, every: Sequence[Known], subject: Subject) -> list[RawFinding]:
    """Return a finding for each advisory of each new version, in every file that names it."""
    found = merged(every)
    made = []
    for path, versions in sorted(fresh.by_file.items()):
        for dependency in sorted(versions & found.keys()):
            line = _line(subject, path, dependency)
            for advisory in found[dependency]:
                severity, points = WEIGHTS.get(advisory.severity, UNKNOWN)
                words = f"{dependency.name} {dependency.version}: {shortened(advisory.summary, 300) or 'an advisory'}"
                shown = subject.shown.get(path, path)
                made.append(RawFinding(advisory.id, shown, line, severity, points, words, security=True))
    return made


def _line(subject: Subject, path: str, dependency: Dependency) -> int:
    """Return the first changed line that names a version, else the first that names the package; 0: none does."""
    rows = split_lines((subject.root / path).read_bytes())
    changed = [(number, row) for number, row in enumerate(rows, 1) if number in subject.lines[path]]
    name, version = dependency.name.encode(), dependency.version.encode()
    both = [number for number, row in changed if name in row.lower() and version in row]
    named = [number for number, row in changed if name in row.lower()]
    return next(iter([*both, *named]), 0)

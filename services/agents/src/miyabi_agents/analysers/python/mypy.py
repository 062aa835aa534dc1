"""Checks the types of Python code with mypy; only errors count that base does not have."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from miyabi_agents.analysers.base import HIGH, AnalyserError, RawFinding, Report, Subject, Tool, ToolRunner, relative
from miyabi_agents.analysers.known import installed, without_known
from miyabi_agents.analysers.languages import PYTHON, suffix_of
from miyabi_agents.analysers.reports import json_lines_of
from miyabi_core.text import ending, shortened

#: What mypy says of a type that it could not find out, since what is imported is not there: no error of the change's.
_UNKNOWN = re.compile(r"\bAny\b")
#: What is no error of types: `try: import x`, `except ImportError: x = None`, of which ruff finds names that are lost
#: (F811); and an annotation that is asked for where nothing is wrong.
_NO_TYPES = frozenset({"no-redef", "var-annotated"})
#: How mypy says that it ran and found something.
_FOUND = 1
#: Points of a finding (docs/review-score.md).
POINTS = 30
#: Files that cannot be parsed which are set aside one after the other; with more, fewer files are looked at together.
MAX_ROUNDS = 4
#: What mypy calls code that it cannot parse.
SYNTAX = "syntax"
#: Options by which it looks at a repository whose dependencies are not there, and whose plugins are not loaded.
_OPTIONS = (
    "--config-file=", "--no-incremental", "--cache-dir=/dev/null", "--no-error-summary", "--ignore-missing-imports",
    "--no-site-packages", "--show-error-codes", "--explicit-package-bases", "--namespace-packages",
    "--allow-untyped-globals", "--no-strict-optional", "--output=json",
)  # fmt: skip
#: What mypy says where it takes two files for one module, or a folder's name for none of a package.
_CLASHES = ("Duplicate module named", "found twice under different", "not a valid Python package name")
#: Files that may configure mypy, with what begins such a part.
_CONFIGURATIONS = {"mypy.ini": "[mypy", ".mypy.ini": "[mypy", "pyproject.toml": "[tool.mypy", "setup.cfg": "[mypy"}


class Mypy:
    """Types, by options of ours: a repository's own need its plugins and packages, which are code of strangers."""

    name = "mypy"
    judges_code = True

    def applies(self, path: str) -> bool:
        """Look at Python files only."""
        return suffix_of(path) in PYTHON

    def version(self) -> str:
        """Return the installed version."""
        return installed(self.name)

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> Report:
        """Compare the errors of the change with those of base."""
        after = await _Run(subject.root, runner, follow=subject.whole).look(files)
        there = subject.on_base(files)
        before = await _Run(subject.base_root, runner, follow=subject.whole).look(there) if there else []
        return Report(without_known(after, before), notes=_configured(subject.root))


@dataclass(frozen=True)
class _Run:
    """Runs of mypy in one tree."""

    root: Path
    runner: ToolRunner
    follow: bool  #: imports of the repository's own are there to be followed

    async def look(self, files: Sequence[str]) -> list[RawFinding]:
        """Return the errors; where mypy takes files for one module, those of each base directory are looked at alone.

        Raises:
            AnalyserError: there is no verdict.
        """
        try:
            return await self._whole(files)
        except _ClashError as clash:
            groups = _by_base(files)
            if len(groups) == 1 and not next(iter(groups)):
                raise AnalyserError(str(clash)) from clash
        found = []
        for base, names in groups.items():
            try:
                found += await self._whole(names, base=base)
            except _ClashError as clash:
                raise AnalyserError(str(clash)) from clash
        return found

    async def _whole(self, files: Sequence[str], *, base: str = "", rounds: int = MAX_ROUNDS) -> list[RawFinding]:
        """Look at files of one base directory; those that cannot be parsed are looked at no further than that.

        Raises:
            AnalyserError: there is no verdict.
            _ClashError: mypy does not take them together.
        """
        found = await self._errors(files, base=base, follow="silent" if self.follow else "skip")
        broken = {entry.path for entry in found if entry.rule == SYNTAX}
        if broken - set(files):
            # A file that the change does not touch cannot be parsed: nothing is followed into it.
            found = await self._errors(files, base=base, follow="skip")
            broken = {entry.path for entry in found if entry.rule == SYNTAX}
        if not broken:
            return found
        # mypy ends at the first that it cannot parse; the others have not been looked at yet.
        rest = [file for file in files if file not in broken]
        if not rounds or not broken & set(files):
            raise AnalyserError(f"mypy cannot parse {min(broken)}")
        return found + (await self._whole(rest, base=base, rounds=rounds - 1) if rest else [])

    async def _errors(self, files: Sequence[str], *, base: str, follow: str) -> list[RawFinding]:
        """Run mypy and read its report."""
        place = self.root / base
        inside = [PurePosixPath(file).relative_to(base).as_posix() if base else file for file in files]
        said = await self.runner.module("mypy", *_OPTIONS, f"--follow-imports={follow}", files=inside, cwd=place)
        entries = _entries(said)
        if said.exit_code not in {0, _FOUND} and not any(entry["code"] == SYNTAX for entry in entries):
            raise _ended(said)
        return [_finding(entry, place, self.root) for entry in entries if _counts(entry)]


class _ClashError(Exception):
    """Mypy takes two files for one module, or a folder's name for none of a package."""


def _ended(said: Tool) -> Exception:
    """Return what an end without a verdict means."""
    words = said.output.strip()
    if any(clash in words for clash in _CLASHES):
        return _ClashError(shortened(words, 300))
    return AnalyserError(f"mypy ended with {said.exit_code}: {ending(words, 300)}")


def _entries(said: Tool) -> list[dict[str, Any]]:
    """Return the objects of a report, one a line; mypy says some errors as plain text."""
    lines = [line for line in said.output.split("\n") if line.startswith("{")]
    return json_lines_of("\n".join(lines), "mypy")


def _counts(entry: dict[str, Any]) -> bool:
    """Tell whether an entry is an error that can be known."""
    is_known = entry["code"] not in _NO_TYPES and not _UNKNOWN.search(entry["message"])
    return entry["severity"] == "error" and is_known


def _finding(entry: dict[str, Any], place: Path, root: Path) -> RawFinding:
    """Read one entry."""
    path = relative(str(place / entry["file"]), root)
    return RawFinding(entry["code"] or "misc", path, entry["line"], HIGH, POINTS, entry["message"])


def _by_base(files: Sequence[str]) -> dict[str, list[str]]:
    """Group files by base directory: the nearest folder above them whose name is none of a package."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        parents = PurePosixPath(file).parents
        base = next((parent for parent in parents if not parent.name.isidentifier()), PurePosixPath())
        groups["" if base == PurePosixPath() else base.as_posix()].append(file)
    return dict(sorted(groups.items()))


def _configured(root: Path) -> list[str]:
    """Say that base's own configuration was not used, where it has one."""
    for name, begin in _CONFIGURATIONS.items():
        place = root / name
        if place.is_file() and not place.is_symlink() and begin in place.read_text(encoding="utf-8", errors="replace"):
            return [f"mypy's options in {name} were not used: they may load plugins, which are code of the repository"]
    return []

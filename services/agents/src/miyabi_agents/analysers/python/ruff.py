"""Lints Python code with ruff, by base's own rules where this version of ruff can use them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from miyabi_agents.analysers.base import HIGH, MEDIUM, AnalyserError, RawFinding, Report, Subject, ToolRunner, relative
from miyabi_agents.analysers.known import installed, without_known
from miyabi_agents.analysers.languages import PYTHON, suffix_of
from miyabi_agents.analysers.reports import json_lines_of
from miyabi_core.text import ending, shortened

#: Rules that count where a repository chooses none: errors, undefined names, likely bugs.
RULES = "E4,E7,E9,F,W6,B"
#: Rules whose findings are errors of the program, not of style.
ERRORS = ("E9", "F")
#: What ruff calls code that it cannot parse.
SYNTAX = frozenset({"syntax", "invalid-syntax"})
#: Files that configure ruff alone, in its own order.
_OWN_FILES = (".ruff.toml", "ruff.toml")
#: How ruff ends where it cannot use a configuration (its documentation, "Exit codes").
_ABNORMAL = 2
#: What ruff says of a file that it leaves out, and still ends well.
_SKIPPED = re.compile(r"^warning: Failed to lint (?P<path>.+?): (?P<why>.+)$", re.MULTILINE)
#: Where ruff says why it stopped, the first reason being the last.
_CAUSE = "Cause: "
#: Longest such cause that is shown.
MAX_CAUSE = 200


class Ruff:
    """Lint; base's own configuration decides where it has one that this version understands."""

    name = "ruff"
    judges_code = True

    def applies(self, path: str) -> bool:
        """Look at Python files only."""
        return suffix_of(path) in PYTHON

    def version(self) -> str:
        """Return the installed version."""
        return installed(self.name)

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> Report:
        """Lint the changed files; what base has too is not the change's."""
        findings: list[RawFinding] = []
        unread: dict[str, str] = {}
        notes: list[str] = []
        for place, group in _by_configuration(subject.root, files).items():
            after, note = await self._findings(subject.root, group, runner, place)
            there = subject.on_base(group)
            before = (await self._findings(subject.base_root, there, runner, place))[0] if there else Report()
            findings += without_known(after.findings, before.findings)
            unread |= after.unread
            notes += [note] if note else []
        return Report(findings, unread, notes)

    async def _findings(self, root: Path, files: Sequence[str], runner: ToolRunner, place: str) -> tuple[Report, str]:
        """Lint by the configuration at *place*; by a safe default where ruff cannot use it, which is said."""
        if not place:
            return await self._run(root, files, runner, "--isolated", "--select", RULES), ""
        try:
            return await self._run(root, files, runner), ""
        except _BadConfigurationError as error:
            note = (
                f"ruff {self.version()} cannot use the rules in {place}, so that safe default ones were used: {error}"
            )
        return await self._run(root, files, runner, "--isolated", "--select", RULES), note

    async def _run(self, root: Path, files: Sequence[str], runner: ToolRunner, *choice: str) -> Report:
        """Run ruff and read its report."""
        arguments = ("check", "--output-format=json-lines", "--no-cache", "--no-fix", "--exit-zero", "--ignore-noqa")
        said = await runner.module("ruff", *arguments, *choice, files=files, cwd=root)
        if said.exit_code == _ABNORMAL and not choice:
            cause = " ".join(said.output.rpartition(_CAUSE)[2].split())
            raise _BadConfigurationError(shortened(cause, MAX_CAUSE))
        if said.exit_code:
            raise AnalyserError(f"ruff ended with {said.exit_code}: {ending(said.output.strip(), 300)}")
        # Warnings stand among the findings: of rules that are deprecated, of files that cannot be read.
        lines = [line for line in said.output.split("\n") if line.startswith("{")]
        found = []
        for entry in json_lines_of("\n".join(lines), "ruff"):
            rule = entry["code"] or "syntax"
            error = rule in SYNTAX or rule.startswith(ERRORS)
            path, line = relative(entry["filename"], root), entry["location"]["row"]
            found.append(RawFinding(rule, path, line, HIGH if error else MEDIUM, 20 if error else 10, entry["message"]))
        skipped = {relative(match["path"], root): match["why"] for match in _SKIPPED.finditer(said.output)}
        return Report(found, {path: why for path, why in skipped.items() if path in set(files)})


class _BadConfigurationError(Exception):
    """Ruff cannot use a configuration; the message is its own."""


def _by_configuration(root: Path, files: Sequence[str]) -> Mapping[str, list[str]]:
    """Group files by the configuration that ruff finds for them, in the nearest folder; empty: there is none."""
    known: dict[PurePosixPath, str] = {}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        groups[_nearest(root, PurePosixPath(file).parent, known)].append(file)
    return groups


def _nearest(root: Path, folder: PurePosixPath, known: dict[PurePosixPath, str]) -> str:
    """Return the configuration that counts in a folder."""
    if folder not in known:
        own = next((name for name in _OWN_FILES if (root / folder / name).is_file()), "")
        if not own and _has_section(root / folder / "pyproject.toml"):
            own = "pyproject.toml"
        if own:
            known[folder] = (folder / own).as_posix()
        else:
            known[folder] = "" if folder == PurePosixPath() else _nearest(root, folder.parent, known)
    return known[folder]


def _has_section(project: Path) -> bool:
    """Tell whether a manifest configures ruff."""
    if not project.is_file() or project.is_symlink():
        return False
    return "[tool.ruff" in project.read_text(encoding="utf-8", errors="replace")

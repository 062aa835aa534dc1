"""The analysers of Python code: ruff, mypy, bandit."""

from __future__ import annotations

import importlib.metadata
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from miyabi_agents.analysers.base import (
    CRITICAL,
    HIGH,
    LOW,
    MEDIUM,
    AnalyserError,
    RawFinding,
    Subject,
    ToolRunner,
    relative,
)
from miyabi_agents.analysers.reports import json_lines_of, json_of
from miyabi_agents.verification.targets import is_test

#: Endings of Python code.
PYTHON = frozenset({".py", ".pyi"})
#: Rules that count where a repository chooses none: errors, undefined names, likely bugs.
RUFF_RULES = "E4,E7,E9,F,W6,B"
#: Ruff's rules whose findings are errors of the program, not of style.
RUFF_ERRORS = ("E9", "F")
#: Findings of bandit that let input run as code.
BANDIT_CRITICAL = frozenset({"B102", "B307", "B602", "B604", "B605"})
#: What mypy says of a type that it could not find out, since what is imported is not there: no error of the change's.
_UNKNOWN = re.compile(r"\bAny\b")
#: How ruff and mypy say that they ran and found something.
_FOUND = 1


def installed(package: str) -> str:
    """Return the version of a package of ours.

    Raises:
        AnalyserError: it is not installed.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise AnalyserError(f"{package} is not installed") from error


class _PythonTool:
    """What they have in common."""

    name = ""
    judges_code = True

    def applies(self, path: str) -> bool:
        """Look at Python files only."""
        return Path(path).suffix in PYTHON

    def version(self) -> str:
        """Return the installed version."""
        return installed(self.name)


class Ruff(_PythonTool):
    """Lint; base's own configuration decides where it has one that this version understands."""

    name = "ruff"

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> list[RawFinding]:
        """Lint the changed files; what base has too is not the change's."""
        after = await self._findings(subject.root, files, runner)
        there = subject.on_base(files)
        before = await self._findings(subject.base_root, there, runner) if there else []
        return without_known(after, before)

    async def _findings(self, root: Path, files: Sequence[str], runner: ToolRunner) -> list[RawFinding]:
        """Lint, by the configuration that lies beside the files; by a safe default where ruff cannot use that."""
        try:
            return await self._run(root, files, runner)
        except AnalyserError:
            return await self._run(root, files, runner, "--isolated", "--select", RUFF_RULES)

    async def _run(self, root: Path, files: Sequence[str], runner: ToolRunner, *choice: str) -> list[RawFinding]:
        """Run ruff and read its report."""
        if not choice and not _configured(root):
            choice = ("--isolated", "--select", RUFF_RULES)
        arguments = ("check", "--output-format=json", "--no-cache", "--no-fix", "--exit-zero", "--ignore-noqa", *choice)
        said = await runner.module("ruff", *arguments, files=files, cwd=root)
        if said.exit_code:
            raise AnalyserError(f"ruff ended with {said.exit_code}: {said.output.strip()[-300:]}")
        found = []
        for entry in json_of(said.output, "ruff"):
            rule = entry["code"] or "syntax"
            error = rule in {"syntax", "invalid-syntax"} or rule.startswith(RUFF_ERRORS)
            path, line = relative(entry["filename"], root), entry["location"]["row"]
            found.append(RawFinding(rule, path, line, HIGH if error else MEDIUM, 20 if error else 10, entry["message"]))
        return found


def _configured(root: Path) -> bool:
    """Tell whether base configures ruff."""
    if any((root / name).is_file() for name in ("ruff.toml", ".ruff.toml")):
        return True
    project = root / "pyproject.toml"
    return project.is_file() and not project.is_symlink() and "[tool.ruff" in project.read_text(errors="replace")


def without_known(after: Sequence[RawFinding], before: Sequence[RawFinding]) -> list[RawFinding]:
    """Return the findings that base does not have as often: same file, rule and words."""
    known = Counter((entry.path, entry.rule, entry.message) for entry in before)
    fresh = []
    for entry in after:
        key = (entry.path, entry.rule, entry.message)
        if known[key] > 0:
            known[key] -= 1
        else:
            fresh.append(entry)
    return fresh


class Mypy(_PythonTool):
    """Types; only errors count that base does not have, since a checkout rarely has its dependencies at hand."""

    name = "mypy"

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> list[RawFinding]:
        """Compare the errors of the change with those of base; plugins of the repository are never loaded."""
        follow = "silent" if subject.whole else "skip"
        after = await self._errors(subject.root, files, runner, follow)
        there = subject.on_base(files)
        before = await self._errors(subject.base_root, there, runner, follow) if there else []
        return without_known(after, before)

    async def _errors(self, root: Path, files: Sequence[str], runner: ToolRunner, follow: str) -> list[RawFinding]:
        """Return the errors; files that mypy takes for one module are looked at one by one."""
        try:
            return await self._run(root, files, runner, follow)
        except AnalyserError:
            if len(files) == 1:
                raise
            return [entry for file in files for entry in await self._run(root, [file], runner, follow)]

    async def _run(self, root: Path, files: Sequence[str], runner: ToolRunner, follow: str) -> list[RawFinding]:
        """Run mypy and read its report."""
        arguments = (
            "--config-file=", "--no-incremental", "--cache-dir=/dev/null", f"--follow-imports={follow}",
            "--no-error-summary", "--ignore-missing-imports", "--no-site-packages", "--show-error-codes",
            "--explicit-package-bases", "--namespace-packages", "--allow-untyped-globals", "--no-strict-optional",
            "--output=json",
        )  # fmt: skip
        said = await runner.module("mypy", *arguments, files=files, cwd=root)
        if said.exit_code not in {0, _FOUND}:
            raise AnalyserError(f"mypy ended with {said.exit_code}: {said.output.strip()[-300:]}")
        return [
            RawFinding(
                entry["code"] or "misc", relative(entry["file"], root), entry["line"], HIGH, 30, entry["message"]
            )
            for entry in json_lines_of(said.output, "mypy")
            if entry["severity"] == "error" and not _UNKNOWN.search(entry["message"])
        ]


class Bandit(_PythonTool):
    """Security of the code; tests may assert."""

    name = "bandit"

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> list[RawFinding]:
        """Look for insecure code."""
        arguments = ("--format=json", "--quiet", "--exit-zero", "--ignore-nosec")
        said = await runner.module("bandit", *arguments, files=files, cwd=subject.root)
        report = json_of(said.output, "bandit")
        if report["errors"]:
            error = report["errors"][0]
            raise AnalyserError(f"bandit could not read {error.get('filename')!a}: {str(error.get('reason'))[:100]}")
        return [found for entry in report["results"] if (found := _of_bandit(entry, subject.root)) is not None]


def _of_bandit(entry: dict[str, Any], root: Path) -> RawFinding | None:
    """Return a finding; an assertion in a test is what a test is made of."""
    path = relative(entry["filename"], root)
    if entry["test_id"] == "B101" and is_test(path):
        return None
    severity, points = CRITICAL, 40
    if entry["test_id"] not in BANDIT_CRITICAL:
        severity, points = {"HIGH": (HIGH, 20), "MEDIUM": (MEDIUM, 10)}.get(entry["issue_severity"], (LOW, 2))
    return RawFinding(
        entry["test_id"], path, entry["line_number"], severity, points, entry["issue_text"], security=True
    )

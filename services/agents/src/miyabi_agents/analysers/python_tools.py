"""The analysers of Python code: ruff, mypy, bandit, detect-secrets."""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections import Counter
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
    relative,
    run_module,
)
from miyabi_agents.verification.targets import is_test

#: Rules that count where a repository chooses none: errors, undefined names, likely bugs.
RUFF_RULES = "E4,E7,E9,F,W6,B"
#: Ruff's rules whose findings are errors of the program, not of style.
RUFF_ERRORS = ("E9", "F")
_MYPY = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+)(?::\d+)?: error: (?P<message>.*?)(?:  \[(?P<rule>[\w-]+)\])?$")
#: Findings of bandit that let input run as code.
BANDIT_CRITICAL = frozenset({"B102", "B307", "B602", "B604", "B605"})


def _json(text: str, tool: str) -> Any:
    """Read a tool's JSON.

    Raises:
        AnalyserError: it is none.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise AnalyserError(f"{tool} printed no JSON") from error


class _PythonTool:
    """What the four have in common."""

    name = ""

    def applies(self, subject: Subject) -> bool:
        """Look at Python files only."""
        return bool(subject.python_files())

    async def version(self) -> str:
        """Return the installed version.

        Raises:
            AnalyserError: the tool is missing.
        """
        try:
            return importlib.metadata.version(self.name)
        except importlib.metadata.PackageNotFoundError as error:
            raise AnalyserError(f"{self.name} is not installed") from error


class Ruff(_PythonTool):
    """Lint; the repository's own configuration decides where it has one."""

    name = "ruff"

    async def analyse(self, subject: Subject) -> list[RawFinding]:
        """Lint the changed files."""
        own = any((subject.root / name).is_file() for name in ("ruff.toml", ".ruff.toml")) or _has_ruff_table(
            subject.root
        )
        choice = [] if own else ["--isolated", "--select", RUFF_RULES]
        arguments = ["check", "--output-format=json", "--no-cache", "--no-fix", "--exit-zero", *choice]
        output = await run_module("ruff", *arguments, "--", *subject.python_files(), cwd=subject.root, accepted=(0,))
        findings = []
        for entry in _json(output, self.name):
            rule = entry["code"] or "syntax"
            error = rule == "syntax" or rule.startswith(RUFF_ERRORS)
            path = relative(entry["filename"], subject.root.resolve())
            line = entry["location"]["row"]
            findings.append(
                RawFinding(rule, path, line, HIGH if error else MEDIUM, 20 if error else 10, entry["message"])
            )
        return findings


def _has_ruff_table(root: Path) -> bool:
    """Tell whether pyproject.toml configures ruff."""
    project = root / "pyproject.toml"
    return project.is_file() and not project.is_symlink() and "[tool.ruff" in project.read_text(errors="replace")


class Mypy(_PythonTool):
    """Types; only errors count that base does not have, since a checkout rarely has its dependencies at hand."""

    name = "mypy"

    async def analyse(self, subject: Subject) -> list[RawFinding]:
        """Compare the errors of the change with those of base; plugins of the repository are never loaded."""
        after = await self._errors(subject.root, subject.python_files())
        there = [path for path in subject.python_files() if (subject.base_root / path).is_file()]
        before = await self._errors(subject.base_root, there) if there else []
        known = Counter((path, rule, message) for path, _, rule, message in before)
        findings = []
        for path, line, rule, message in after:
            if known[path, rule, message] > 0:
                known[path, rule, message] -= 1
            else:
                findings.append(RawFinding(rule, path, line, HIGH, 30, message))
        return findings

    async def _errors(self, root: Path, files: list[str]) -> list[tuple[str, int, str, str]]:
        """Return errors as path, line, rule, message."""
        arguments = [
            "--config-file=",
            "--no-incremental",
            "--cache-dir=/dev/null",
            "--follow-imports=skip",
            "--no-error-summary",
            "--ignore-missing-imports",
            "--no-site-packages",
            "--show-error-codes",
            "--no-color-output",
            "--no-pretty",
            "--explicit-package-bases",
            "--namespace-packages",
            "--allow-untyped-globals",
            "--no-strict-optional",
        ]
        output = await run_module("mypy", *arguments, "--", *files, cwd=root, accepted=(0, 1))
        return [
            (match["path"], int(match["line"]), match["rule"] or "misc", match["message"])
            for match in map(_MYPY.match, output.splitlines())
            if match
        ]


class Bandit(_PythonTool):
    """Security of the code; tests may assert."""

    name = "bandit"

    async def analyse(self, subject: Subject) -> list[RawFinding]:
        """Look for insecure code."""
        arguments = ["--format=json", "--quiet", "--exit-zero"]
        output = await run_module("bandit", *arguments, *subject.python_files(), cwd=subject.root, accepted=(0, 1))
        report = _json(output, self.name)
        if report["errors"]:
            raise AnalyserError(f"bandit could not read {report['errors'][0].get('filename')}")
        findings = []
        for entry in report["results"]:
            path = relative(entry["filename"], subject.root)
            # An assertion in a test is what a test is made of.
            if entry["test_id"] == "B101" and is_test(path):
                continue
            severity, points = _bandit_weight(entry)
            findings.append(
                RawFinding(
                    entry["test_id"], path, entry["line_number"], severity, points, entry["issue_text"], security=True
                )
            )
        return findings


def _bandit_weight(entry: dict[str, Any]) -> tuple[Any, int]:
    """Return severity and points of a finding."""
    if entry["test_id"] in BANDIT_CRITICAL:
        return CRITICAL, 40
    return {"HIGH": (HIGH, 20), "MEDIUM": (MEDIUM, 10)}.get(entry["issue_severity"], (LOW, 2))


class DetectSecrets(_PythonTool):
    """Secrets in any text file."""

    name = "detect-secrets"

    def applies(self, subject: Subject) -> bool:
        """Look at every changed file."""
        return bool(subject.files)

    async def analyse(self, subject: Subject) -> list[RawFinding]:
        """Look for what has the shape of a secret; nothing is sent anywhere to verify it."""
        arguments = ["scan", "--no-verify", "--force-use-all-plugins", *subject.files]
        output = await run_module("detect_secrets", *arguments, cwd=subject.root, accepted=(0,))
        found = _json(output, self.name)["results"]
        return [
            RawFinding(
                entry["type"].replace(" ", "-").lower(),
                relative(path, subject.root),
                entry["line_number"],
                CRITICAL,
                40,
                f"looks like a secret: {entry['type']}",
                security=True,
            )
            for path, entries in found.items()
            for entry in entries
        ]


#: Every analyser, in the order in which they are listed.
ALL = (Ruff(), Mypy(), Bandit(), DetectSecrets())

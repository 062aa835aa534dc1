"""Looks for insecure Python code with bandit; tests may assert."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from miyabi_agents.analysers.base import CRITICAL, HIGH, LOW, MEDIUM, RawFinding, Report, Subject, ToolRunner, relative
from miyabi_agents.analysers.known import installed
from miyabi_agents.analysers.languages import PYTHON, suffix_of
from miyabi_agents.analysers.reports import json_of
from miyabi_agents.verification.targets import is_test
from miyabi_core.text import shortened

#: Findings that let input run as code.
CRITICAL_RULES = frozenset({"B102", "B307", "B602", "B604", "B605"})


class Bandit:
    """Security of the code."""

    name = "bandit"
    judges_code = True

    def applies(self, path: str) -> bool:
        """Look at Python files only."""
        return suffix_of(path) in PYTHON

    def version(self) -> str:
        """Return the installed version."""
        return installed(self.name)

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> Report:
        """Look for insecure code; a file that bandit cannot read keeps it from none of the others."""
        arguments = ("--format=json", "--quiet", "--exit-zero", "--ignore-nosec")
        said = await runner.module("bandit", *arguments, files=files, cwd=subject.root)
        report = json_of(said.output, "bandit")
        found = [made for entry in report["results"] if (made := _finding(entry, subject.root)) is not None]
        errors = report["errors"]
        unread = {
            relative(str(entry["filename"]), subject.root): shortened(str(entry["reason"]), 100) for entry in errors
        }
        return Report(found, unread)


def _finding(entry: dict[str, Any], root: Path) -> RawFinding | None:
    """Return a finding; an assertion in a test is what a test is made of."""
    path = relative(entry["filename"], root)
    if entry["test_id"] == "B101" and is_test(path):
        return None
    severity, points = CRITICAL, 40
    if entry["test_id"] not in CRITICAL_RULES:
        severity, points = {"HIGH": (HIGH, 20), "MEDIUM": (MEDIUM, 10)}.get(entry["issue_severity"], (LOW, 2))
    return RawFinding(
        entry["test_id"], path, entry["line_number"], severity, points, entry["issue_text"], security=True
    )

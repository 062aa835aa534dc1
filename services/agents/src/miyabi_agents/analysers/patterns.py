"""Looks through JavaScript, TypeScript, Go and Rust by rules of ours (`patterns.yaml`), with ast-grep."""

from __future__ import annotations

import sys
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
    Report,
    Subject,
    ToolRunner,
    relative,
)
from miyabi_agents.analysers.known import installed, without_known
from miyabi_agents.analysers.languages import PATTERNS, suffix_of
from miyabi_agents.analysers.reports import json_lines_of
from miyabi_core.text import ending

#: Our rules.
RULES = Path(__file__).with_name("patterns.yaml")
#: Severity and points by what the rules call it.
_WEIGHTS = {"error": (CRITICAL, 40), "warning": (MEDIUM, 10), "info": (LOW, 2), "hint": (HIGH, 20)}
#: How ast-grep says that it ran, and that it found an error.
_RAN = frozenset({0, 1})


class Patterns:
    """Security rules, and whether a file parses."""

    name = "ast-grep"
    judges_code = True

    def applies(self, path: str) -> bool:
        """Look at files of the four languages."""
        return suffix_of(path) in PATTERNS

    def version(self) -> str:
        """Return the installed version."""
        return installed("ast-grep-cli")

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> Report:
        """Look through the changed files; what base has too is not the change's."""
        after = await self._findings(subject.root, files, runner)
        there = subject.on_base(files)
        before = await self._findings(subject.base_root, there, runner) if there else []
        return Report(without_known(after, before))

    async def _findings(self, root: Path, files: Sequence[str], runner: ToolRunner) -> list[RawFinding]:
        """Run ast-grep and read its report."""
        program = Path(sys.executable).with_name("ast-grep")
        arguments = ["scan", "--rule", str(RULES), "--json=stream", "--no-ignore=hidden", "--no-ignore=vcs", "--"]
        command = [str(program), *arguments, *(f"./{name}" for name in files)]
        said = await runner.program(command, cwd=root, name=self.name)
        if said.exit_code not in _RAN:
            raise AnalyserError(f"ast-grep ended with {said.exit_code}: {ending(said.output.strip(), 300)}")
        lines = [line for line in said.output.split("\n") if line.startswith("{")]
        return [_finding(entry, root) for entry in json_lines_of("\n".join(lines), self.name)]


def _finding(entry: dict[str, Any], root: Path) -> RawFinding:
    """Read one finding; ast-grep counts lines from 0."""
    severity, points = _WEIGHTS[entry["severity"]]
    rule = str(entry["ruleId"])
    security = not rule.startswith("syntax-")
    line = int(entry["range"]["start"]["line"]) + 1
    return RawFinding(rule, relative(entry["file"], root), line, severity, points, entry["message"], security)

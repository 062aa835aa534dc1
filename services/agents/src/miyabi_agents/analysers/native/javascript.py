"""The analysers of JavaScript and TypeScript that a repository itself has in its environment: eslint and tsc."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from miyabi_agents.analysers.base import HIGH, LOW, MEDIUM, AnalyserError, RawFinding
from miyabi_agents.analysers.native.linter import Lint, Said, in_project, in_repository, keys_of
from miyabi_agents.analysers.reports import json_of
from miyabi_agents.toolchains.port import Environment, Project

#: Options of tsc, by the name that it looks for.
TSCONFIG = "tsconfig.json"
#: How tsc names a place: `src/a.ts(3,5): error TS2322: words`.
_PLACE = re.compile(
    r"^(?P<path>[^\s(][^(\n]*)\((?P<line>\d+),\d+\): error (?P<rule>TS\d+): (?P<words>.+)$", re.MULTILINE
)
#: How tsc says that it found errors.
_TSC_FOUND = frozenset({0, 1, 2})
#: Points of an error of eslint, a warning of it, an error of types (docs/review-score.md).
_ESLINT = {2: (MEDIUM, 10), 1: (LOW, 2)}
TYPE_POINTS = 30


class Eslint:
    """Lint by the repository's own rules and version."""

    name = "eslint"
    toolchain = "javascript"
    suffixes = frozenset({".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte"})
    reads_quieted = True

    def lint(self, project: Project, environment: Environment, files: Sequence[str]) -> Lint | str:
        """Return the command for some files."""
        program = _own(project, environment, "eslint/bin/eslint.js")
        if program is None:
            return "the repository has no eslint among its packages"
        node = keys_of(environment).get("node", "node")
        options = ["--format", "json", "--no-inline-config", "--no-error-on-unmatched-pattern", "--"]
        names = [f"./{in_project(path, project.root)}" for path in files]
        return Lint([node, program, *options, *names], [node, program, "--version"])

    def read(self, said: Said) -> list[RawFinding]:
        """Read its report, which stands behind whatever it warns of."""
        if said.exit_code not in {0, 1}:
            raise AnalyserError(f"eslint ended with {said.exit_code}: {said.output.strip()[-300:]}")
        report = next((line for line in said.output.split("\n") if line.startswith("[")), "")
        found = []
        for file in json_of(report, self.name):
            path = in_repository(file["filePath"], said)
            for entry in file["messages"]:
                if entry.get("ruleId") is None and not entry.get("fatal"):
                    continue  # A file that its configuration leaves out: base's own choice.
                severity, points = (HIGH, 20) if entry.get("fatal") else _ESLINT[entry["severity"]]
                rule = entry.get("ruleId") or "syntax"
                found.append(RawFinding(rule, path, entry.get("line") or 0, severity, points, entry["message"]))
        return found


class Tsc:
    """Types, by the repository's own compiler and options."""

    name = "tsc"
    toolchain = "javascript"
    suffixes = frozenset({".ts", ".mts", ".cts", ".tsx"})
    reads_quieted = True

    def lint(self, project: Project, environment: Environment, files: Sequence[str]) -> Lint | str:
        """Return the command for the project, which is the smallest part that tsc checks."""
        del files
        program = _own(project, environment, "typescript/bin/tsc")
        if program is None:
            return "the repository has no typescript among its packages"
        if not (environment.tree / project.root / TSCONFIG).is_file():
            return f"the project has no {TSCONFIG}"
        node = keys_of(environment).get("node", "node")
        options = ["--noEmit", "--pretty", "false", "--incremental", "false", "-p", TSCONFIG]
        return Lint([node, program, *options], [node, program, "--version"])

    def read(self, said: Said) -> list[RawFinding]:
        """Read what it prints."""
        found = [
            RawFinding(
                match["rule"], in_repository(match["path"], said), int(match["line"]), HIGH, TYPE_POINTS, match["words"]
            )
            for match in _PLACE.finditer(said.output)
        ]
        if said.exit_code not in _TSC_FOUND or (said.exit_code and not found):
            raise AnalyserError(f"tsc ended with {said.exit_code}: {said.output.strip()[-300:]}")
        return found


def _own(project: Project, environment: Environment, program: str) -> str | None:
    """Return a program of the project's packages, or of the workspace that it is in, as it is in a checkout."""
    folder = Path(project.root)
    for place in (folder, *folder.parents):
        if (environment.tree / place / "node_modules" / program).is_file():
            return (Path("{tree}") / place / "node_modules" / program).as_posix()
    return None

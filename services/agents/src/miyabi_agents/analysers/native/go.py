"""The analysers of Go: `go vet`, which Go itself brings, and staticcheck where the machine has it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from miyabi_agents.analysers.base import HIGH, MEDIUM, AnalyserError, RawFinding
from miyabi_agents.analysers.native.linter import Lint, Said, in_project, in_repository, keys_of
from miyabi_agents.analysers.reports import json_lines_of, json_of
from miyabi_agents.toolchains.port import Environment, Project

SUFFIXES = frozenset({".go"})
#: Points of code that does not compile, and of what is likely a bug (docs/review-score.md).
COMPILE_POINTS, POINTS = 30, 10
#: How the compiler names a place: `vet: ./a.go:3:5: undefined: x`.
_PLACE = re.compile(r"^(?:vet: )?(?P<path>[^\s:][^:\n]*\.go):(?P<line>\d+)(?::\d+)?: (?P<words>.+)$", re.MULTILINE)
#: Where programs of a machine lie, beside Go's own folder.
_FOLDERS = "/usr/local/bin:/usr/bin"


class GoVet:
    """Likely bugs, by Go's own rules; code that does not compile."""

    name = "go vet"
    toolchain = "go"
    suffixes = SUFFIXES
    reads_quieted = True

    def lint(self, project: Project, environment: Environment, files: Sequence[str]) -> Lint | str:
        """Return the command for the packages of some files."""
        go = keys_of(environment).get("go", "go")
        return Lint([go, "vet", "-json", *_packages(files, project.root)], [go, "version"])

    def read(self, said: Said) -> list[RawFinding]:
        """Read its report: a JSON object for each package, and the compiler's words."""
        reports, rest = _objects(said.output)
        found = [
            entry
            for report in reports
            for rules in report.values()
            for name, said_of in rules.items()
            for entry in _vetted(name, said_of, said)
        ]
        broken = list(_compiler(rest, said))
        if said.exit_code and not broken and not found:
            raise AnalyserError(f"go vet ended with {said.exit_code}: {said.output.strip()[-300:]}")
        return [*found, *broken]


class Staticcheck:
    """More of Go, where the machine has it; its own configuration is base's."""

    name = "staticcheck"
    toolchain = "go"
    suffixes = SUFFIXES
    reads_quieted = True

    def lint(self, project: Project, environment: Environment, files: Sequence[str]) -> Lint | str:
        """Return the command for the packages of some files, where it is there."""
        go = Path(keys_of(environment).get("go", "go"))
        program = shutil.which(self.name, path=f"{go.parent}:{_FOLDERS}")
        if program is None:
            return "staticcheck is not on this machine"
        command = [program, "-f", "json", *_packages(files, project.root)]
        return Lint(command, [program, "-version"], readable=[Path(program).resolve().parent])

    def read(self, said: Said) -> list[RawFinding]:
        """Read its report: one JSON object a line."""
        if said.exit_code not in {0, 1}:
            raise AnalyserError(f"staticcheck ended with {said.exit_code}: {said.output.strip()[-300:]}")
        lines = "\n".join(line for line in said.output.split("\n") if line.startswith("{"))
        return [
            RawFinding(
                entry["code"],
                in_repository(entry["location"]["file"], said),
                entry["location"]["line"],
                HIGH if entry["code"] == "compile" else MEDIUM,
                COMPILE_POINTS if entry["code"] == "compile" else POINTS,
                entry["message"],
            )
            for entry in json_lines_of(lines, self.name)
        ]


def _packages(files: Sequence[str], root: str) -> list[str]:
    """Return the packages of files as the go command takes them in the module's folder."""
    folders = sorted({PurePosixPath(in_project(path, root)).parent.as_posix() for path in files})
    return ["." if folder == "." else f"./{folder}" for folder in folders]


def _objects(text: str) -> tuple[list[dict[str, Any]], str]:
    """Return the JSON objects of a text, each begun and ended by a line of one brace, and the other lines."""
    found, rest, inside = [], [], list[str]()
    for line in text.split("\n"):
        if not inside and not line.startswith("{"):
            rest.append(line)
            continue
        inside.append(line)
        if line.startswith(("}", "{}")):
            found.append(json_of("\n".join(inside), "go vet"))
            inside = []
    if inside:
        raise AnalyserError("go vet's report has no end")
    return found, "\n".join(rest)


def _vetted(rule: str, said_of: Any, said: Said) -> list[RawFinding]:
    """Return what one rule says; a rule that could not be tried says so as an object."""
    if not isinstance(said_of, list):
        return []
    return [
        RawFinding(rule, in_repository(path, said), int(line), MEDIUM, POINTS, str(entry["message"]))
        for entry in said_of
        for path, line in [str(entry["posn"]).rsplit(":", 2)[:2]]
    ]


def _compiler(text: str, said: Said) -> Iterator[RawFinding]:
    """Yield what the compiler says."""
    for match in _PLACE.finditer(text):
        path = in_repository(match["path"], said)
        yield RawFinding("compile", path, int(match["line"]), HIGH, COMPILE_POINTS, match["words"])

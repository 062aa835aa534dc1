"""What such an analyser is: it says what is to be run in a checkout of a project, and reads what that printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from miyabi_agents.analysers.base import RawFinding
from miyabi_agents.toolchains.port import Environment, Project


@dataclass(frozen=True)
class Lint:
    """A command, with the placeholders of `toolchains.port.TestRun`, and `{tools}` for the analysers that we bring."""

    command: Sequence[str]
    version: Sequence[str]  #: prints the version
    #: The command for base, where it is another one; with no words there is nothing to look at.
    before: Sequence[str] | None = None
    own_tools: bool = False  #: needs the analysers that we bring
    note: str = ""  #: what a reader should know of how it looks
    ignored: frozenset[str] = frozenset()  #: rules that say nothing of the change
    environment: Mapping[str, str] = field(default_factory=dict)  #: beside that of the project's tests
    readable: Sequence[Path] = ()


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    output: str
    exit_code: int
    tree: Path  #: the checkout
    folder: str  #: of the project, relative to the checkout; `.` for the repository itself


#: Rule of what stands for a file that a tool was given, and by its configuration did not look at.
LEFT_OUT = "left-out"


class Linter(Protocol):
    """One tool of a toolchain."""

    name: str
    toolchain: str
    suffixes: frozenset[str]
    #: It reads files in which words of the change that quieten analysers have lost their meaning.
    reads_quieted: bool

    def lint(self, project: Project, environment: Environment, files: Sequence[str]) -> Lint | str:
        """Return what is to be run for some changed files of the repository; a sentence says why nothing is."""

    def read(self, said: Said) -> list[RawFinding]:
        """Return the findings, in whatever file; one of the rule `LEFT_OUT` for each that was not looked at.

        Raises:
            AnalyserError: it came to no verdict.
        """


def keys_of(environment: Environment) -> dict[str, str]:
    """Return the programs of an environment by their names."""
    return dict(key.split("=", 1) for key in environment.recipe.keys if "=" in key)


def in_project(path: str, folder: str) -> str:
    """Return a path of the repository as it is in the project's folder."""
    return path if folder in {"", "."} else path.removeprefix(f"{folder}/")


def in_repository(path: str, said: Said) -> str:
    """Return a path that a tool printed, absolute or in the project's folder, as it is in the repository."""
    place = Path(path)
    whole = place if place.is_absolute() else said.tree / said.folder / place
    normal = Path(*_without_dots(whole.parts))
    return normal.relative_to(said.tree).as_posix() if normal.is_relative_to(said.tree) else path


def _without_dots(parts: Sequence[str]) -> list[str]:
    """Return the parts of a path without `.` and `..`; nothing on the disk is asked."""
    kept: list[str] = []
    for part in parts:
        if part == ".." and len(kept) > 1:
            kept.pop()
        elif part not in {".", ".."}:
            kept.append(part)
    return kept

"""What measures lines that are executed: a run of tests is prepared for it, and its report read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from miyabi_agents.toolchains.port import Environment, Project, TestRun

#: What the names of files begin with that measures write beside the report of the tests.
PREFIX = "coverage."


@dataclass(frozen=True)
class Wanted:
    """A file of code that a change leaves, with the lines that it adds or edits."""

    path: str  #: relative to the repository, without control characters
    content: bytes
    lines: frozenset[int]  #: from 1


@dataclass(frozen=True)
class Lines:
    """What was seen of one file: of all its lines, or of the wanted ones at least."""

    executable: frozenset[int] = frozenset()
    covered: frozenset[int] = frozenset()
    problem: str = ""  #: why it was not measured, in one sentence without a full stop; empty where it was


class Measure(Protocol):
    """Measures the tests of one ecosystem."""

    #: Endings of the code that it has a word on, be it that it cannot measure it.
    suffixes: frozenset[str]

    def name(self, environment: Environment) -> str:
        """Return what measures, with its version."""

    def unfit(self, project: Project, file: Wanted) -> str:
        """Return why a file cannot be measured; empty where it can."""

    def prepared(self, project: Project, run: TestRun, wanted: Sequence[Wanted]) -> TestRun:
        """Return a run that measures *wanted* too; its files are named `coverage.…` and lie beside the report."""

    def read(self, project: Project, files: Mapping[str, bytes], wanted: Sequence[Wanted]) -> Mapping[str, Lines]:
        """Return what was measured, by path; linear in the size of what strangers' code wrote.

        Raises:
            ValueError: it cannot be read.
        """

"""What an analyser is, and how its program is run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from miyabi.coordinator.v1.result_pb2 import FindingSeverity

#: An analyser that takes longer has no verdict.
TIMEOUT = timedelta(minutes=2)

LOW = FindingSeverity.FINDING_SEVERITY_LOW
MEDIUM = FindingSeverity.FINDING_SEVERITY_MEDIUM
HIGH = FindingSeverity.FINDING_SEVERITY_HIGH
CRITICAL = FindingSeverity.FINDING_SEVERITY_CRITICAL


class AnalyserError(Exception):
    """An analyser crashed, timed out, is missing, or printed what cannot be understood: there is no verdict."""


@dataclass(frozen=True)
class RawFinding:
    """What an analyser says of a line."""

    rule: str
    path: str  #: relative to the checkout
    line: int  #: from 1; 0 for the whole file
    severity: FindingSeverity.ValueType
    points: int  #: by the table of docs/review-score.md
    message: str
    security: bool = False


@dataclass(frozen=True)
class Subject:
    """What is analysed: the change's checkout and, for comparison, base's."""

    root: Path
    base_root: Path
    files: Sequence[str] = field(default_factory=tuple)  #: changed files that are there, sorted

    def python_files(self) -> list[str]:
        """Return the changed Python files."""
        return [path for path in self.files if path.endswith((".py", ".pyi"))]


class Analyser(Protocol):
    """One tool."""

    name: str

    def applies(self, subject: Subject) -> bool:
        """Tell whether the change has anything for it to look at."""

    async def version(self) -> str:
        """Return the tool's version."""

    async def analyse(self, subject: Subject) -> list[RawFinding]:
        """Look at the changed files.

        Raises:
            AnalyserError: there is no verdict.
        """


async def run_module(module: str, *arguments: str, cwd: Path, accepted: Sequence[int]) -> str:
    """Run a Python tool of ours in isolated mode, so that nothing of *cwd* is imported; returns its output.

    Args:
        module: Module with the tool's entry point.
        arguments: Its arguments.
        cwd: Folder to run in.
        accepted: Exit codes with which the tool says that it ran to its end.

    Raises:
        AnalyserError: it could not be started, took too long, or ended with another code.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            module,
            *arguments,
            cwd=cwd,
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise AnalyserError(f"{module} could not be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(TIMEOUT.total_seconds()):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise AnalyserError(f"{module} took longer than {TIMEOUT}") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in accepted:
        words = errors.decode(errors="replace").strip().splitlines()
        raise AnalyserError(f"{module} ended with {process.returncode}: {words[-1][:300] if words else ''}")
    return output.decode("utf-8", "replace")


def relative(path: str, root: Path) -> str:
    """Return a path that a tool printed, relative to the checkout."""
    candidate = Path(path)
    resolved = candidate if candidate.is_absolute() else root / candidate
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else path

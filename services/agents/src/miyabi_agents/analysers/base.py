"""What an analyser is, and how its program is run: in the sandbox, like everything that reads what strangers wrote."""

from __future__ import annotations

import sys
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from miyabi.coordinator.v1.result_pb2 import FindingSeverity
from miyabi_agents.ports import Network, Sandbox, SandboxJob, SandboxLimits

#: An analyser that takes longer has no verdict.
TIMEOUT = timedelta(minutes=2)
#: Longest report; what is longer is no verdict.
MAX_OUTPUT_BYTES = 32 << 20

#: What helps where a change is more than an analyser can take.
SPLIT = "Split the change or the files into smaller ones, or have a person review them."

LOW = FindingSeverity.FINDING_SEVERITY_LOW
MEDIUM = FindingSeverity.FINDING_SEVERITY_MEDIUM
HIGH = FindingSeverity.FINDING_SEVERITY_HIGH
CRITICAL = FindingSeverity.FINDING_SEVERITY_CRITICAL


class AnalyserError(Exception):
    """An analyser crashed, timed out, is missing, or printed what cannot be understood: there is no verdict.

    Args:
        message: What happened, without a full stop.
        remedy: What a person can do, as a sentence; empty: submit it again, or look at the files by hand.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


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
    """What is analysed: the changed files as the change leaves them, and as base has them, in two folders."""

    root: Path
    base_root: Path
    files: Sequence[str] = field(default_factory=tuple)  #: changed files that are there, sorted
    #: Lines that the change adds or edits, from 1, by path.
    lines: Mapping[str, Container[int]] = field(default_factory=dict)
    #: What a reader is shown for files that lie here under another name, since theirs cannot be used.
    shown: Mapping[str, str] = field(default_factory=dict)
    #: The repository's other Python files are there too, so that imports of its own can be followed.
    whole: bool = False

    def on_base(self, files: Sequence[str]) -> list[str]:
        """Return those of *files* that base has too."""
        return [path for path in files if (self.base_root / path).is_file()]


@dataclass(frozen=True)
class Report:
    """What an analyser says of some files."""

    findings: Sequence[RawFinding] = ()
    #: Files that it has no verdict on, with the reason.
    unread: Mapping[str, str] = field(default_factory=dict)
    #: What a reader should know, one sentence each: by which rules it looked, what it left out.
    notes: Sequence[str] = ()
    remedy: str = ""  #: for the files without a verdict


@dataclass(frozen=True)
class Tool:
    """What a program said."""

    output: str
    exit_code: int


@dataclass(frozen=True)
class ToolRunner:
    """Runs programs of ours over files of strangers.

    Args:
        sandbox: Where.
        scratch: A folder that is there, writable for the programs and nothing else of ours.
    """

    sandbox: Sandbox
    scratch: Path

    async def module(self, module: str, *arguments: str, files: Sequence[str], cwd: Path) -> Tool:
        """Run a Python tool of ours in isolated mode, so that nothing of *cwd* is imported.

        Args:
            module: Its name.
            arguments: Options of ours.
            files: Names of strangers; they come last, behind `--`, each as `./name`.
            cwd: Folder of the files, which is readable and not writable.

        Raises:
            AnalyserError: it did not end, or said more than is read.
        """
        names = [f"./{name}" for name in files]
        command = [sys.executable, "-I", "-W", "ignore", "-m", module, *arguments, *(["--", *names] if names else [])]
        return await self.program(command, cwd=cwd, name=module)

    async def program(self, command: Sequence[str], *, cwd: Path, name: str) -> Tool:
        """Run a program.

        Raises:
            AnalyserError: it did not end, or said more than is read.
        """
        job = SandboxJob(
            command,
            cwd=cwd,
            writable=[self.scratch],
            readable=[cwd, *our_folders()],
            limits=SandboxLimits(wall=TIMEOUT, cpu=TIMEOUT, output_bytes=MAX_OUTPUT_BYTES),
            network=Network.NONE,
        )
        result = await self.sandbox.run(job)
        if result.timed_out:
            minutes = TIMEOUT.total_seconds() / 60
            raise AnalyserError(f"{name} took longer than {minutes:.0f} minutes", remedy=SPLIT)
        if result.limit_hit:
            raise AnalyserError(f"{name} was ended by the limit on {result.limit_hit}", remedy=SPLIT)
        if result.exit_code < 0:
            raise AnalyserError(f"{name} was ended by signal {-result.exit_code}")
        if result.output_cut:
            raise AnalyserError(f"{name} said more than {MAX_OUTPUT_BYTES >> 20} MiB", remedy=SPLIT)
        return Tool(result.output, result.exit_code)


def our_folders() -> list[Path]:
    """Return where our interpreter, its packages and our rules lie."""
    own = Path(__file__).resolve().parent
    found = {
        own,
        Path(sys.prefix).resolve(),
        Path(sys.base_prefix).resolve(),
        Path(sys.executable).resolve().parents[1],
    }
    return sorted(path for path in found if path != Path("/"))


class Analyser(Protocol):
    """One tool."""

    name: str
    #: Where its verdict on a file says that the file's code was looked at, rather than only its text.
    judges_code: bool

    def applies(self, path: str) -> bool:
        """Tell whether it has a verdict on a file."""

    def version(self) -> str:
        """Return the tool's version.

        Raises:
            AnalyserError: it is missing.
        """

    async def analyse(self, subject: Subject, files: Sequence[str], runner: ToolRunner) -> Report:
        """Look at those of the changed files that it applies to.

        Raises:
            AnalyserError: there is no verdict on any of them; fewer files may have one.
        """


def relative(path: str, root: Path) -> str:
    """Return a path that a tool printed, relative to the checkout."""
    candidate = Path(path)
    resolved = candidate if candidate.is_absolute() else root / candidate
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else path

"""Has an analyser look at files together, and at fewer of them where it fails: one file costs the others nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from miyabi_agents.analysers.base import TIMEOUT, Analyser, AnalyserError, RawFinding, Report, Subject, ToolRunner

#: Bytes of names that one command gets: a quarter of what Linux takes for one argument, and far below all of them.
MAX_NAMES_BYTES = 32_000
#: Seconds after which no more parts are begun: whoever needs longer has three time-outs behind it.
MOST_SECONDS = 3 * TIMEOUT.total_seconds()
#: Failures after which no smaller parts are tried: enough to find some five files among a thousand.
MOST_FAILURES = 60


@dataclass
class _Together:
    """What the parts said."""

    findings: list[RawFinding] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    remedy: str = ""

    def add(self, report: Report) -> None:
        """Add a part's report."""
        self.findings += report.findings
        self.unread.update(report.unread)
        self.notes |= dict.fromkeys(report.notes)
        self.remedy = self.remedy or report.remedy

    def give_up(self, files: Sequence[str], error: AnalyserError) -> None:
        """Note that files have no verdict."""
        self.unread.update(dict.fromkeys(files, str(error)))
        self.remedy = self.remedy or error.remedy


async def in_parts(
    analyser: Analyser,
    subject: Subject,
    files: Sequence[str],
    runner: ToolRunner,
    clock: Callable[[], float] = time.monotonic,
) -> Report:
    """Return what an analyser says of files; those that it fails on alone have no verdict, the others have theirs.

    Args:
        analyser: The tool.
        subject: The trees.
        files: Those that it applies to.
        runner: Runs it.
        clock: Seconds; tests give their own.
    """
    together, end, failures = _Together(), clock() + MOST_SECONDS, 0
    parts = list(batches(files))[::-1]
    while parts:
        part = parts.pop()
        try:
            together.add(await _report(analyser, subject, part, runner))
        except AnalyserError as error:
            failures += 1
            if len(part) == 1 or failures >= MOST_FAILURES or clock() > end:
                together.give_up(part, error)
            else:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
    return Report(together.findings, together.unread, tuple(together.notes), together.remedy)


async def _report(analyser: Analyser, subject: Subject, files: Sequence[str], runner: ToolRunner) -> Report:
    """Return what an analyser says.

    Raises:
        AnalyserError: there is no verdict, or what it printed is not what such tools print.
    """
    try:
        return await analyser.analyse(subject, files, runner)
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise AnalyserError(f"its output could not be understood ({type(error).__name__})") from error


def batches(files: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield files in as many parts as commands take names."""
    begin, size = 0, 0
    for at, file in enumerate(files):
        own = len(file.encode("utf-8", "surrogateescape")) + len("./\0")
        size += own
        if size > MAX_NAMES_BYTES and at > begin:
            yield files[begin:at]
            begin, size = at, own
    if begin < len(files):
        yield files[begin:]

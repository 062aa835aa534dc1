"""Reads the lines of a report: each must carry the code of the run's key, in its place, or none is believed."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from miyabi_agents.toolchains.python.runners.report.miyabi_report.sink import code_of

#: Bytes of one report that are looked at; the sandbox hands on no more.
MAX_BYTES = 64 << 20
#: A writer cuts its lines below this; a longer one is not its own.
MAX_LINE = 64 << 10
#: Tests of one report.
MAX_TESTS = 1_000_000


class ForgedError(ValueError):
    """A report holds what its writer did not write."""


@dataclass
class Report:
    """What one process wrote."""

    runner: str = ""
    names: list[str] = field(default_factory=list)
    #: Outcome, seconds and reason, by number of the test.
    ended: dict[int, tuple[str, float, str]] = field(default_factory=dict)
    running: list[int] = field(default_factory=list)
    #: Kind (`error`, `skipped`) and text, by file.
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    stuck: bool = False
    summary: Mapping[str, object] | None = None

    def last_running(self) -> str:
        """Return the name of a test that began and did not end; empty where there is none."""
        return self.names[self.running[-1]] if self.running else ""


def parse(content: bytes, key: bytes) -> Report:
    """Read a report: linear in its size.

    Raises:
        ForgedError: a line's code is wrong, a line is cut, or something follows the end.
    """
    if len(content) > MAX_BYTES:
        raise ForgedError("the report is larger than 64 MiB")
    report = Report()
    if content and not content.endswith(b"\n"):
        # The writer was ended within a line: what came before counts.
        content = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(content.split(b"\n")[:-1]):
        if report.summary is not None:
            raise ForgedError(f"line {number + 1} follows the end of the report")
        code, _, text = line.partition(b" ")
        if len(line) > MAX_LINE or not hmac.compare_digest(code, code_of(key, number, text).encode("ascii")):
            raise ForgedError(f"line {number + 1} of the report was not written by the runner")
        _take(report, text, number)
    return report


def _take(report: Report, text: bytes, number: int) -> None:
    """Take one record.

    Raises:
        ForgedError: it has a form that the writer does not write.
    """
    try:
        record = json.loads(text)
        kind, *rest = record
        _TAKE[kind](report, *rest)
    except ForgedError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise ForgedError(f"line {number + 1} of the report cannot be read: {type(error).__name__}") from error


def _begin(report: Report, runner: str, _version: str) -> None:
    report.runner = str(runner)


def _test(report: Report, number: int, name: str) -> None:
    if number != len(report.names) or number >= MAX_TESTS or not isinstance(name, str):
        raise ForgedError("a test out of order")
    report.names.append(name)


def _start(report: Report, number: int) -> None:
    if not 0 <= number < len(report.names):
        raise ForgedError("an unknown test begins")
    report.running = [*report.running[-63:], number]


def _end(report: Report, number: int, outcome: str, seconds: float, reason: str) -> None:
    if not 0 <= number < len(report.names) or outcome not in {"passed", "failed", "skipped", "blocked"}:
        raise ForgedError("an unknown test or outcome")
    report.ended[number] = (outcome, float(seconds), str(reason))
    report.running = [one for one in report.running if one != number]


def _file(report: Report, kind: str, path: str, text: str) -> None:
    if report.files.get(str(path), ("", ""))[0] != "error":
        report.files[str(path)] = (str(kind), str(text))


def _stuck(report: Report, _seconds: float) -> None:
    report.stuck = True


def _done(report: Report, summary: Mapping[str, object]) -> None:
    if not isinstance(summary, dict):
        raise ForgedError("an end without counts")
    report.summary = summary


#: What is done with each kind of record.
_TAKE: Mapping[str, Callable[..., None]] = {
    "begin": _begin, "test": _test, "start": _start, "end": _end, "file": _file, "stuck": _stuck, "done": _done,
}  # fmt: skip

"""Reads the events that our reporters write, and holds them against exit status and counts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.ending import broke
from miyabi_agents.toolchains.javascript.manifest import join
from miyabi_agents.toolchains.port import Project, RunVerdicts
from miyabi_core.text import shortened

#: Longest line of a report that is read: a title, a path and two thousand characters of message.
MAX_LINE = 64 * 1024
#: Most lines of a report.
MAX_LINES = 500_000
#: Longest reason that is kept.
MAX_REASON = 2000
#: Characters of the output's end in which an error outside of the tests is looked for.
_SEARCHED = 100_000
#: How runners and compilers begin such a line.
_ERROR = re.compile(r"\b(?:[A-Z]\w*)?Error\b: ?\S|\berror TS\d+")
#: What joins the parts of a test's name.
JOINT = " > "

_STATUS = {
    "passed": TestVerdict.TEST_VERDICT_PASSED,
    "failed": TestVerdict.TEST_VERDICT_FAILED,
    "skipped": TestVerdict.TEST_VERDICT_SKIPPED,
}
#: Worst of several verdicts on one name.
_FAILED = TestVerdict.TEST_VERDICT_FAILED


@dataclass
class _Read:
    """What the events said so far."""

    verdicts: dict[str, TestVerdict.ValueType] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    unbuilt: dict[str, str] = field(default_factory=dict)
    processes: list[Mapping[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    times: dict[str, int] = field(default_factory=dict)
    tests: int = 0
    failed: int = 0
    claimed: int = 0
    ends: int = 0
    cwd: str = ""
    finish: Mapping[str, Any] | None = None


def read(project: Project, result: SandboxResult, *, tree: Path) -> RunVerdicts:
    """Return the verdicts of a run; complete only where events, counts, end marks and exit status agree."""
    found = _Read()
    for event in _events(result.report, found):
        _take(event, found, project, tree)
    problem = broke(result) or _problem(found, result, project)
    return RunVerdicts(
        verdicts=found.verdicts,
        complete=not problem,
        problem=problem,
        unbuilt=found.unbuilt,
        reasons=found.reasons,
        seconds=found.seconds,
    )


def _events(report: Mapping[str, bytes], found: _Read) -> Iterator[Mapping[str, Any]]:
    """Read every event of every file; the start of the run first, since it says where files lie."""
    lines = 0
    for name in sorted(report, key=lambda name: (not name.startswith("run."), name)):
        if not name.endswith(".jsonl"):
            continue
        for line in report[name].split(b"\n"):
            lines += 1
            if not line.strip():
                continue
            event = _event(line) if lines <= MAX_LINES else None
            if event is None:
                found.problems.append("the report holds a line that is no event of it")
                return
            yield event


def _event(line: bytes) -> Mapping[str, Any] | None:
    """Read one event; None where it is none."""
    if len(line) > MAX_LINE:
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("kind"), str) else None


def _take(event: Mapping[str, Any], found: _Read, project: Project, tree: Path) -> None:
    """Take one event into what was read."""
    kind = event["kind"]
    if kind == "start":
        found.cwd = str(event.get("cwd", ""))
    elif kind == "test":
        _test(event, found, project, tree)
    elif kind == "unbuilt":
        path = _path(str(event.get("file", "")), found, project, tree) or "(outside of any file)"
        found.unbuilt[path] = _clean(event.get("message"), found, tree)
    elif kind == "process":
        found.processes.append(event)
    elif kind == "problem":
        found.problems.append(shortened(str(event.get("problem", "")), 500))
    elif kind == "end":
        found.ends += 1
        found.claimed += _number(event.get("tests"))
    elif kind == "finish":
        found.finish = event


def _test(event: Mapping[str, Any], found: _Read, project: Project, tree: Path) -> None:
    """Take the verdict on one test; a name that comes again is numbered."""
    titles = event.get("path")
    status = _STATUS.get(str(event.get("status")))
    if status is None or not isinstance(titles, list):
        found.problems.append("the report holds a test without a verdict")
        return
    path = _path(str(event.get("file", "")), found, project, tree)
    plain = JOINT.join([path or project.root, *(" ".join(str(title).split()) for title in titles)])[:1500]
    count = found.times[plain] = found.times.get(plain, 0) + 1
    name = plain if count == 1 else f"{plain} [#{count}]"
    found.tests += 1
    found.failed += status == _FAILED
    found.verdicts[name] = status
    found.seconds[name] = _number(event.get("ms")) / 1000
    if status == _FAILED:
        found.reasons[name] = _clean(event.get("message"), found, tree)


def _path(file: str, found: _Read, project: Project, tree: Path) -> str:
    """Return a file relative to the repository, whether the runner gave it whole or relative to the project."""
    file = file.removeprefix("file://")
    root = found.cwd if project.root == "." else found.cwd.removesuffix(f"/{project.root}")
    for known in (root, str(tree)):
        if known and file.startswith(f"{known}/"):
            return file[len(known) + 1 :]
    return file if not file or file.startswith(("/", "(")) else join(project.root, file.removeprefix("./"))


def _clean(message: object, found: _Read, tree: Path) -> str:
    """Return a message without the checkout's path."""
    text = str(message or "")[: 2 * MAX_REASON]
    for known in (str(tree), found.cwd):
        if len(known) > 1:
            text = text.replace(f"{known}/", "").replace(known, ".")
    return shortened(text, MAX_REASON)


def _number(value: object) -> int:
    """Return a number as a whole one; 0 for anything else."""
    return int(value) if isinstance(value, int | float) and abs(value) < 1e12 else 0


def _problem(found: _Read, result: SandboxResult, project: Project) -> str:
    """Return why the run shows nothing in full; empty where events, counts and exit status agree."""
    if found.finish is None:
        return f"{project.runner} never came to its end: its report has no end mark (exit status {result.exit_code})."
    if found.finish.get("nothing") and not found.tests and not found.problems:
        return ""
    return next(filter(None, _disagreements(found, result, project)), "")


def _disagreements(found: _Read, result: SandboxResult, project: Project) -> Iterator[str]:
    """Say each thing that does not fit, the weightiest first."""
    if found.problems:
        yield f"{project.runner}: {found.problems[0]}."
    for process in found.processes:
        if process.get("signal"):
            yield f"{project.runner} was ended by {process['signal']}{_of(process)}."
    if found.ends < max(1, len(found.processes)):
        silent = next((entry for entry in found.processes if entry.get("exit")), None) or {}
        status = silent.get("exit", result.exit_code)
        yield f"{project.runner} ended early{_of(silent)}: its report has no end mark (exit status {status})."
    if found.claimed != found.tests:
        yield f"{project.runner} counts {found.claimed} tests and reports {found.tests}."
    yield _status(found, result, project)


def _of(process: Mapping[str, Any]) -> str:
    """Name the file that a process ran."""
    return f" in {process['file']}" if process.get("file") else ""


def _outside(output: str) -> str:
    """Return the line of a runner's output that tells most of an error outside of its tests; empty where none does."""
    there = [line.strip() for line in output[-_SEARCHED:].split("\n") if _ERROR.search(line)]
    return shortened(there[0], MAX_REASON) if there else ""


def _status(found: _Read, result: SandboxResult, project: Project) -> str:
    """Hold the exit status against the verdicts."""
    bad = bool(found.failed or found.unbuilt)
    if result.exit_code != 0 and not bad:
        if not found.tests:
            return f"{project.runner} found no tests (exit status {result.exit_code})."
        said = _outside(result.output)
        return (
            f"{project.runner} ended with status {result.exit_code} although no test failed: an error outside of them"
            f"{f': {said}' if said else '.'}"
        )
    if result.exit_code == 0 and bad:
        return f"{project.runner} ended with status 0 although {found.failed or len(found.unbuilt)} failed."
    return ""

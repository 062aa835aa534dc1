"""Reads the events of `go test -json`, and holds them against each other and the exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.ending import broke
from miyabi_agents.toolchains.go.modules import join
from miyabi_agents.toolchains.port import Project, RunVerdicts
from miyabi_core.text import shortened

#: Name of the report.
NAME = "go.jsonl"
#: Most events of a report.
MAX_EVENTS = 2_000_000
#: Longest event: a line of output is cut to 2,000 characters.
MAX_LINE = 64 * 1024
#: Longest reason that is kept.
MAX_REASON = 2000

_FAILED = TestVerdict.TEST_VERDICT_FAILED
_ENDS = {
    "pass": TestVerdict.TEST_VERDICT_PASSED,
    "fail": _FAILED,
    "skip": TestVerdict.TEST_VERDICT_SKIPPED,
}


@dataclass
class _Package:
    """What the events said of one package."""

    end: str = ""
    verdicts: dict[str, TestVerdict.ValueType] = field(default_factory=dict)
    running: dict[str, None] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    output: dict[str, list[str]] = field(default_factory=dict)
    built: bool = True
    #: Tests that ended the package's run and were left out when it was run again, with what they said.
    ended_by: dict[str, str] = field(default_factory=dict)
    twice: bool = False


@dataclass
class _Read:
    """What the whole report said."""

    packages: dict[str, _Package] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    builds: dict[str, list[str]] = field(default_factory=dict)
    end: int | None = None
    wrong: bool = False


def read(project: Project, result: SandboxResult, *, tree: Path) -> RunVerdicts:
    """Return the verdicts of a run.

    What a test prints cannot become a verdict: the test binary marks its own lines, and a test whose end is said twice
    has failed.
    """
    found = _Read()
    for event in _events(result.report.get(NAME, b""), found):
        _take(event, found)
    verdicts: dict[str, TestVerdict.ValueType] = {}
    reasons: dict[str, str] = {}
    unbuilt: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for path, package in found.packages.items():
        folder = _folder(path, project)
        _close(package)
        if not package.built:
            unbuilt[folder] = _clean(_build_output(path, package, found), tree)
        for test, verdict in package.verdicts.items():
            name = test if folder == "." else f"{folder}.{test}"
            verdicts[name] = verdict
            seconds[name] = package.seconds.get(test, 0.0)
            if verdict == _FAILED:
                reasons[name] = _clean(package.ended_by.get(test) or "".join(package.output.get(test, ())), tree)
    problem = broke(result) or _problem(found, result, verdicts, unbuilt)
    return RunVerdicts(
        verdicts, complete=not problem, problem=problem, unbuilt=unbuilt, reasons=reasons, seconds=seconds
    )


def _events(report: bytes, found: _Read) -> Iterator[Mapping[str, Any]]:
    """Read the events of a report."""
    for number, line in enumerate(report.split(b"\n")):
        if not line.strip():
            continue
        try:
            event = json.loads(line) if len(line) <= MAX_LINE and number < MAX_EVENTS else None
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("Action"), str):
            found.wrong = True
            return
        yield event


def _take(event: Mapping[str, Any], found: _Read) -> None:
    """Take one event of the runner or of our script."""
    action, path, test = event["Action"], str(event.get("Package", "")), str(event.get("Test", ""))
    if action == "miyabi-ran":
        found.statuses.append(_number(event.get("Exit")))
    elif action == "miyabi-end":
        found.end = _number(event.get("Exit"))
    elif action == "miyabi-again":
        _again(event, found.packages.setdefault(path, _Package()))
    elif action == "text":
        found.text.append(str(event.get("Output", ""))[:2000])
    elif action == "build-output":
        found.builds.setdefault(str(event.get("ImportPath", "")), []).append(str(event.get("Output", "")))
    elif path:
        _package(event, action, test, found.packages.setdefault(path, _Package()))


def _package(event: Mapping[str, Any], action: str, test: str, package: _Package) -> None:
    """Take one event of a package or of a test in it."""
    if action == "output":
        text = str(event.get("Output", ""))
        kept = package.output.setdefault(test, [])
        if len(kept) < 60:
            kept.append(text)
        if not test and ("[build failed]" in text or "[setup failed]" in text):
            package.built = False
    elif action == "run" and test:
        package.running[test] = None
    elif action in _ENDS and test:
        if test in package.verdicts:
            package.twice = True
            package.verdicts[test] = _FAILED
        else:
            package.verdicts[test] = _ENDS[action] if test in package.running else _FAILED
        package.running.pop(test, None)
        package.seconds[test] = float(event["Elapsed"]) if isinstance(event.get("Elapsed"), int | float) else 0.0
    elif action in _ENDS:
        package.end = action
        package.built = package.built and not event.get("FailedBuild")


def _again(event: Mapping[str, Any], package: _Package) -> None:
    """Forget what a run said that a test ended in the middle; that test has failed, with what was said last."""
    skipped = event.get("Skipped")
    said = "".join(line for test in (*package.running, "") for line in package.output.get(test, ()))
    for test in skipped if isinstance(skipped, list) else ():
        own = "".join(package.output.get(str(test), ()))
        package.ended_by.setdefault(
            str(test),
            own if "panic" in own else f"It was running when the tests of its package ended early.\n{own}{said}",
        )
    package.verdicts, package.running, package.output, package.end = {}, {}, {}, ""


def _close(package: _Package) -> None:
    """Say what became of tests that have no end: they were running when the package's tests ended."""
    for test in (*package.running, *package.ended_by):
        package.verdicts[test] = _FAILED
        if test not in package.ended_by:
            said = "".join((*package.output.get(test, ()), *package.output.get("", ())))
            package.ended_by[test] = f"It was running when the tests of its package ended early.\n{said}"


def _folder(path: str, project: Project) -> str:
    """Return a package's folder, relative to the repository, by its import path."""
    path = path.split(" ", 1)[0].removesuffix(".test")
    module = str(project.facts.get("module", ""))
    if path in {module, "command-line-arguments"}:
        return project.root
    return join(project.root, path.removeprefix(f"{module}/"))


def _build_output(path: str, package: _Package, found: _Read) -> str:
    """Return what the compiler said of a package: with newer Go in events of its own, else as text before them."""
    own = [
        line
        for name, lines in found.builds.items()
        if name.split(" ", 1)[0].removesuffix(".test").removesuffix("_test") == path
        for line in lines
    ]
    others = [line for lines in found.builds.values() for line in lines]
    said = own or others or found.text or package.output.get("", [])
    # A heading, `# import/path`, says nothing that is not known, and would be all that a sentence has room for.
    return "".join([line for line in said if not line.startswith("# ")] or said)


def _clean(text: str, tree: Path) -> str:
    """Return a text without the checkout's path, times and addresses left as they are."""
    return shortened(text[: 4 * MAX_REASON].replace(f"{tree}/", ""), MAX_REASON).strip()


def _number(value: object) -> int:
    """Return a whole number; 255 for anything else."""
    return value if isinstance(value, int) else 255


def _problem(
    found: _Read, result: SandboxResult, verdicts: Mapping[str, TestVerdict.ValueType], unbuilt: Mapping[str, str]
) -> str:
    """Return why the run shows nothing in full; empty where events and exit status agree."""
    return next(filter(None, _disagreements(found, result, verdicts, unbuilt)), "")


def _disagreements(
    found: _Read,
    result: SandboxResult,
    verdicts: Mapping[str, TestVerdict.ValueType],
    unbuilt: Mapping[str, str],
) -> Iterator[str]:
    """Say each thing that does not fit, the weightiest first."""
    if found.wrong:
        yield "The report holds a line that is no event of go test."
    if found.end is None:
        yield f"go test never came to its end: its report has no end mark (exit status {result.exit_code})."
    if not found.packages:
        said = shortened(" ".join("".join(found.text).split()), 300)
        yield f"go test found no packages (exit status {result.exit_code}){f': {said}' if said else '.'}"
    for path, package in found.packages.items():
        if not package.end:
            yield f"go test said no end of package {path}."
        if package.twice:
            yield f"A test of package {path} ended twice: something else printed events too."
    bad = bool(unbuilt) or any(verdict == _FAILED for verdict in verdicts.values())
    if bool(result.exit_code) != bool(found.end):
        yield f"go test ended with status {found.end} and its script with {result.exit_code}."
    if found.end and not bad:
        path = next((path for path, package in found.packages.items() if package.end == "fail"), "")
        yield f"go test ended with status {found.end} although no test failed{f' (package {path})' if path else ''}."
    if bad and not found.end:
        yield "go test ended with status 0 although a test failed."

"""Reads the events that our script wrote of libtest's logs, and holds them against counts and exit status."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from miyabi.coordinator.v1.result_pb2 import TestVerdict
from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.ending import broke
from miyabi_agents.toolchains.port import RunVerdicts
from miyabi_core.text import shortened

#: Name of the report.
NAME = "cargo.jsonl"
#: Longest line, and most lines, of a report.
MAX_LINE, MAX_EVENTS = 64 * 1024, 500_000
#: Longest reason that is kept.
MAX_REASON = 2000

_FAILED = TestVerdict.TEST_VERDICT_FAILED
_STATUS = {"passed": TestVerdict.TEST_VERDICT_PASSED, "failed": _FAILED, "skipped": TestVerdict.TEST_VERDICT_SKIPPED}


def read(result: SandboxResult, *, tree: Path) -> RunVerdicts:
    """Return the verdicts of a run; a test that is compiled into two targets and fails in one has failed."""
    verdicts: dict[str, TestVerdict.ValueType] = {}
    reasons: dict[str, str] = {}
    unbuilt: dict[str, str] = {}
    problems: list[str] = []
    counts: Counter[str] = Counter()
    end: int | None = None
    for event in _events(result.report.get(NAME, b""), problems):
        kind, name = event.get("kind"), str(event.get("name", ""))[:1500]
        text = shortened(str(event.get("message", "")).replace(f"{tree}/", ""), MAX_REASON)
        if kind == "test" and not name:
            problems.append("the report holds a test without a name")
        elif kind == "test" and event.get("status") in _STATUS:
            name = name if not name.partition("::doc ")[1] else _numbered(name, counts)
            if verdicts.get(name) != _FAILED:
                verdicts[name] = _STATUS[event["status"]]
            if verdicts[name] == _FAILED and text:
                reasons[name] = text
        elif kind == "unbuilt":
            unbuilt[name] = text
        elif kind == "problem":
            problems.append(shortened(str(event.get("problem")), 500))
        elif kind == "binary":
            problems += _disagreement(event)
        elif kind == "end":
            end = event["status"] if isinstance(event.get("status"), int) else 255
    bad = bool(unbuilt) or any(verdict == _FAILED for verdict in verdicts.values())
    problem = broke(result) or _problem(result, end, bad=bad, problems=problems)
    return RunVerdicts(verdicts, complete=not problem, problem=problem, unbuilt=unbuilt, reasons=reasons)


def _numbered(name: str, counts: Counter[str]) -> str:
    """Return the name of a doc test; several of one item are numbered, since their lines change."""
    counts[name] += 1
    return name if counts[name] == 1 else f"{name} [#{counts[name]}]"


def _events(report: bytes, problems: list[str]) -> Iterator[Mapping[str, Any]]:
    """Read the events of a report."""
    for number, line in enumerate(report.split(b"\n")):
        if not line.strip():
            continue
        try:
            event = json.loads(line) if len(line) <= MAX_LINE and number < MAX_EVENTS else None
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            problems.append("the report holds a line that is no event of it")
            return
        yield event


def _disagreement(event: Mapping[str, Any]) -> list[str]:
    """Return what does not fit in one binary's counts and status."""
    name, status, failed = event.get("name"), event.get("status"), event.get("failed")
    if event.get("tests") != event.get("verdicts"):
        return [f"{name} has {event.get('tests')} tests and said a verdict on {event.get('verdicts')}"]
    if bool(status) != bool(failed):
        return [f"{name} ended with status {status} and {failed} failed tests"]
    return []


def _problem(result: SandboxResult, end: int | None, *, bad: bool, problems: list[str]) -> str:
    """Return why the run shows nothing in full; empty where everything agrees."""
    if end is None:
        return f"cargo test never came to its end: its report has no end mark (exit status {result.exit_code})."
    if problems:
        return f"cargo test: {problems[0]}."
    if bool(end) != bool(result.exit_code) or bool(end) != bad:
        return f"cargo test ended with status {result.exit_code}, which does not fit its verdicts."
    return ""

"""Folds pytest's reports of phases into one outcome a test, and writes them down."""

# Paths are text here: tests may have changed pathlib in this very interpreter.
# ruff: noqa: PTH119
from __future__ import annotations

import os
from typing import Any

from . import variables
from .names import Names
from .sink import Sink, clean

#: From best to worst: a test is as bad as its worst phase.
ORDER = ("passed", "skipped", "blocked", "failed")
#: Lines of a collection's error that are kept, from its end, where the exception stands.
TAIL_LINES = 25


def reason_of(report: Any) -> str:
    """Return the first lines of why a test failed or was skipped, with the place."""
    longrepr = report.longrepr
    if isinstance(longrepr, tuple) and len(longrepr) == 3:
        return clean(longrepr[2])
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None:
        return clean(f"{crash.message[:1700]}\n{os.path.basename(crash.path)}:{crash.lineno}")
    return tail_of(longrepr)


def tail_of(longrepr: object) -> str:
    """Return the last lines of an error's text."""
    text = str(getattr(longrepr, "longrepr", longrepr))
    return clean("\n".join(text[-8_000:].splitlines()[-TAIL_LINES:])[-2_000:])


class Outcomes:
    """What is known of each test of a run.

    Args:
        sink: Where it is written.
        root: The folder that node ids start from.
        grouped: Node ids end in `@group` (xdist).
    """

    def __init__(self, sink: Sink, root: str, *, grouped: bool) -> None:
        self._sink = sink
        self._root = root
        self._grouped = grouped
        self._names = Names(os.environ.get(variables.TREE, ""))
        self._index: dict[str, int] = {}
        self._phases: dict[int, dict[str, Any]] = {}
        self._ended: dict[int, str] = {}
        self._errors = 0

    def name(self, identities: list[str]) -> None:
        """Give tests their names, in this order, without writing them."""
        for identity in identities:
            self._names.test(identity, self._root)

    def collected(self, identities: list[str]) -> None:
        """Write the names of tests that are to be run."""
        for identity in identities:
            self._number(identity)

    def file(self, kind: str, identity: str, text: str) -> None:
        """Write that a file could not be collected, or skips itself."""
        self._errors += kind == "error"
        self._sink.write("file", kind, self._names.file(identity.partition("::")[0] or ".", self._root),
                         self._names.stable(text))  # fmt: skip

    def started(self, identity: str) -> None:
        """Write that a test begins."""
        self._sink.write("start", self._number(identity))

    def phase(self, report: Any) -> None:
        """Take a phase; the last one ends the test."""
        number = self._number(report.nodeid)
        state = self._phases.setdefault(number, {"outcome": "passed", "seconds": 0.0, "reason": "", "call": False})
        state["seconds"] += getattr(report, "duration", 0.0) or 0.0
        if report.outcome == "rerun":
            self._phases.pop(number)
            return
        outcome, reason = self._judge(report)
        if ORDER.index(outcome) > ORDER.index(state["outcome"]):
            state["outcome"], state["reason"] = outcome, reason
        if report.when in {"teardown", "???"}:
            self._end(number, self._phases.pop(number))

    def _judge(self, report: Any) -> tuple[str, str]:
        """Return the outcome of one phase, with the reason."""
        is_subtest = hasattr(report, "context")
        if report.failed:
            blocked = getattr(report, "miyabi_blocked", "")
            return ("blocked", blocked) if blocked else ("failed", reason_of(report))
        if report.skipped and hasattr(report, "wasxfail"):
            return "skipped", clean(f"failed, as it was expected to: {report.wasxfail}")
        if report.skipped and not is_subtest:
            return "skipped", reason_of(report)
        return "passed", ""

    def _end(self, number: int, state: dict[str, Any]) -> None:
        """Write the outcome of a test."""
        self._ended[number] = state["outcome"]
        reason = self._names.stable(state["reason"])
        self._sink.write("end", number, state["outcome"], round(state["seconds"], 4), reason)

    def _number(self, identity: str) -> int:
        """Return the number of a test; writes its name where it is new."""
        if self._grouped and identity.rfind("@") > identity.rfind("]"):
            identity = identity.rpartition("@")[0]
        if identity not in self._index:
            self._index[identity] = len(self._index)
            self._sink.write("test", self._index[identity], self._names.test(identity, self._root))
        return self._index[identity]

    def summary(self) -> dict[str, Any]:
        """Return the counts of the whole run."""
        failed = sum(outcome in {"failed", "blocked"} for outcome in self._ended.values())
        return {"tests": len(self._index), "ended": len(self._ended), "failed": failed, "errors": self._errors}

"""A run is complete only where the sandbox, the status and the report agree that it came to its end."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest

from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains import port
from miyabi_agents.toolchains.python.runners import read
from miyabi_agents.toolchains.python.runners.report.miyabi_report.sink import code_of

KEY = bytes(range(16))
PROJECT = port.Project("python", ".", "pytest", "")
RUN = port.TestRun(["python", "-m", "pytest"], environment={"MIYABI_REPORT_KEY": KEY.hex()})
BEGUN = [["begin", "pytest", "9"], ["test", 0, "t.py::a"], ["test", 1, "t.py::b"], ["start", 0], ["end", 0, "passed", 0, ""],
         ["start", 1]]  # fmt: skip
ENDED = [*BEGUN, ["end", 1, "failed", 0, "no"]]


def done(**other):
    """Return the end of a run with two tests, one failed."""
    return ["done", {"tests": 2, "ended": 2, "failed": 1, "errors": 0, "status": 1, "gate": "", "foreign": {}, "replaced": [],
                     **other}]  # fmt: skip


def written(records):
    """Return a report as its writer writes it."""
    lines = [json.dumps(record).encode() for record in records]
    return b"".join(code_of(KEY, n, line).encode() + b" " + line + b"\n" for n, line in enumerate(lines))


def result(records, exit_code=1, **other):
    """Return how a run ended, with its report."""
    return SandboxResult(exit_code, "", timedelta(), report={"pytest-1-00.jsonl": written(records)}, **other)


@pytest.mark.parametrize(
    ("records", "exit_code", "other", "problem"),
    [
        ([*ENDED, done()], 1, {}, ""),
        (BEGUN, -11, {}, "the runner was ended by signal 11 (segmentation fault) while t.py::b ran"),
        (BEGUN, 139, {}, "the runner was ended by signal 11 (segmentation fault) while t.py::b ran"),
        (BEGUN, -9, {"limit_hit": "memory"}, "the run passed its limit of memory while t.py::b ran"),
        (BEGUN, -9, {"timed_out": True}, "the run did not end within its time while t.py::b ran"),
        (
            [*ENDED, done()],
            1,
            {"report_cut": True},
            "the report is larger than 64 MiB, or holds something that is no file",
        ),
        ([*ENDED, done()], 1, {"limit_hit": "disk"}, "the run passed its limit of disk"),
        ([*ENDED, done()], -6, {}, "the runner was ended by signal 6 (aborted) after its tests"),
        (BEGUN, 0, {}, "the runner ended with status 0 before its end while t.py::b ran"),
        ([], 125, {}, "the runner was not started and wrote no report"),
        ([*ENDED, done()], 0, {}, "pytest ended with status 0, its report says 1"),
        ([*ENDED, done(tests=3)], 1, {}, "the report counts (3, 2, 1) tests, ended and failed, its lines (2, 2, 1)"),
        ([*ENDED, done(failed=0)], 1, {}, "the report counts (2, 2, 0) tests, ended and failed, its lines (2, 2, 1)"),
        ([*ENDED, done(status=3)], 3, {}, "pytest ended with status 3: it failed itself"),
        ([*ENDED, done(foreign={"a": "/b"})], 1, {}, "the tests import a from /b, not from the change"),
        (
            [*ENDED, done(), ["start", 0]],
            1,
            {},
            "the report is not to be believed: line 9 follows the end of the report",
        ),
        ([["test", 5, "x"]], 1, {}, "the report is not to be believed: a test out of order"),
    ],
)
def test_ends(records, exit_code, other, problem):
    """Each way to end has its sentence, with the test that ran."""
    found = read(PROJECT, RUN, result(records, exit_code, **other), tree=Path("/nonexistent"))
    assert (found.problem, found.complete) == (problem, not problem)


def test_a_line_that_was_moved():
    """Lines are bound to their places: one that is left out or repeated shows."""
    lines = written([*ENDED, done()]).splitlines(keepends=True)
    for content in (lines[:4] + lines[5:], [*lines[:5], lines[4], *lines[5:]], lines[1:]):
        report = SandboxResult(1, "", timedelta(), report={"pytest-1-00.jsonl": b"".join(content)})
        assert "was not written by the runner" in read(PROJECT, RUN, report, tree=Path("/nonexistent")).problem


def test_a_large_report():
    """Thirty thousand tests are read in linear time."""
    count = 30_000
    records = [["begin", "pytest", "9"], *(["test", n, f"t.py::test[{n}]"] for n in range(count))]
    records += [record for n in range(count) for record in (["start", n], ["end", n, "passed", 0.01, ""])]
    given = result([*records, done(tests=count, ended=count, failed=0, status=0)], 0)
    began = time.process_time()
    found = read(PROJECT, RUN, given, tree=Path("/nonexistent"))
    assert (len(found.verdicts), found.problem) == (count, "")
    assert time.process_time() - began < 4


def test_no_key():
    """A run without a key has no verdict."""
    found = read(PROJECT, port.TestRun(["x"]), result([]), tree=Path("/nonexistent"))
    assert found.problem == "the report is not to be believed: the run has no key"

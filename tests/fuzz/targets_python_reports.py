"""What reads strangers' Python: reports of runs, files of tests, names of tests, imports."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from miyabi_agents.ports import SandboxResult
from miyabi_agents.toolchains.port import Project, TestRun
from miyabi_agents.toolchains.python.runners import code_of, file_of, group_of, own_tests, read
from miyabi_agents.toolchains.python.runners.discovery import harness_changed, is_harness
from miyabi_agents.toolchains.python.runners.imports import Graph, scan
from miyabi_agents.toolchains.python.runners.records import ForgedError, parse
from miyabi_agents.toolchains.python.runners.report.miyabi_report import variables
from miyabi_agents.toolchains.python.runners.report.miyabi_report.sink import code_of as mark

#: A key for reports; any will do.
KEY = bytes(16)
_PROJECT = Project("python", ".", "pytest", "")
_RUN = TestRun(["python", "-m", "pytest"], environment={variables.KEY: KEY.hex()})


def _signed(data: bytes) -> bytes:
    """Return a report whose lines have the right codes, so that what they say is looked at."""
    lines = data.split(b"\n")
    return b"".join(mark(KEY, n, line).encode() + b" " + line + b"\n" for n, line in enumerate(lines))


def fuzz_report(data: bytes) -> None:
    """A report, forged and with codes that are right."""
    for content in (data, _signed(data)):
        with suppress(ForgedError):
            parse(content, KEY)
        report = {"pytest-1-00.jsonl": content}
        found = read(_PROJECT, _RUN, SandboxResult(0, "", timedelta(), report=report), tree=Path("/nonexistent"))
        json.dumps([dict(found.verdicts), found.problem, dict(found.unbuilt), dict(found.reasons), found.gate])
        assert found.complete is not bool(found.problem)


def fuzz_tests(data: bytes) -> None:
    """A file of tests, before and after a change."""
    before, _, after = data.partition(b"\0\0")
    found = own_tests("tests/test_a.py", before, after or before)
    assert after or found.added | found.edited | found.removed <= {"tests/test_a.py"}
    for group in sorted(found.added | found.edited | found.removed)[:3]:
        code_of(after, group)
        code_of(before, group)


def fuzz_names(data: bytes) -> None:
    """A name of a test, and a path."""
    name = data.decode("utf-8", "replace")
    assert group_of(group_of(name)) == group_of(name)
    assert name.startswith(file_of(name))
    is_harness(name)
    harness_changed("pyproject.toml", b"", data)
    harness_changed("setup.cfg", b"", data)


def fuzz_imports(data: bytes) -> None:
    """A file that is looked through for imports."""
    scan(data)
    Graph({"a/__init__.py": data, "a/b.py": data, "tests/test_a.py": data}, ["a", "."]).closest(["a/b.py"])


#: Each takes any bytes, and raises nothing.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "python_report": fuzz_report,
    "python_tests": fuzz_tests,
    "python_names": fuzz_names,
    "python_imports": fuzz_imports,
}

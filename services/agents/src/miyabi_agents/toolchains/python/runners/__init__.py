"""Runs the tests of Python projects and reads their verdicts from reports."""

from __future__ import annotations

from miyabi_agents.toolchains.python.runners.commands import test_run
from miyabi_agents.toolchains.python.runners.discovery import harness_changed, is_harness, is_support, is_test
from miyabi_agents.toolchains.python.runners.names import file_of, group_of
from miyabi_agents.toolchains.python.runners.own import code_of, own_tests
from miyabi_agents.toolchains.python.runners.reading import read
from miyabi_agents.toolchains.python.runners.selection import select

__all__ = [
    "code_of", "file_of", "group_of", "harness_changed", "is_harness", "is_support", "is_test", "own_tests", "read",
    "select", "test_run",
]  # fmt: skip

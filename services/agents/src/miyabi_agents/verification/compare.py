"""Compares base and change test by test: what proves the change, what it breaks, what was red before."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from miyabi.coordinator.v1.result_pb2 import TestComparison, TestVerdict, VerifyResult
from miyabi_agents.verification.parsers import BLOCKED, FAILED, PASSED, SKIPPED, Verdicts

ABSENT = TestVerdict.TEST_VERDICT_ABSENT
#: Comparisons that a result lists.
MAX_LISTED = 1000


def edited_functions(before: str, after: str) -> tuple[set[str], set[str]]:
    """Return the test functions that a file's change adds and those that it edits, as `Class.method` or `function`.

    A file that cannot be parsed has none.
    """
    old, new = _functions(before), _functions(after)
    added = {name for name in new if name not in old}
    edited = {name for name in new if name in old and new[name] != old[name]}
    return added, edited


def _functions(text: str) -> dict[str, str]:
    """Return each test function's code without its position."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    found = {}
    for node in tree.body:
        members: list[ast.stmt] = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for member in members:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and member.name.startswith("test"):
                found[f"{prefix}{member.name}"] = ast.dump(member)
    return found


def _belongs(test: str, functions: Iterable[str]) -> bool:
    """Tell whether a runner's name is that of one of *functions*."""
    dotted = test.replace("::", ".")
    return any(dotted == name or dotted.endswith(f".{name}") for name in functions)


def compare(
    before: Verdicts, after: Verdicts, *, added: set[str], edited: set[str], declared: set[str]
) -> VerifyResult:
    """Return the counts and the comparisons that are not plainly green on both sides.

    Args:
        before: On base, with the change's test files laid over it.
        after: On the change.
        added: Test functions that the change adds.
        edited: Existing test functions that it edits.
        declared: Tests that it says it edits on purpose.
    """
    result = VerifyResult(total=len(after))
    listed = []
    for test in sorted(before.keys() | after.keys()):
        old, new = before.get(test, ABSENT), after.get(test, ABSENT)
        is_added = _belongs(test, added)
        is_changed = not is_added and (_belongs(test, edited) or test in declared)
        _count(result, old, new, own=is_added or is_changed)
        if (old, new) != (PASSED, PASSED) or is_changed or is_added:
            listed.append(
                TestComparison(test=test, before=old, after=new, added=is_added, changed_expectation=is_changed)
            )
    result.comparisons.extend(sorted(listed, key=_weight)[:MAX_LISTED])
    result.passed = result.failed_before_passed_after > 0 and result.broken == 0 and not _unproved(listed)
    return result


def _count(result: VerifyResult, old: int, new: int, *, own: bool) -> None:
    """Add one test to the counts."""
    blocked = BLOCKED in {old, new}
    result.blocked += blocked
    if blocked:
        return
    red_before = old in {FAILED, ABSENT}
    if own and red_before:
        result.failed_before += 1
        result.passed_after += new == PASSED
        result.failed_before_passed_after += new == PASSED
    if old in {PASSED, SKIPPED} and new in {FAILED, ABSENT}:
        result.broken += 1
    if old == FAILED and new == FAILED and not own:
        result.red_on_base += 1


def _unproved(listed: list[TestComparison]) -> bool:
    """Tell whether a test of the change's own is red on the change."""
    return any((entry.added or entry.changed_expectation) and entry.after == FAILED for entry in listed)


def _weight(entry: TestComparison) -> tuple[int, str]:
    """Put what matters first: broken tests, then the change's own, then the rest."""
    broken = entry.after == FAILED and entry.before == PASSED
    return (0 if broken else 1 if entry.added or entry.changed_expectation else 2, entry.test)

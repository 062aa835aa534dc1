"""Which issues of a batch wait for which others, and whether that can ever end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from miyabi_coordinator.models import IssueFacts

#: `Depends on #12`, `Blocked by: #12, #13 and #14`.
_PHRASE = re.compile(
    r"\b(?:depends\s+on|blocked\s+by)\b[:\s]*(#\d{1,9}(?:\s*(?:,|and|&)\s*(?:and\s+)?#\d{1,9})*)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"#(\d+)")


def dependencies_of(issues: Sequence[IssueFacts]) -> dict[int, tuple[int, ...]]:
    """Return for each issue those of the same batch that come first; the issue itself and others do not count."""
    numbers = {issue.number for issue in issues}
    found: dict[int, tuple[int, ...]] = {}
    for issue in issues:
        named = {int(number) for phrase in _PHRASE.findall(issue.body) for number in _NUMBER.findall(phrase)}
        found[issue.number] = tuple(sorted((named | set(issue.blocked_by)) & numbers - {issue.number}))
    return found


def find_cycle(dependencies: dict[int, tuple[int, ...]]) -> list[int]:
    """Return a circle with its first issue repeated at the end; empty where there is none. Depth is no problem."""
    finished: set[int] = set()
    for start in sorted(dependencies):
        path: list[int] = []
        stack = [(start, False)]
        on_path: set[int] = set()
        while stack:
            number, leaving = stack.pop()
            if leaving:
                on_path.discard(path.pop())
                finished.add(number)
            elif number in on_path:
                return [*path[path.index(number) :], number]
            elif number not in finished:
                path.append(number)
                on_path.add(number)
                stack.append((number, True))
                stack.extend((other, False) for other in reversed(dependencies[number]))
    return []


def dependents_of(dependencies: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Return the inverse: for each issue those that wait for it."""
    waiting: dict[int, list[int]] = {number: [] for number in dependencies}
    for number, before in dependencies.items():
        for other in before:
            waiting[other].append(number)
    return {number: tuple(entries) for number, entries in waiting.items()}

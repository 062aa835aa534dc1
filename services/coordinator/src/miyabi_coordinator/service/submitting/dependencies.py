"""Which issues of a batch wait for which others, and whether that can ever end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from miyabi_coordinator.models import IssueFacts
from miyabi_coordinator.service.submitting.listed_steps import prose

_NUMBERS = r"#\d{1,9}(?:\s*(?:,|and|&|、|と)\s*(?:and\s+)?#\d{1,9})*"
#: `Depends on #12`, `Blocked by: #12, #13 and #14`, `#12 に依存`.
_PHRASE = re.compile(
    rf"\b(?:depend(?:s|ent)?\s+(?:up)?on|blocked\s+(?:by|on))\b[:\s]*({_NUMBERS})"
    rf"|({_NUMBERS})\s*(?:に依存|にブロック|の完了後|の(?:後|あと)に)",
    re.IGNORECASE,
)
#: `- [ ] #12`: how a parent lists its sub-issues in its text.
_SUB_ISSUE = re.compile(r"^\[[ xX]\] #(\d{1,9})\b", re.MULTILINE)
_NUMBER = re.compile(r"#(\d+)")


def dependencies_of(issues: Sequence[IssueFacts]) -> dict[int, tuple[int, ...]]:
    """Return for each issue those of the same batch that come first; the issue itself and others do not count.

    They are named in its text (code and quotations aside), are known to GitHub as blocking it, or are its sub-issues.
    """
    numbers = {issue.number for issue in issues}
    found: dict[int, tuple[int, ...]] = {}
    for issue in issues:
        named = _named(issue.body) | set(issue.blocked_by) | set(issue.sub_issues)
        found[issue.number] = tuple(sorted(named & numbers - {issue.number}))
    return found


def _named(body: str) -> set[int]:
    """Return the issues that a text puts before its own."""
    if "#" not in body:
        return set()
    text = prose(body)
    phrases = (part for pair in _PHRASE.findall(text) for part in pair)
    return {int(number) for phrase in phrases for number in _NUMBER.findall(phrase)} | {
        int(number) for number in _SUB_ISSUE.findall(text)
    }


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

"""Finds what a change writes to keep analysers quiet, and takes its effect away before they look."""

from __future__ import annotations

import re
from collections.abc import Iterable

from miyabi_agents.analysers.base import MEDIUM, RawFinding
from miyabi_agents.verification.targets import is_test

#: Points for a line that tells an analyser to be quiet.
POINTS = 10
#: Longest line that is looked at; longer ones are data.
MAX_LINE = 20_000
#: What begins a comment in the languages that are reviewed, an attribute of Rust among them.
_COMMENT = re.compile(rb"#|//|/\*|<!--|\{/\*")
#: Words that tell some analyser to look away.
_WORDS = re.compile(
    rb"noqa|nosec|nosemgrep|type\s*:\s*ignore|mypy\s*:|ruff\s*:|flake8\s*:|pyright\s*:|pylint\s*:|isort\s*:\s*skip"
    rb"|pragma\s*:|(?:allow|white)list(?: nextline)? secret|gitleaks:allow"
    rb"|eslint-(?:disable|enable|env)|@ts-(?:ignore|nocheck|expect-error)|tslint:|jshint|biome-ignore|oxlint-disable"
    rb"|deno-lint-ignore|prettier-ignore|ast-grep-ignore|istanbul ignore|(?:c8|v8) ignore"
    rb"|nolint|lint:ignore|\[\s*(?:allow|expect|cfg_attr)\s*\(",
    re.IGNORECASE,
)


#: A line of a test of types says by it what does not compile; the compiler finds fault where it does.
_EXPECTED = b"@ts-expect-error"


def find(path: str, lines: Iterable[tuple[int, bytes]]) -> list[RawFinding]:
    """Return a finding for each added line that tells an analyser to be quiet."""
    found, kept = [], _kept(path)
    for number, line in lines:
        word = _word_in(line, kept)
        if word is not None:
            text = line[word.start() : word.end()].decode("utf-8", "replace")
            message = f"the change tells an analyser to look away: {text}"
            found.append(RawFinding("suppression", path, number, MEDIUM, POINTS, message))
    return found


def quieted(path: str, lines: list[bytes], changed: Iterable[int]) -> list[bytes]:
    """Return lines with the words of the changed ones made meaningless, at the same length."""
    wanted, kept = set(changed), _kept(path)
    return [_without(line, kept) if number in wanted else line for number, line in enumerate(lines, 1)]


def _kept(path: str) -> frozenset[bytes]:
    """Return the words that are no suppression in a file: what a test expects, it proves."""
    return frozenset({_EXPECTED}) if is_test(path) else frozenset()


def _word_in(line: bytes, kept: frozenset[bytes]) -> re.Match[bytes] | None:
    """Return the first such word behind what begins a comment."""
    comment = _COMMENT.search(line[:MAX_LINE])
    words = _WORDS.finditer(line[:MAX_LINE], comment.start()) if comment else iter(())
    return next((word for word in words if word.group().lower() not in kept), None)


def _without(line: bytes, kept: frozenset[bytes]) -> bytes:
    """Return a line whose words say nothing any more."""
    comment = _COMMENT.search(line)
    if comment is None:
        return line
    head, tail = line[: comment.start()], line[comment.start() :]
    return head + _WORDS.sub(lambda word: word[0] if word[0].lower() in kept else b"x" * len(word[0]), tail)

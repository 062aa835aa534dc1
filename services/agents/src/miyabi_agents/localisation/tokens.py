"""Cuts code and prose into the words that both share."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{1,80}")
_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")
#: Words that say nothing about where.
STOP = frozenset(
    [
        "the",
        "and",
        "for",
        "with",
        "that",
        "this",
        "from",
        "not",
        "are",
        "was",
        "has",
        "have",
        "but",
        "can",
        "should",
        "when",
        "which",
        "will",
        "would",
        "into",
        "than",
        "then",
        "there",
        "their",
        "self",
        "def",
        "return",
        "import",
        "class",
        "none",
        "true",
        "false",
        "str",
        "int",
        "list",
        "dict",
        "set",
        "get",
        "use",
        "using",
        "used",
        "issue",
        "bug",
        "code",
        "example",
        "file",
        "line",
        "test",
        "tests",
        "error",
        "expected",
        "actual",
        "please",
        "django",
        "python",
        "version",
    ]
)


def words(text: str) -> Iterator[str]:
    """Yield identifiers in lower case, and the pieces of compound ones."""
    for match in _WORD.finditer(text):
        word = match.group()
        lower = word.lower()
        if lower not in STOP:
            yield lower
        pieces = [piece.lower() for part in word.split("_") for piece in _PIECE.findall(part)]
        if len(pieces) > 1:
            yield from (piece for piece in pieces if len(piece) > 2 and piece not in STOP)

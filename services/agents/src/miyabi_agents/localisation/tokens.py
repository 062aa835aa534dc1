"""Cuts code and prose into the words that both share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

#: A name or a word, of at least two and at most 80 letters; what is longer is data.
WORD = re.compile(r"[^\W\d]\w{1,79}")
#: Pieces of compound names: `HTTPServer2` is `HTTP` and `Server2`.
_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+[0-9]*|[^\WA-Za-z0-9_]+")
#: Shortest piece that is a word of its own: shorter ones are everywhere.
MIN_PIECE = 3
#: Words of English, and of most languages of programming, that say nothing about where.
STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "def",
        "did",
        "do",
        "does",
        "else",
        "false",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "import",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "me",
        "my",
        "no",
        "none",
        "not",
        "of",
        "on",
        "or",
        "our",
        "return",
        "self",
        "should",
        "so",
        "some",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "true",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)


@lru_cache(maxsize=200_000)
def terms_of(identifier: str) -> tuple[str, ...]:
    """Return a name in lower case with the pieces that it is made of; nothing for a word that says nothing."""
    lower = identifier.lower()
    whole = () if lower in STOP else (lower,)
    if identifier.islower() and "_" not in identifier:
        return whole
    pieces = dict.fromkeys(piece.lower() for piece in _PIECE.findall(identifier))
    return (
        *whole,
        *(piece for piece in pieces if len(piece) >= MIN_PIECE and piece != lower and piece not in STOP),
    )


def words(text: str) -> Iterator[str]:
    """Yield the words of a text in their order, compound names with their pieces."""
    return terms(WORD.findall(text))


def terms(identifiers: Iterable[str]) -> Iterator[str]:
    """Yield the words of names."""
    for identifier in identifiers:
        yield from terms_of(identifier)

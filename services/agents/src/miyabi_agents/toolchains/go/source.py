"""Reads Go as tokens, in linear time: what a file imports, and the functions and values that it declares."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Longest file that is looked at.
MAX_CHARACTERS = 1 << 20
#: One token. Every alternative takes what it begins to its end or to the end of the file.
_TOKEN = re.compile(
    r"""\s+|(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)|(?P<text>"(?:[^"\\\n]|\\.)*"?|`[^`]*`?|'(?:[^'\\\n]|\\.)*'?)"""
    r"""|(?P<word>\w+)|(?P<sign>.)""",
    re.DOTALL,
)
#: Functions that `go test` runs; benchmarks are not run.
_TEST = re.compile(r"(?:Test|Fuzz|Example)(?:[^a-z].*)?$")
#: Words that begin a declaration at the top of a file.
_DECLARES = {"func", "var", "const", "type"}


@dataclass(frozen=True)
class Declaration:
    """One declaration at the top of a file."""

    name: str  #: of the function, or of the first value; methods have their receiver's type before it
    digest: str
    uses: frozenset[str]  #: every word in it
    start: int
    end: int

    @property
    def is_test(self) -> bool:
        """Whether `go test` runs it."""
        return bool(_TEST.match(self.name))


def declarations(text: str) -> list[Declaration]:
    """Return what a file declares at its top, in order; each ends where the next begins."""
    found = [match for match in _TOKEN.finditer(text[:MAX_CHARACTERS]) if match.lastgroup in {"text", "word", "sign"}]
    depth = 0
    starts: list[int] = []
    for index, match in enumerate(found):
        if match.lastgroup == "sign":
            depth += {"{": 1, "(": 1, "[": 1, "}": -1, ")": -1, "]": -1}.get(match[0], 0)
        elif depth <= 0 and match.lastgroup == "word" and match[0] in _DECLARES and _begins_line(text, match.start()):
            starts.append(index)
            depth = 0
    return [_declaration(found[start:end]) for start, end in pairwise([*starts, len(found)])]


def _begins_line(text: str, position: int) -> bool:
    return position == 0 or text[position - 1] == "\n"


def _declaration(tokens: Sequence[re.Match[str]]) -> Declaration:
    """Return one declaration of its tokens."""
    words = [match[0] for match in tokens if match.lastgroup == "word"]
    signs = [match[0] for match in tokens[:2]]
    method = signs == ["func", "("]
    name = words[1] if len(words) > 1 else ""
    if method:
        inside = next((index for index, match in enumerate(tokens) if match[0] == ")"), 0)
        name = ".".join(match[0] for match in tokens[inside - 1 : inside + 2] if match.lastgroup == "word")
    digest = hashlib.sha256("\0".join(match[0] for match in tokens).encode("utf-8", "replace")).hexdigest()
    declared = set(words[:1]) | _values(tokens) if words[:1] in (["var"], ["const"], ["type"]) else set()
    return Declaration(name, digest, frozenset({*words, *declared}), tokens[0].start(), tokens[-1].end())


def _values(tokens: Sequence[re.Match[str]]) -> set[str]:
    """Return nothing more than the words themselves: a group of values counts as one declaration."""
    return {match[0] for match in tokens if match.lastgroup == "word"}


_IMPORTS = re.compile(r"^import[ \t]*(?:\(([^)]*)\)|(?:[\w.]+[ \t]+)?\"([^\"\n]*)\")", re.MULTILINE)
_QUOTED = re.compile(r"\"([^\"\n]{1,500})\"")


def imports(text: str) -> list[str]:
    """Return the packages that a file imports; build tags are not looked at."""
    found: list[str] = []
    for match in _IMPORTS.finditer(text[: 64 * 1024]):
        found += [match[2]] if match[2] else _QUOTED.findall(match[1] or "")
    return found

"""Ranks the files of a checkout for an issue: words in common, symbols it names, paths and traces it shows."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from miyabi_agents.localisation.tokens import words

#: Files that are indexed.
SUFFIXES = frozenset({".py", ".pyi", ".js", ".ts", ".tsx", ".svelte", ".go", ".rs", ".java", ".rb", ".c", ".h", ".cpp"})
#: Larger files are generated or data.
MAX_INDEXED_BYTES = 400_000
#: BM25's constants, as usual (Robertson and Zaragoza, 2009).
K1, B = 1.2, 0.75
#: Weights beside the words in common (1.0 for the best file).
PATH_BONUS, TRACE_BONUS, MODULE_BONUS, SYMBOL_BONUS = 3.0, 2.5, 2.0, 1.5
#: Tests and documentation are rarely where a bug is mended.
SIDE_FACTOR = 0.4

_PATH = re.compile(r"[\w./-]+\.(?:py|pyi|js|ts|tsx|svelte|go|rs|java|rb|c|h|cpp)\b")
_TRACE = re.compile(r'File "([^"]+)", line (\d+)')
_DOTTED = re.compile(r"\b[a-z_]\w*(?:\.\w+)+\b")
_SYMBOL = re.compile(r"`([A-Za-z_][\w.]*)|\b([A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+)\b|\b([a-z]+_[a-z_0-9]+)\b")


@dataclass(frozen=True)
class Candidate:
    """A file that an issue may be about."""

    path: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Document:
    """An indexed file."""

    counts: Counter[str]
    length: int
    symbols: frozenset[str]


class CodeIndex:
    """A lexical index of one checkout; building it takes CPU time, so build it off the event loop."""

    def __init__(self, documents: dict[str, _Document]) -> None:
        self._documents = documents
        self._average = sum(document.length for document in documents.values()) / max(1, len(documents))
        self._frequency = Counter(word for document in documents.values() for word in document.counts)

    @classmethod
    def build(cls, paths: Iterable[str], read: Callable[[str], bytes]) -> CodeIndex:
        """Index the source files among *paths*; a file that cannot be read is left out."""
        documents = {}
        for path in paths:
            if PurePosixPath(path).suffix not in SUFFIXES:
                continue
            try:
                content = read(path)
            except Exception:  # noqa: BLE001, S112 - one odd file must not spoil the index
                continue
            if len(content) <= MAX_INDEXED_BYTES:
                documents[path] = _document(path, content.decode("utf-8", "replace"))
        return cls(documents)

    def rank(self, text: str, *, limit: int = 12) -> list[Candidate]:
        """Return the files that *text* is most likely about, best first."""
        lexical = self._lexical(text)
        best = max(lexical.values(), default=0.0) or 1.0
        scores: defaultdict[str, float] = defaultdict(float, {path: value / best for path, value in lexical.items()})
        reasons: dict[str, list[str]] = {path: ["words in common"] for path in scores}
        for path, bonus, reason in self._mentions(text):
            scores[path] += bonus
            reasons.setdefault(path, []).append(reason)
        for path in scores:
            if _is_side(path):
                scores[path] *= SIDE_FACTOR
        ordered = sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))
        return [Candidate(path, round(value, 4), tuple(reasons[path])) for path, value in ordered[:limit]]

    def _lexical(self, text: str) -> dict[str, float]:
        """Score files by the words that they share with *text* (BM25)."""
        total = len(self._documents)
        asked = Counter(words(text))
        scores: dict[str, float] = {}
        for path, document in self._documents.items():
            score = 0.0
            norm = K1 * (1 - B + B * document.length / (self._average or 1))
            for word in asked:
                count = document.counts.get(word)
                if count:
                    known = self._frequency[word]
                    rarity = math.log(1 + (total - known + 0.5) / (known + 0.5))
                    score += rarity * count * (K1 + 1) / (count + norm)
            if score:
                scores[path] = score
        return scores

    def _mentions(self, text: str) -> Iterable[tuple[str, float, str]]:
        """Yield files that *text* names: by path, in a trace, as a module, by a symbol that they define."""
        for match in _PATH.finditer(text):
            yield from ((path, PATH_BONUS, "named by path") for path in self._ending_with(match.group()))
        for match in _TRACE.finditer(text):
            yield from ((path, TRACE_BONUS, "in a stack trace") for path in self._ending_with(match.group(1)))
        for dotted in {match.group() for match in _DOTTED.finditer(text)}:
            yield from ((path, MODULE_BONUS, "named as a module") for path in self._modules(dotted))
        named = {
            piece for match in _SYMBOL.finditer(text) for group in match.groups() if group for piece in group.split(".")
        }
        for path, document in self._documents.items():
            hits = named & document.symbols
            if hits:
                yield path, SYMBOL_BONUS * min(2, len(hits)), f"defines {', '.join(sorted(hits)[:3])}"

    def _ending_with(self, name: str) -> list[str]:
        """Return files whose path ends with *name*, in whole steps, or the reverse."""
        wanted = PurePosixPath(name).parts
        found = []
        for path in self._documents:
            parts = PurePosixPath(path).parts
            size = min(len(parts), len(wanted))
            if size and parts[-size:] == wanted[-size:] and (size > 1 or len(wanted) == 1):
                found.append(path)
        return found

    def _modules(self, dotted: str) -> list[str]:
        """Return the file of a dotted name: the longest leading part that is a module."""
        parts = dotted.split(".")
        for size in range(len(parts), 1, -1):
            stem = "/".join(parts[:size])
            for path in (f"{stem}.py", f"{stem}/__init__.py"):
                if path in self._documents:
                    return [path]
        return []


def _is_side(path: str) -> bool:
    """Tell whether a file is a test, an example or documentation."""
    parts = PurePosixPath(path).parts
    return any(part in {"tests", "test", "testing", "docs", "examples", "js_tests"} for part in parts) or parts[
        -1
    ].startswith("test_")


def _document(path: str, text: str) -> _Document:
    """Index one file; the words of its path count too."""
    counts = Counter(words(f"{path.replace('/', ' ')}\n{text}"))
    return _Document(counts, sum(counts.values()), frozenset(_symbols(path, text)))


def _symbols(path: str, text: str) -> Iterable[str]:
    """Yield the names that a Python file defines."""
    if not path.endswith(".py"):
        return
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name

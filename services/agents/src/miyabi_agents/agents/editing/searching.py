"""Searches all files for a regular expression, in time that grows with their size only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import re2

from miyabi_agents.agents.editing.files import normal
from miyabi_agents.agents.editing.globs import fits
from miyabi_agents.agents.editing.reading import open_lines
from miyabi_agents.agents.editing.text.encodings import is_utf8
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.ports import Tree
from miyabi_agents.workspace.objects import EntryKind
from miyabi_core.text import exact, shortened, split_lines

#: Matching lines that a search returns.
MAX_HITS = 60
#: Longest line that is shown.
MAX_SHOWN = 300
#: Longest part of a line that is searched; longer lines are data.
MAX_SEARCHED = 20_000
#: Characters that mean something in an expression.
_META = frozenset(r"\.^$*+?{}[]|()")
#: Begins and ends of the whole text, which a search by lines takes for those of a line.
_WHOLE = re.compile(r"\\[Az]")
#: Lines that are asked at once whether any is a match.
BATCH = 1000
#: A NUL within so many bytes makes a file binary, as for git.
_LOOKED_AT = 8000


@dataclass(frozen=True)
class Query:
    """What is searched for.

    Args:
        text: As the model wrote it.
        literal: Whether it stands for itself.
        ignore_case: Whether small letters are large ones.
    """

    text: str
    literal: bool = False
    ignore_case: bool = False

    def finder(self) -> re2._Regexp:
        """Return the compiled expression.

        Raises:
            re2.error: it is none that RE2 can do.
        """
        options = re2.Options()
        options.log_errors = False
        options.literal = self.literal
        options.case_sensitive = not self.ignore_case
        return re2.compile(self.text if self.literal else f"(?m){self.text}", options)


def usable(query: Query) -> tuple[Query, str]:
    """Return a query that can be run: one that is no expression stands for itself, and that is said."""
    try:
        query.finder()
    except re2.error as error:
        words = error.args[0] if error.args else ""
        said = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
        said = shortened(said.replace("(?m)", ""), 200)
        note = f"query is no regular expression ({said}), so it was searched for as plain text"
        return Query(query.text, literal=True, ignore_case=query.ignore_case), note
    return query, ""


@dataclass
class Search:
    """One search.

    Args:
        tree: What is searched.
        query: What for.
        path: The folder or file that is searched; empty: all.
        glob: Which files.
        context: Lines that are shown around each match.
    """

    tree: Tree
    query: Query
    path: str = ""
    glob: str = ""
    context: int = 0

    def run(self) -> str:
        """Return the matches, one line each, with what was left out."""
        query, note = usable(self.query)
        notes = [note] if note else []
        found = self._found(query)
        if not found and not query.literal and _META & set(query.text):
            literal = Query(query.text, literal=True, ignore_case=query.ignore_case)
            found = self._found(literal)
            if found:
                notes.append("as a regular expression query matches nothing; these lines hold it as plain text")
        return "\n".join([*(found or ["nothing found"]), *(f"({words})" for words in notes)])

    def _found(self, query: Query) -> list[str]:
        """Look through the files."""
        finder, told, hits = query.finder(), list[str](), 0
        for path in self._paths():
            lines = self._lines(path, finder, query)
            if lines is None:
                continue
            groups = list(_groups(lines, finder, self.context, MAX_HITS + 1 - hits))
            for group in groups:
                for number, line, hit in group:
                    hits += hit
                    if hits > MAX_HITS:
                        return [
                            *told,
                            f"({MAX_HITS} matching lines are shown, there are more: narrow query, path or glob)",
                        ]
                    mark = ":" if hit else "-"
                    told.append(f"{exact(path)}{mark}{number}{mark}{shortened(line, MAX_SHOWN)}")
                if self.context:
                    told.append("--")
        return told[:-1] if told and self.context else told

    def _paths(self) -> Iterator[str]:
        """Return the files that are searched."""
        below = normal(self.path)
        for path in self.tree.list_files():
            if below and path != below and not path.startswith(f"{below}/"):
                continue
            if fits(self.glob, path):
                yield path

    def _lines(self, path: str, finder: re2._Regexp, query: Query) -> Iterable[str] | None:
        """Return the lines of a file that may hold a match; None of one that cannot, is binary or is gone."""
        try:
            content = self.tree.read(path)
        except WorkspaceError as error:
            if error.code != "TOO_LARGE":
                return None
            return self._opened(path)
        if not is_utf8(content):
            return self._opened(path)
        if b"\0" in content[:_LOOKED_AT]:
            return self._opened(path) if b"\0" in content[:4] else None
        plain = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content
        if _WHOLE.search(query.text) is None and finder.search(plain) is None:
            return None
        return split_lines(content.decode("utf-8"))

    def _opened(self, path: str) -> Iterable[str] | None:
        """Open a file whose encoding has to be told, or that is too large to be held."""
        try:
            found = self.tree.entry(path)
            return open_lines(self.tree, found).lines if found.kind is EntryKind.FILE else None
        except (ValueError, WorkspaceError):
            return None


def _matched(lines: Iterable[str], finder: re2._Regexp) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it is a match; lines are first asked many at once, which is far faster."""
    waiting = iter(lines)
    while batch := list(islice(waiting, BATCH)):
        texts = [line[:MAX_SEARCHED].encode("utf-8", "replace") for line in batch]
        some = finder.search(b"\n".join(texts)) is not None or _WHOLE.search(finder.pattern) is not None
        for line, text in zip(batch, texts, strict=True):
            yield line, some and finder.search(text) is not None


def _groups(
    lines: Iterable[str], finder: re2._Regexp, context: int, most: int
) -> Iterator[list[tuple[int, str, bool]]]:
    """Yield runs of lines around matches, each with its number and whether it is one, up to a number of matches."""
    before: list[tuple[int, str, bool]] = []
    group: list[tuple[int, str, bool]] = []
    left = hits = 0
    for number, (line, hit) in enumerate(_matched(lines, finder), 1):
        hits += hit
        if hit:
            group += [*before, (number, line, True)]
            before, left = [], context
        elif left:
            group.append((number, line, False))
            left -= 1
        else:
            before = [*before, (number, line, False)][-context:] if context else []
            if group and len(before) == context:
                yield group
                group = []
        if hits >= most:
            break
    if group:
        yield group

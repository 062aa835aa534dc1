"""A view of base's files that parses manifests within bounds and remembers what it parsed."""

from __future__ import annotations

import ast
import configparser
import fnmatch
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from posixpath import basename, dirname, join, normpath

from miyabi_agents.toolchains import toml
from miyabi_agents.toolchains.port import BaseFiles

#: Longest manifest that is parsed; the longest known ones are some ten thousand lines.
MAX_MANIFEST_BYTES = 256 * 1024
#: Longest lock file that is parsed: what a read gives at most.
MAX_LOCK_BYTES = 1 << 20
#: Deepest nesting of brackets in a program that is parsed; deeper ones are written against parsers.
MAX_NESTING = 60
#: Longest pattern of file names that is tried, and with at most this many asterisks.
MAX_PATTERN = (200, 8)

Table = Mapping[str, object]


def table(value: object) -> Table:
    """Return *value* where it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def strings(value: object) -> tuple[str, ...]:
    """Return the strings of a list; a string alone counts as its words."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def text_of(value: object) -> str:
    """Return *value* where it is text, else nothing."""
    return value if isinstance(value, str) else ""


def within(folder: str, path: str) -> bool:
    """Tell whether *path* is *folder* or lies in it."""
    return folder in ("", ".") or path == folder or path.startswith(folder + "/")


def joined(folder: str, path: str) -> str | None:
    """Return a path that is relative to *folder* as one of the repository; None where it leads out."""
    whole = normpath(join(folder, path))
    return None if whole.startswith(("../", "/")) or whole == ".." or "\0" in whole else whole


def matches(name: str, pattern: str) -> bool:
    """Match a name of a file; patterns that are dear to try match nothing."""
    length, asterisks = MAX_PATTERN
    if len(pattern) > length or pattern.count("*") > asterisks:
        return False
    return fnmatch.fnmatchcase(name, pattern)


class Tree:
    """Base's files, by path.

    Args:
        base: Where they come from; data of strangers.
    """

    def __init__(self, base: BaseFiles) -> None:
        self._base = base
        self._toml: dict[str, Table] = {}
        self._text: dict[str, str | None] = {}

    @property
    def committed(self) -> datetime:
        """When the commit was made."""
        return self._base.committed

    @cached_property
    def paths(self) -> Sequence[str]:
        """All paths, sorted."""
        return tuple(self._base.paths())

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.paths)

    @cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds something; `.` for the repository."""
        found = {"."}
        for path in self.paths:
            folder = dirname(path)
            while folder and folder not in found:
                found.add(folder)
                folder = dirname(folder)
        return frozenset(found)

    def has(self, path: str) -> bool:
        """Tell whether a file is there."""
        return path in self._known

    def files_of(self, folder: str) -> Iterator[str]:
        """List the files that lie directly in a folder."""
        return (path for path in self.paths if (dirname(path) or ".") == folder)

    def text(self, path: str, *, limit: int = MAX_MANIFEST_BYTES) -> str | None:
        """Return a file's text; None where it is not there or longer than *limit* bytes."""
        if path not in self._known:
            return None
        if path not in self._text:
            content = self._base.read(path)
            short = content is not None and len(content) < MAX_LOCK_BYTES
            self._text[path] = content.decode("utf-8", "replace") if content is not None and short else None
        text = self._text[path]
        return text if text is not None and len(text) <= limit else None

    def head(self, path: str, *, limit: int) -> str:
        """Return the first *limit* bytes of a file, which is not kept; empty where it is not there."""
        content = self._base.read(path) if path in self._known else None
        return (content or b"")[:limit].decode("utf-8", "replace")

    def toml(self, path: str, *, limit: int = MAX_MANIFEST_BYTES) -> Table:
        """Return a TOML file's table; empty where it is not there, too long or no TOML."""
        if path not in self._toml:
            self._toml[path] = _toml(self.text(path, limit=limit) or "")
        return self._toml[path]

    def json(self, path: str) -> Table:
        """Return a JSON file's table; empty where it is not there or none."""
        try:
            return table(json.loads(self.text(path, limit=MAX_LOCK_BYTES) or "{}"))
        except (ValueError, RecursionError):
            return {}

    def ini(self, path: str) -> Mapping[str, Mapping[str, str]]:
        """Return an INI file's sections; empty where it is not there or none."""
        return ini(self.text(path) or "")

    def module(self, path: str) -> ast.Module | None:
        """Return a program's syntax tree; None where it is not there or cannot be parsed within bounds."""
        return module(self.text(path))


def _toml(text: str) -> Table:
    try:
        return toml.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return {}


def ini(text: str) -> Mapping[str, Mapping[str, str]]:
    """Return the sections of INI text; empty where it is none."""
    # No section is one of defaults, which would be copied into every other: that takes the square of the text.
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="\0")
    try:
        parser.read_string(text)
        return {name: {key: value or "" for key, value in parser.items(name)} for name in parser.sections()}
    except (configparser.Error, ValueError, AttributeError):
        return {}


def module(text: str | None) -> ast.Module | None:
    """Parse a program of strangers; None where it is deeper than any honest one or is none."""
    if text is None or _depth(text) > MAX_NESTING:
        return None
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _depth(text: str) -> int:
    """Return how deep brackets are nested; those in strings count, which errs on the safe side."""
    deepest = depth = 0
    for bracket in re.findall(r"[(\[{)\]}]", text):
        depth = depth + 1 if bracket in "([{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def stem(path: str) -> str:
    """Return a file's name without folder and ending."""
    return basename(path).rpartition(".")[0]

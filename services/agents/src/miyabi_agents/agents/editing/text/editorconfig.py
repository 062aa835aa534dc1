"""What `.editorconfig` files say of a file: its encoding and its line ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from posixpath import dirname

import re2

from miyabi_core.text import split_lines

#: Longest such file, and longest pattern in one, that is read.
MAX_BYTES, MAX_PATTERN = 100_000, 500
#: What is read of it.
_PROPERTIES = frozenset({"charset", "end_of_line"})
#: Characters of a pattern that stand for themselves only behind a backslash.
_PLAIN = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


def properties_of(path: str, read: Callable[[str], bytes | None]) -> Mapping[str, str]:
    """Return charset and end of line of a file, in small letters, where they are said.

    Args:
        path: The file.
        read: Returns the content of a `.editorconfig`; None where there is none.

    Source: EditorConfig specification 0.17.2.
    """
    found: dict[str, str] = {}
    folder = dirname(path)
    while True:
        content = read(f"{folder}/.editorconfig" if folder else ".editorconfig")
        if content is not None:
            below = path[len(folder) + 1 :] if folder else path
            root, said = _said(content[:MAX_BYTES].decode("utf-8-sig", "replace"), below)
            # The nearest file has the last word.
            found = {**said, **found}
            if root:
                return found
        if not folder:
            return found
        folder = dirname(folder)


def _said(text: str, below: str) -> tuple[bool, dict[str, str]]:
    """Return whether a file is the topmost, and what it says of a path below its folder; later sections win."""
    root, said, fits, top = False, dict[str, str](), False, True
    for raw in split_lines(text):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            top, fits = False, _fits(line[1:-1], below)
            continue
        name, _, value = (part.strip().lower() for part in line.partition("="))
        if top and name == "root":
            root = value == "true"
        elif fits and name in _PROPERTIES:
            said[name] = value
    return root, {name: value for name, value in said.items() if value != "unset"}


def _fits(pattern: str, path: str) -> bool:
    """Tell whether a section is about a path, in time that grows with their lengths only."""
    if len(pattern) > MAX_PATTERN:
        return False
    start = "" if "/" in pattern else "(?:.*/)?"
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(start + _expression(pattern.lstrip("/")), options).fullmatch(path) is not None
    except re2.error:
        return False


def _expression(pattern: str) -> str:
    """Return a pattern as a regular expression; braces that are not closed stand for themselves."""
    made, at, open_braces = [], 0, 0
    while at < len(pattern):
        char = pattern[at]
        closing = pattern.find("]", at + 2) if char == "[" else -1
        if pattern.startswith("**/", at):
            made.append("(?:.*/)?")
            at += 2
        elif pattern[at : at + 2] == "**":
            made.append(".*")
            at += 1
        elif char in _PLAIN:
            made.append(_PLAIN[char])
        elif closing > 0 and "/" not in pattern[at:closing]:
            inner = pattern[at + 1 : closing]
            names = re2.escape(inner.removeprefix("!")).replace("\\-", "-")
            made.append(f"[{'^' if inner[0] == '!' else ''}{names}]")
            at = closing
        elif char == "{" and "}" in pattern[at:]:
            made.append("(?:")
            open_braces += 1
        elif char in ",}" and open_braces:
            made.append("|" if char == "," else ")")
            open_braces -= char == "}"
        else:
            at += char == "\\" and at + 1 < len(pattern)
            made.append(re2.escape(pattern[at]))
        at += 1
    return "".join(made)

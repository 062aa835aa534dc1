"""Reads what `#:` lines say of the fields of a class."""

from __future__ import annotations

import ast
import inspect
from textwrap import dedent

from miyabi_core.text import split_lines

#: What a comment begins with that says what the next line is.
_MARK = "#:"


def field_comments(kind: type) -> dict[str, str]:
    """Return what is said of each field of a class of ours, those of its bases too.

    Args:
        kind: The class.
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("miyabi"):
            found |= _own(base)
    return found


def _own(kind: type) -> dict[str, str]:
    """Return what is said of the fields that a class itself has."""
    source = dedent(inspect.getsource(kind))
    lines = split_lines(source)
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    said, end = "", 0
    for entry in body.body:
        if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name):
            # What stands right below another field shares its comment: it is said of them together.
            said = _before(lines, entry.lineno - 1) or (said if entry.lineno == end + 1 else "")
            end = entry.end_lineno or entry.lineno
            found |= {entry.target.id: said} if said else {}
    return found


def _before(lines: list[str], number: int) -> str:
    """Return the `#:` lines right before a line."""
    said: list[str] = []
    while number and lines[number - 1].strip().startswith(_MARK):
        number -= 1
        said.insert(0, lines[number].strip().removeprefix(_MARK).strip())
    return " ".join(said)

"""Which lines of a change its unified diff shows: where GitHub lets an inline comment stand."""

from __future__ import annotations

import re

#: How a hunk begins: lines of the old side, then of the new one (git-diff(1), "Combined diff format" and before it).
_HUNK = re.compile(r"^@@ -\d+(?:,(?P<old>\d+))? \+(?P<begin>\d+)(?:,(?P<new>\d+))? @@")
#: How git names the new side.
_NEW = re.compile(r'^\+\+\+ (?:b/(?P<plain>.*)|"b/(?P<quoted>.*)")$')
#: An escape in a quoted name: three octal digits, or one character (git-config(1), `core.quotePath`).
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def shown_lines(diff: str) -> dict[str, set[int]]:
    """Return the lines of the new side that the hunks of a diff show, context included, by path.

    What looks like a head inside a hunk is content: hunks are as long as they say.

    Args:
        diff: Of git; it may end anywhere.
    """
    found: dict[str, set[int]] = {}
    lines = set[int]()
    old = new = number = 0
    for row in diff.split("\n"):
        if old > 0 or new > 0:
            kind = row[:1]
            if kind != "\\":
                old, new = old - (kind != "+"), new - (kind != "-")
            if kind not in {"-", "\\"}:
                lines.add(number)
                number += 1
        elif (hunk := _HUNK.match(row)) is not None:
            old, new, number = int(hunk["old"] or 1), int(hunk["new"] or 1), int(hunk["begin"])
        elif (named := _NEW.match(row)) is not None:
            lines = found.setdefault(_name(named), set())
    return found


def _name(named: re.Match[str]) -> str:
    """Return a file's name."""
    if named["quoted"] is None:
        return named["plain"].rstrip("\t")
    raw = _ESCAPE.sub(_unescaped, named["quoted"].encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def _unescaped(match: re.Match[bytes]) -> bytes:
    """Return what one escape stands for."""
    escape = match[1]
    return bytes([int(escape, 8) & 0xFF]) if len(escape) > 1 else _ESCAPED.get(escape, escape)

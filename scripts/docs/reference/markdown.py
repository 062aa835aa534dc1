"""Markdown of texts that come from sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

#: Code within a text, which is left as it is.
_CODE = re.compile(r"(`+[^`]+`+)")


def cell(text: str) -> str:
    """Return a text as a cell of a table shows it: one line, nothing in it but code is more than text."""
    parts = _CODE.split(" ".join(text.split()))
    shown = (part if number % 2 else plain(part) for number, part in enumerate(parts))
    return "".join(shown).replace("|", "\\|")


def plain(text: str) -> str:
    """Return a text in which nothing is read as an element or as emphasis."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def prose(text: str) -> str:
    """Return a comment of several paragraphs; nothing in it but code is more than text."""
    return "\n\n".join(cell(paragraph).replace("\\|", "|") for paragraph in re.split(r"\n\s*\n", text.strip()))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown already. Nothing where it has no row."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    if not lines:
        return ""
    head = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join([*head, *lines]) + "\n"


def code(text: str) -> str:
    """Return a text as code within a line; nothing where there is none."""
    return f"`{text}`" if text else ""

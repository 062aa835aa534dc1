"""Fuzz targets of the surfaces that show strangers' text: each takes bytes and returns, or shows that a promise broke."""

from __future__ import annotations

import re
from collections.abc import Callable

from miyabi_cli.terminal import json_line, lines, shown
from miyabi_core.text import (
    Untrusted,
    code,
    commit_message,
    exact,
    fenced,
    inline,
    quoted,
    readable,
    title,
    without_comments,
)

_ACTS = re.compile(r"[@#](?=[A-Za-z0-9])|\bGH-\d", re.IGNORECASE)
_HTML = re.compile(r"(?<!\\)<")


def _stranger(data: bytes) -> Untrusted:
    """Read bytes as a stranger's text: whatever UTF-8 cannot read becomes lone surrogates."""
    return Untrusted(data.decode("utf-8", "surrogateescape"))


def markdown(data: bytes) -> None:
    """GitHub's Markdown: one line, a name, paragraphs, a block."""
    text = _stranger(data)
    prose = [inline(text), quoted(text, budget=4_000)]
    every = [*prose, code(text), fenced(text, budget=4_000)]
    assert not any(_ACTS.search(part.text) for part in every)
    assert not any(_HTML.search(part.text) for part in prose)
    assert every[1].size <= 4_000
    assert every[3].size <= 4_000
    "".join(part.text for part in every).encode()


def commit(data: bytes) -> None:
    """A title and a commit's message."""
    text = _stranger(data)
    message = commit_message(title("fix: {text}", text=text), text, last=title("Made for issue 7."))
    assert not _ACTS.search(message.text)
    assert message.text.endswith("\n\nMade for issue 7.\n")
    message.text.encode()


def comments(data: bytes) -> None:
    """Markdown without comments: what was taken away was there, and taking away is done after one time."""
    text = readable(_stranger(data).raw)
    left = without_comments(text)
    assert len(left) <= len(text)
    assert left.count("\n") == text.count("\n") or "<!--" in text


def terminal(data: bytes) -> None:
    """The terminal and JSON for machines."""
    text = _stranger(data)
    for part in (shown(text), lines(text)):
        assert all(char.isprintable() or char in "\n\t\u3000" for char in part.plain)
    assert exact(json_line({"text": text.raw})).isprintable()


#: By the name under which `make fuzz` keeps a corpus.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "text_comments": comments,
    "text_commit": commit,
    "text_markdown": markdown,
    "text_terminal": terminal,
}

"""The surfaces of one line and of a commit's message, both of which GitHub reads for more than it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias, final

from miyabi_core.text.characters import readable
from miyabi_core.text.cutting import left_out
from miyabi_core.text.defusing import defused_prose, defused_subject
from miyabi_core.text.untrusted import Untrusted

#: GitHub's limit on a title.
MAX_TITLE = 256
#: Longest text of a stranger's in a commit's message.
MAX_PARAGRAPHS = 4_000
_SPACES = re.compile(r"\s+")
#: Lines of a message that git or a tool after it would take for something else: comments, scissors, headers of diffs.
_NOT_PROSE = re.compile(r"^(?=[#;]|diff |--- |---$|Index: |From )", re.MULTILINE)


@final
@dataclass(frozen=True, slots=True)
class Title:
    """One line that may be a pull request's title and a commit's subject; made by `title` only.

    Args:
        text: The line.
    """

    text: str


@final
@dataclass(frozen=True, slots=True)
class CommitMessage:
    """A message that git may be given; made by `commit_message` only.

    Args:
        text: The message.
    """

    text: str


#: What a title is made of.
TitlePart: TypeAlias = Untrusted | Title | int


def plain_line(text: Untrusted) -> str:
    """Return a stranger's text in one line, to look at and never to show."""
    return _SPACES.sub(" ", readable(text.raw)).strip()


def title(template: str, /, **parts: TitlePart) -> Title:
    """Return a title: one line of at most 256 characters without anything that GitHub would act on.

    Args:
        template: A literal of ours in the form of `str.format`.
        parts: Strangers' texts and numbers.
    """
    line = template.format(**{name: _one_line(part) for name, part in parts.items()})
    return Title(line if _size(line) <= MAX_TITLE else _shortened(line))


def commit_message(subject: Title, text: Untrusted, *, last: Title) -> CommitMessage:
    """Return a message: subject, a stranger's text as plain paragraphs, and a last line of ours.

    Git looks for trailers in the last paragraph, which is never a stranger's.

    Args:
        subject: The first line.
        text: Paragraphs; shown up to 4,000 characters.
        last: One line that ends the message.
    """
    prose = readable(text.raw).strip()
    shown = _NOT_PROSE.sub("\u200b", defused_prose(prose[:MAX_PARAGRAPHS]))
    rest = f"({left_out(len(prose) - MAX_PARAGRAPHS)})" if len(prose) > MAX_PARAGRAPHS else ""
    return CommitMessage("\n\n".join(filter(None, [subject.text, shown, rest, last.text])) + "\n")


def _one_line(part: TitlePart) -> str | int:
    """Return a part of a title.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(part, Untrusted):
        return defused_subject(plain_line(part))
    if isinstance(part, Title):
        return part.text
    if isinstance(part, int):
        return part
    raise TypeError(f"{type(part).__name__} is no part of a title")


def _shortened(line: str) -> str:
    """Return a line cut to GitHub's limit, with a mark."""
    while _size(line) > MAX_TITLE - 1:
        line = line[: min(len(line) - 1, MAX_TITLE - 1)]
    return line.rstrip() + "…"


def _size(line: str) -> int:
    """Return the length in UTF-16 units, which is never less than what GitHub counts."""
    return len(line.encode("utf-16-le", "surrogatepass")) // 2

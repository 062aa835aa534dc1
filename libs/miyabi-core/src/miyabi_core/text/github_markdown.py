"""The surface of GitHub's Markdown: our words around strangers' text that stays text.

Source: CommonMark 0.31, GitHub Flavored Markdown 0.29; the tests render with GitHub's own parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, final

from miyabi_core.text.characters import exact, exact_lines, readable, without_surrogates
from miyabi_core.text.cutting import left_out
from miyabi_core.text.defusing import defused, defused_prose
from miyabi_core.text.untrusted import Untrusted

#: Longest text that is put into a line, in characters of the stranger's.
MAX_INLINE = 2_000
#: Longest name that is put into a line; file names of 4,096 bytes are legal.
MAX_NAME = 500
#: Texts are looked at up to so many times the length that is shown: invisible characters in them are not counted.
LOOKED_AT = 4
#: Characters that mean something anywhere in a line.
_SPECIAL = re.compile(r"[\\`*_\[\]<>&|~$!#]")
#: What means something at the begin of a line only: bullets, numbers, underlines of headings, rows of tables.
_OPENING = re.compile(r"^(\d{0,9})([-+=:.)])")
_TICKS = re.compile("`+")
_SPACES = re.compile(r"\s+")


@final
@dataclass(frozen=True, slots=True)
class GitHubMarkdown:
    """Markdown that may be sent to GitHub; made by this module's functions only.

    Args:
        text: The Markdown.
    """

    text: str

    def __bool__(self) -> bool:
        """Tell whether there is anything to show."""
        return bool(self.text)

    @property
    def size(self) -> int:
        """Length as GitHub may count it, in UTF-16 units: never less than its code points."""
        return len(self.text.encode("utf-16-le", "surrogatepass")) // 2


#: What a list is made of.
_T = TypeVar("_T")
#: What can be put into our words.
Part: TypeAlias = GitHubMarkdown | int | float


def ours(template: str, /, **parts: Part) -> GitHubMarkdown:
    """Return our own words, with parts in the places that they name.

    Args:
        template: A literal of ours in the form of `str.format`; a test reads the code for anything else.
        parts: Markdown that is safe already, and numbers.

    Raises:
        TypeError: a part is something else.
    """
    return GitHubMarkdown(template.format(**{name: _filled(part) for name, part in parts.items()}))


def _filled(part: Part) -> str | int | float:
    """Return what a template takes."""
    if isinstance(part, GitHubMarkdown):
        return part.text
    if isinstance(part, int | float):
        return part
    raise TypeError(f"{type(part).__name__} is no Markdown")


def joined(parts: Sequence[GitHubMarkdown], *, by: str = "\n\n") -> GitHubMarkdown:
    """Return the parts that are not empty, with *by*, a literal of ours, between them."""
    return GitHubMarkdown(by.join(part.text for part in parts if part))


def inline(text: Untrusted, *, most: int = MAX_INLINE) -> GitHubMarkdown:
    """Return prose for the middle of a line: one line, nothing of it Markdown.

    Args:
        text: What a stranger wrote.
        most: Characters of it that are shown; what is left out is said.
    """
    looked_at = text.raw[: LOOKED_AT * most]
    line = _SPACES.sub(" ", readable(looked_at)).strip()
    return GitHubMarkdown(_prose(line[:most]) + _rest(len(line) - most, unseen=len(text) - len(looked_at)))


def code(name: Untrusted, *, most: int = MAX_NAME) -> GitHubMarkdown:
    """Return a name in a code span: exactly as it is, with what cannot be seen spelled out."""
    whole = exact(name.raw[:most])
    shown = defused(whole[:most])
    if not shown:
        return GitHubMarkdown("(empty)")
    ticks = "`" * (_longest_run(shown) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return GitHubMarkdown(f"{ticks}{pad}{shown}{pad}{ticks}" + _rest(len(whole) - most, unseen=len(name) - most))


def cell(part: GitHubMarkdown) -> GitHubMarkdown:
    """Return a part of one line for a row of a table, which it cannot leave."""
    return GitHubMarkdown(re.sub(r"(?<!\\)\|", r"\\|", part.text).replace("\n", " "))


def quoted(text: Untrusted, *, budget: int) -> GitHubMarkdown:
    """Return prose of several paragraphs as a quotation: nothing of it is Markdown.

    Args:
        text: What a stranger wrote.
        budget: Size that the quotation may have; what is left out is said.
    """
    return _fitted(readable(text.raw).strip(), budget=budget, render=_quotation)


def fenced(text: Untrusted, *, budget: int, end: bool = False) -> GitHubMarkdown:
    """Return a text as a block of code.

    Args:
        text: What a stranger wrote.
        budget: Size that the block may have; what is left out is said.
        end: Keep the end of the text rather than its begin.
    """
    return _fitted(exact_lines(without_surrogates(text.raw)).strip("\n"), budget=budget, render=_block, end=end)


def folded(summary: str, content: GitHubMarkdown, /, **numbers: int) -> GitHubMarkdown:
    """Return *content* folded under one line.

    Args:
        summary: A literal of ours in the form of `str.format`; it stands within HTML, where Markdown's escapes mean
            nothing, so it takes numbers only.
        content: What is folded; empty content is no fold.
        numbers: For the literal.
    """
    if not content:
        return content
    line = summary.format(**{name: f"{number:,}" for name, number in numbers.items()})
    return GitHubMarkdown(f"<details><summary>{line}</summary>\n\n{content.text}\n\n</details>")


def folded_list(
    summary: str, items: Sequence[_T], render: Callable[[_T], GitHubMarkdown], *, budget: int
) -> GitHubMarkdown:
    """Return a folded list; no items are no list.

    Args:
        summary: A literal of ours that holds `{count}`.
        items: What is listed.
        render: Returns the line of one.
        budget: Size that the list may have.
    """
    return folded(summary, bullets(items, render, budget=budget), count=len(items))


def bullets(items: Sequence[_T], render: Callable[[_T], GitHubMarkdown], *, budget: int) -> GitHubMarkdown:
    """Return a list of as many items as fit into *budget*, and the number of those that do not; these cost nothing."""
    lines: list[str] = []
    size = len("- … 1,000,000 more")
    for item in items:
        line = ours("- {entry}", entry=render(item))
        size += line.size + len("\n")
        if size > budget:
            break
        lines.append(line.text)
    if rest := len(items) - len(lines):
        lines.append(f"- … {rest:,} more")
    return GitHubMarkdown("\n".join(lines))


def _prose(line: str) -> str:
    """Return one line of prose as Markdown that shows it."""
    escaped = _SPECIAL.sub(r"\\\g<0>", defused_prose(line))
    return _OPENING.sub(r"\1\\\2", escaped)


def _quotation(text: str) -> str:
    """Return lines of prose as a quotation."""
    return "\n".join(f"> {_prose(line.strip())}".rstrip() for line in text.split("\n"))


def _block(text: str) -> str:
    """Return a text in a fence that it cannot close."""
    shown = defused(text)
    ticks = "`" * max(3, _longest_run(shown) + 1)
    return f"{ticks}text\n{shown}\n{ticks}"


def _longest_run(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max(map(len, _TICKS.findall(text)), default=0)


def _rest(number: int, *, unseen: int) -> str:
    """Say how many characters are not shown, where any are not: *number* of those looked at, and those *unseen*."""
    number = max(0, number) + max(0, unseen)
    return f" ({left_out(number)})" if number else ""


def _fitted(text: str, *, budget: int, render: Callable[[str], str], end: bool = False) -> GitHubMarkdown:
    """Return the longest begin (or end) of *text* whose Markdown fits, found by halving; what is left out is said."""
    if not text:
        return GitHubMarkdown("")
    text, dropped = (text[-budget:] if end else text[:budget]), max(0, len(text) - budget)
    whole = GitHubMarkdown(render(text))
    if not dropped and whole.size <= budget:
        return whole
    note_size = len(f"\n\n({left_out(10**9)})")
    fits, fails = 0, len(text) + 1
    while fails - fits > 1:
        middle = (fits + fails) // 2
        part = text[-middle:] if end else text[:middle]
        fits, fails = (middle, fails) if _size(render(part)) <= budget - note_size else (fits, middle)
    note = f"({left_out(len(text) + dropped - fits)})"
    shown = render(text[-fits:] if end else text[:fits]) if fits else ""
    return GitHubMarkdown("\n\n".join(filter(None, [note, shown] if end else [shown, note])))


def _size(text: str) -> int:
    """Return the size of Markdown."""
    return GitHubMarkdown(text).size

"""What the author of a text says: no code, no quotation of others, no HTML, nothing that its readers do not see.

Whoever looks for a word that makes something happen looks for it here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from miyabi_core.text.characters import readable
from miyabi_core.text.comments import Scan, inline_text

#: Elements whose text is shown as code, as what somebody else said, or as taken back.
_ASIDE = re.compile(r"<(/?)(code|pre|kbd|samp|q|blockquote|del|s)(?:\s[^<>]*)?>", re.IGNORECASE)


def spoken(text: str) -> str:
    """Return the prose of a Markdown text that is its author's own.

    A line that goes on with a quotation without its mark is a part of it, as it is for the text's readers.

    Args:
        text: Markdown.
    """
    scan = _Spoken()
    for line in readable(text).split("\n"):
        scan.take(line)
    scan.end_paragraph()
    return "\n".join(scan.shown)


@dataclass
class _Spoken(Scan):
    """Keeps paragraphs only."""

    quoted: bool = False  #: the paragraph began in a quotation

    def add(self, line: str) -> None:
        """Take a line of a paragraph."""
        if not self.paragraph:
            self.quoted = self.marked
        super().add(line)

    def keep_paragraph(self, text: str) -> None:
        """Show a paragraph of the author's own, without code spans."""
        if not self.quoted:
            self.shown.append(_without_asides(inline_text(text, code=False)))

    def keep_code(self, line: str) -> None:
        """Leave code out."""

    def keep_html(self, line: str) -> None:
        """Leave HTML out: what of it is code or quoted is not told from what is not."""


def _without_asides(text: str) -> str:
    """Return a paragraph without elements that are code or quoted; one that is not closed goes to the end."""
    kept: list[str] = []
    position, inside = 0, ""
    for tag in _ASIDE.finditer(text):
        closes, name = tag.group(1), tag.group(2).lower()
        if not inside and not closes:
            kept.append(text[position : tag.start()])
            inside = name
        elif inside == name and closes:
            position, inside = tag.end(), ""
    return "".join([*kept, "" if inside else text[position:]])

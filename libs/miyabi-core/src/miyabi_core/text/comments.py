"""Finds HTML comments in Markdown as GitHub does: what stands in code is text, what is never closed may be too.

One pass over the lines and one over the characters of each paragraph; every mark is looked at once.

Source: CommonMark 0.29 with GitHub's extensions: "HTML blocks", "Fenced code blocks", "Code spans", "Raw HTML".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: What stands before a line's own content: block quotes and list markers.
_QUOTE = re.compile(r" {0,3}> ?")
_MARKER = re.compile(r" {0,3}(?:[-+*]|\d{1,9}[.)]) {1,4}(?=\S)")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
#: Tags that begin an HTML block wherever they stand at the begin of a line.
_BLOCK_TAGS = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|"
    "fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|"
    "menuitem|nav|noframes|ol|optgroup|option|p|param|pre|script|section|source|style|summary|table|tbody|td|textarea|"
    "tfoot|th|thead|title|tr|track|ul"
)
_HTML_BLOCK = re.compile(rf" {{0,3}}(?:</?(?:{_BLOCK_TAGS})(?=[\s/>]|$)|<[!?])", re.IGNORECASE)
#: Any other tag begins one where it stands alone in its line and no paragraph goes on.
_LONE_TAG = re.compile(r" {0,3}</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?/?>\s*$")
_TICKS = re.compile("`+")
#: A comment in a paragraph, or one of the things that can hide its begin: an escape, a run of backticks.
_INLINE = re.compile(r"\\[\\`<]|`+|<!---?>|<!--")
#: A definition whose only use is to hide its title: `[//]: # (text)`.
_HIDDEN_DEFINITION = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:[ \t]*(?:#|<>)[ \t]+[\"'(].*")
_HEADING = re.compile(r" {0,3}#{1,6}(?:\s|$)")
#: Columns from which a line is code where no paragraph goes on.
_CODE_INDENT = 4


def without_comments(text: str) -> str:
    """Return Markdown without its HTML comments, which a reader of the issue does not see.

    Args:
        text: Markdown with line feeds as line ends.
    """
    scan = Scan()
    for line in text.split("\n"):
        scan.take(line)
    scan.end_paragraph()
    return "\n".join(scan.shown)


@dataclass
class Scan:
    """Where the scanner is."""

    shown: list[str] = field(default_factory=list)
    paragraph: list[str] = field(default_factory=list)
    fence: str = ""  #: marks that opened the fence
    comment: bool = False  #: within a comment that began a block
    html: bool = False  #: within an HTML block
    quotes: int = 0  #: depth of the block that is open
    marked: bool = False  #: the line has the mark of a quotation, within a list item or not
    offset: int = 0  #: column of the innermost list item's content

    def take(self, line: str) -> None:
        """Look at the next line."""
        prefix, content, fresh = self._strip_containers(line)
        self.marked = ">" in prefix
        if fresh:
            self._leave_blocks()
        if self.comment or self.html:
            self._in_html(prefix, content)
        elif self.fence:
            self._in_fence(line, content)
        elif not content.strip():
            self.end_paragraph()
            self.shown.append(line)
        else:
            self._begin(line, prefix, content)

    def _strip_containers(self, line: str) -> tuple[str, str, bool]:
        """Return what belongs to containers, the rest, and whether another container began or one ended."""
        inside = bool(self.fence or self.comment or self.html)
        # Within a block a further mark is text of it.
        end, quotes = self._after_quotes(line, 0, most=self.quotes if inside else len(line))
        fresh = quotes != self.quotes and (inside or quotes > self.quotes)
        self.quotes = quotes
        rest = line[end:]
        indent = len(rest) - len(rest.lstrip(" "))
        if rest.strip() and indent < self.offset:
            fresh, self.offset = fresh or inside, 0
        end += min(indent, self.offset)
        if not inside or fresh:
            while marker := _MARKER.match(line, end):
                end, _ = self._after_quotes(line, marker.end(), most=len(line))
                self.offset, fresh = end, True
        return line[:end], line[end:], fresh

    @staticmethod
    def _after_quotes(line: str, start: int, *, most: int) -> tuple[int, int]:
        """Return where the marks of block quotes end, and how many there are."""
        count = 0
        while count < most and (mark := _QUOTE.match(line, start)):
            start, count = mark.end(), count + 1
        return start, count

    def _leave_blocks(self) -> None:
        """End what the last container held."""
        self.end_paragraph()
        self.fence, self.comment, self.html = "", False, False

    def _begin(self, line: str, prefix: str, content: str) -> None:
        """Take a line outside of fences and HTML blocks."""
        if not self.paragraph and content.startswith(" " * _CODE_INDENT):
            self.keep_code(line)
        elif fence := _FENCE.match(content):
            self.end_paragraph()
            self.fence = fence.group(1)
            # Only the first word after a fence means something; readers see nothing of the others.
            info = content[fence.end() :].split(maxsplit=1)
            self.keep_code(prefix + fence.group() + (info[0] if info else ""))
        elif _HTML_BLOCK.match(content) or (not self.paragraph and _LONE_TAG.match(content)):
            self.end_paragraph()
            self.html = True
            self._in_html(prefix, content)
        elif not self.paragraph and _HIDDEN_DEFINITION.fullmatch(content):
            self.shown.append(prefix)
        elif _HEADING.match(content):
            self.end_paragraph()
            self.add(line)
            self.end_paragraph()
        else:
            self.add(line)

    def _in_fence(self, line: str, content: str) -> None:
        """Take a line of a fence, where everything is text."""
        self.keep_code(line)
        closing = content.rstrip() if content.startswith(" " * _CODE_INDENT) else content.strip()
        if len(closing) >= len(self.fence) and closing == self.fence[0] * len(closing):
            self.fence = ""

    def _in_html(self, prefix: str, content: str) -> None:
        """Take a line of an HTML block, where comments are those of HTML."""
        kept: list[str] = []
        began = content.lstrip(" ").startswith("<!--")
        only_comment = began or self.comment
        position = 0
        while position < len(content):
            if self.comment:
                end = content.find("-->", position)
                position = len(content) if end < 0 else end + 3
                self.comment = end < 0
                continue
            start = content.find("<!--", position)
            kept.append(content[position:] if start < 0 else content[position:start])
            self.comment = start >= 0
            # `<!-->` and `<!--->` are whole comments.
            position = len(content) if start < 0 else start + 2
        self.keep_html(prefix + "".join(kept))
        if not self.comment and (only_comment or not content.strip()):
            self.html = False

    def add(self, line: str) -> None:
        """Take a line of a paragraph."""
        self.paragraph.append(line)

    def end_paragraph(self) -> None:
        """Show the paragraph that has ended without its comments."""
        if self.paragraph:
            self.keep_paragraph("\n".join(self.paragraph))
            self.paragraph.clear()

    def keep_paragraph(self, text: str) -> None:
        """Show a paragraph."""
        self.shown.append(inline_text(text))

    def keep_code(self, line: str) -> None:
        """Show a line of a block of code."""
        self.shown.append(line)

    def keep_html(self, line: str) -> None:
        """Show a line of an HTML block without its comments."""
        self.shown.append(line)


def inline_text(text: str, *, code: bool = True) -> str:
    """Return a paragraph without its comments: a code span that begins first keeps what is in it.

    Args:
        text: The paragraph's lines.
        code: Keep code spans; else a space stands for each.
    """
    left: dict[int, int] = {}
    for run in _TICKS.finditer(text):
        left[len(run.group())] = run.start()
    hopeless: set[int] = set()
    kept: list[str] = []
    position = 0
    while match := _INLINE.search(text, position):
        kept.append(text[position : match.start()])
        found, position = match.group(), match.end()
        if found == "<!--":
            if _comment_end(text, position, hopeless) < 0:
                kept.append(found)
            else:
                # A page's reader is back at the first `-->`, wherever Markdown has it end.
                position = text.find("-->", position) + len("-->")
        elif not found.endswith(">"):
            kept.append(found)
        if found.startswith("`") and left.get(len(found), -1) > match.start():
            end = _closing(text, position, len(found))
            if code:
                kept.append(text[position:end])
            else:
                kept[-1] = " "
            position = end
    kept.append(text[position:])
    return "".join(kept)


def _comment_end(text: str, position: int, hopeless: set[int]) -> int:
    """Return the end of a comment whose text begins at *position*, or -1; two hyphens take the next character along.

    Args:
        text: The paragraph.
        position: Where to look from.
        hopeless: Hyphens from which no end was found; kept, so that none is passed twice.
    """
    passed: list[int] = []
    while (position := text.find("-", position)) >= 0 and position not in hopeless:
        if text.startswith("-->", position):
            return position + len("-->")
        passed.append(position)
        position += 3 if text.startswith("--", position) else 2
    hopeless.update(passed)
    return -1


def _closing(text: str, position: int, length: int) -> int:
    """Return the end of a code span that is known to end."""
    ends = (run.end() for run in _TICKS.finditer(text, position) if len(run.group()) == length)
    return next(ends, len(text))

"""What GitHub makes of Markdown: rendered by its own parser, and looked at for all that a stranger's text must not do."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options
from hypothesis import strategies as st

#: Closing words in every form that GitHub documents, with whatever reference.
CLOSING = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)\b:?\s+(?:[\w.-]+/[\w.-]+)?(?:#|GH-|https?://\S+/)\d+", re.IGNORECASE
)
MENTION = re.compile(r"@[A-Za-z0-9]")
REFERENCE = re.compile(r"#\d|GH-\d|/(?:issues|pull|commit)/[0-9a-f]|://|www\.", re.IGNORECASE)
COMMIT = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{7,40}(?![0-9A-Za-z])")
EMOJI = re.compile(r":[A-Za-z0-9_+-]+:")
TRAILER = re.compile(r"^[ >]*[A-Za-z0-9][A-Za-z0-9-]*[ \t]*:", re.MULTILINE)
SKIP = re.compile(r"\[(?:skip|no|ci|actions)\b", re.IGNORECASE)


class Page(HTMLParser):
    """The elements of a page, and its text outside and inside of code."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.comments: list[str] = []
        self.prose = ""
        self.code = ""
        self._in_code = 0
        self.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Note an element."""
        self.elements.add(tag)
        self._in_code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        """Leave code."""
        self._in_code -= tag == "code"

    def handle_comment(self, data: str) -> None:
        """Note a comment."""
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        """Note text."""
        if self._in_code:
            self.code += data
        else:
            self.prose += data


#: Pieces that mean something to Markdown, to GitHub, or to nobody; texts are made by putting them together.
PIECES = [
    "closes #7", "Fixes: acme/toy#8", "resolved GH-9", "fixes https://github.com/a/b/issues/3", "@octocat", "@acme/team",
    "![x](https://e.test/a.png)", "<img src=x>", "<!-- hidden -->", "<!--", "-->", "&lt;img&gt;", "&#64;octocat", "[a](b)",
    "[a]: https://e.test", "[^1]", "# Heading", "Heading\n===", "---", "***", "| a | b |\n|---|---|\n| c | d |", "> quote",
    "> [!NOTE]", "- item", "1. item", "- [ ] task", "```", "~~~", "`", "``", "    indented", "\\", "\\`", "*a*", "_b_", "~~c~~",
    "$x$", ":octocat:", "Co-authored-by: A <a@b.test>", "Signed-off-by: B <b@c.test>", "[skip ci]", "/merge", "www.e.test",
    "http://e.test", "a@b.test", "deadbeef", "0123456789abcdef0123456789abcdef01234567", "</details>", "<details>", "\n",
    "\n\n", "\r", "\r\n", "\t", "\u202e", "\u200b", "\u2028", "\x1b[31m", "\x00", "\ud800", "日本語", "\u3000", "🎉", "a", " ",
    "word", "|", ":", "=", "-", "+", "#", "@", "!", "<", ">", "&", ";", "ftp://e.test", "mailto:a@b.test", "---\n", "@@ ", "##",
]  # fmt: skip
#: Texts of strangers, hostile more often than not.
STRANGERS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.text(max_size=60))

"""A word that makes something happen counts where its author says it: as GitHub's parser tells code and quotations."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_core.text import spoken

PIECES = [
    "<!--", "-->", " ", "\n", "\n\n", "`", "``", "\n```\n", "\n> ", "> ", "\n>> ", "\n- ", "\n1. ", "\n    ", "\n# ", "\n~~~\n",
    "\n> ```\n", "\n<pre>", "</pre>\n", "<code>", "</code>", "word", "\\", "\n<div>\n\n",
]  # fmt: skip


class Author(HTMLParser):
    """The marked words that a page shows as its author's own."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._aside = 0
        page = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
        # Where a comment is never closed, browsers hide the rest of the page.
        self.feed(re.sub(r"<!--?-?>|<!--.*?-->|<!--.*\Z", "", page, flags=re.DOTALL))
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Enter code or a quotation."""
        self._aside += tag in {"code", "pre", "blockquote"}

    def handle_endtag(self, tag: str) -> None:
        """Leave it."""
        self._aside -= tag in {"code", "pre", "blockquote"}

    def handle_data(self, data: str) -> None:
        """Note words outside."""
        if self._aside <= 0:
            self.words += re.findall(r"w[0-9]+z", data)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=10))
def test_nothing_counts_that_is_not_shown_as_the_authors_own(pieces: list[str]) -> None:
    """Whatever stands around it."""
    markdown = "".join(f"{piece}w{number}z " for number, piece in enumerate(pieces))
    if not re.search(r"--?>.*<!--|<pre>|code>", markdown, re.DOTALL):
        assert set(re.findall(r"w[0-9]+z", spoken(markdown))) <= set(Author(markdown).words)


@pytest.mark.parametrize(
    "aside",
    [
        "`@word go`", "``a ` @word``", "```\n@word\n```", "~~~sh\n@word\n~~~", "    @word", "> @word", "> a\n@word", ">> @word",
        "- > @word", "> ```\n> @word\n> ```", "<!-- @word -->", "a <!-- @word --> b", "<!--\n@word", "<pre>\n@word\n</pre>", "a <code>@word</code> b",
        "a <CODE class=x>@word", "[//]: # (@word)", "1. x\n\n       @word", "```\n@word", "a <del>@word</del>", "",
    ],
)  # fmt: skip
def test_aside_is_not_spoken(aside: str) -> None:
    """Code, quotations, comments, in every form of each; what stands beside them is."""
    assert "@word" not in spoken(f"before\n\n{aside}")
    assert "before" in spoken(f"before\n\n{aside}")


@pytest.mark.parametrize(
    "said",
    [
        "@word", "Hi @word, go", "- @word", "- [ ] @word", "# @word", "**@word**", "> quoted\n\n@word", "```\nx\n```\n@word", "`a` @word `b`",
        "| a | @word |", "\\`@word\\`", "a\n    @word", "<!-- x -->\n\n@word", "<b>@word</b>", "1. x\n   @word", "` @word", "<!-- > -->\n\n@word",
        "<details>\n\n@word\n\n</details>", "a <code>x</code> @word",
    ],
)  # fmt: skip
def test_prose_is_spoken(said: str) -> None:
    """Wherever in a text it stands."""
    assert "@word" in spoken(said)


@pytest.mark.parametrize("piece", ["<q>", "`", "> ", "<!--", "<code>", "</code>", "- > ", "\n    ", "<s"])
def test_a_long_text_is_read_at_once(piece: str) -> None:
    """Linear in the text."""
    spoken(piece * (250_000 // len(piece)))

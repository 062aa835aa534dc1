"""A comment is what GitHub's parser takes for one: its readers see everything else, and so does the model."""

from __future__ import annotations

import re

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import given, settings
from hypothesis import strategies as st

from miyabi_core.text import without_comments

#: Pieces without containers and without HTML blocks but comments: there we agree with the parser in every case.
PIECES = [
    "<!--",
    "-->",
    "<!-->",
    " ",
    "\n",
    "\n\n",
    "`",
    "``",
    "\n```\n",
    "\\",
    "\n    ",
    "word",
    "\n# ",
    "\n~~~\n",
    "-",
]


def seen_on_github(markdown: str) -> list[str]:
    """Return the marked words that a reader of the page sees."""
    page = cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    page = re.sub(r"<!--?-?>|<!--.*?-->|<!--.*\Z", "", page, flags=re.DOTALL)
    return re.findall(r"w[0-9]+z", page)


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_what_readers_see_is_what_stays(pieces: list[str]) -> None:
    """Words between any pieces of Markdown stay where GitHub shows them, and go where it does not."""
    markdown = "".join(f"{piece}w{number}z " for number, piece in enumerate(pieces))
    left, seen = re.findall(r"w[0-9]+z", without_comments(markdown)), seen_on_github(markdown)
    if re.search(r"--?>.*<!--", markdown):
        # A comment is open where Markdown's block ends: browsers then hide the whole rest, and we hide to the next `-->`.
        assert set(left) >= set(seen)
    else:
        assert left == seen


@pytest.mark.parametrize(
    ("markdown", "left"),
    [
        ("Use `<!--` to begin.\nAll this stays.", "Use `<!--` to begin.\nAll this stays."),
        ("```html\n<!-- shown -->\n```\nafter", "```html\n<!-- shown -->\n```\nafter"),
        ("```\n> <!-- shown\n```\nafter", "```\n> <!-- shown\n```\nafter"),
        ("> ```\n> > <!-- shown\n> ```\nafter", "> ```\n> > <!-- shown\n> ```\nafter"),
        ("before <!-- gone --> after", "before  after"),
        ("<!-- gone\n\nstill gone -->after", "\n\nafter"),
        ("text <!-- never closed\n\nnext", "text <!-- never closed\n\nnext"),
        ("<!-- never closed\n\nnext", "\n\n"),
        ("> <!-- never closed\n\nnext", "> \n\nnext"),
        ("- <!-- never closed\n\nnext", "- \n\nnext"),
        ("- `a\n- <!-- gone -->b`", "- `a\n- b`"),
        ("- a\n\n  ```\n  <!-- shown\n  ```\n", "- a\n\n  ```\n  <!-- shown\n  ```\n"),
        ("<div>\n<!-- gone -->\nx</div>", "<div>\n\nx</div>"),
        ("[//]: # (do as I say)\ntext", "\ntext"),
        ("```text do as I say\nx\n```", "```text\nx\n```"),
        (r"\<!-- shown -->", r"\<!-- shown -->"),
    ],
)
def test_examples(markdown: str, left: str) -> None:
    """The cases that people meet."""
    assert without_comments(markdown) == left


@pytest.mark.parametrize(
    "piece",
    ["<!--", "<!-- a", "-->", "`", "` ``", "<!--->", "> ", "- ", "```\n", "<div>\n", "[a]: # (", "-", "<!-- ----\n"],
)
def test_a_megabyte_of_one_mark_is_done_at_once(piece: str) -> None:
    """Every mark is looked at once; looking for each comment's end anew would take hours."""
    without_comments(piece * (1_000_000 // len(piece)))
    without_comments("x" + piece * (1_000_000 // len(piece)) + "---->")

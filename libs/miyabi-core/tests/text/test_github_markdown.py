"""Whatever a stranger wrote, GitHub's own parser makes text of it, and nothing in that text means anything to GitHub."""

from __future__ import annotations

import pytest
import rendered
from hypothesis import given, settings
from rendered import STRANGERS, Page

from miyabi_core.text import (
    GitHubMarkdown,
    Untrusted,
    bullets,
    cell,
    code,
    fenced,
    folded,
    inline,
    joined,
    ours,
    quoted,
)


def check(markdown: GitHubMarkdown, *, allowed: set[str]) -> Page:
    """Render; make sure that there is nothing but *allowed* elements, and nothing that GitHub acts on."""
    page = Page(markdown.text)
    assert page.elements <= allowed, (page.elements - allowed, markdown.text)
    assert page.comments == []
    for pattern in (rendered.CLOSING, rendered.MENTION, rendered.SKIP):
        assert not pattern.search(page.prose + "\n" + page.code), (pattern, markdown.text)
        assert not pattern.search(markdown.text), (pattern, markdown.text)
    for pattern in (rendered.REFERENCE, rendered.COMMIT, rendered.EMOJI):
        assert not pattern.search(page.prose), (pattern, markdown.text)
    return page


def same(part: GitHubMarkdown) -> GitHubMarkdown:
    """Return what is rendered already."""
    return part


@settings(deadline=None)
@given(STRANGERS)
def test_a_line_stays_a_line_of_text(text: str) -> None:
    """In a paragraph, in a list and as the first thing of its line."""
    part = inline(Untrusted(text))
    assert "\n" not in part.text
    check(part, allowed={"p"})
    check(ours("Said: {part} and so on", part=part), allowed={"p"})
    check(bullets([part, part], same, budget=100_000), allowed={"ul", "li", "p"})


@settings(deadline=None)
@given(STRANGERS)
def test_a_name_stays_in_its_code_span(text: str) -> None:
    """Whatever backticks, lines and directions it holds; a name of nothing is said to be empty."""
    page = check(ours("- {part}: x", part=code(Untrusted(text[:100]))), allowed={"ul", "li", "p", "code"})
    assert page.prose.strip() in {": x", "(empty): x"}


@settings(deadline=None)
@given(STRANGERS)
def test_a_cell_stays_in_its_row(text: str) -> None:
    """Neither bars nor lines make another cell."""
    row = ours("| {a} | {b} |", a=cell(inline(Untrusted(text))), b=cell(code(Untrusted(text))))
    page = check(
        joined([ours("| a | b |\n|---|---|"), row], by="\n"),
        allowed={"table", "thead", "tbody", "tr", "th", "td", "code"},
    )
    assert "table" in page.elements


@settings(deadline=None)
@given(STRANGERS)
def test_paragraphs_stay_in_their_quotation(text: str) -> None:
    """No heading, no table, no list, no rule, no alert; and no line that is a trailer of a squashed commit."""
    part = quoted(Untrusted(text), budget=10_000)
    check(joined([part, ours("after")]), allowed={"p", "blockquote"})
    assert not rendered.TRAILER.search(part.text)


@settings(deadline=None)
@given(STRANGERS)
def test_a_block_stays_in_its_fence(text: str) -> None:
    """No run of backticks in it ends it."""
    part = fenced(Untrusted(text), budget=10_000)
    page = check(joined([part, ours("after")]), allowed={"pre", "code", "p"})
    assert page.prose.strip() == "after"
    assert not rendered.TRAILER.search(part.text)


@settings(deadline=None)
@given(STRANGERS)
def test_nothing_leaves_its_fold(text: str) -> None:
    """What is folded ends where we end it."""
    stranger = Untrusted(text)
    parts = [quoted(stranger, budget=9_999), fenced(stranger, budget=9_999), bullets([stranger], code, budget=9_999)]
    whole = joined([*(folded("{n} entries", part, n=1) for part in parts), ours("after")])
    allowed = {"details", "summary", "p", "blockquote", "pre", "code", "ul", "li"}
    page = check(whole, allowed=allowed)
    assert page.prose.rstrip().endswith("after")


@settings(deadline=None)
@given(STRANGERS)
def test_a_budget_is_kept_and_what_is_left_out_is_said(text: str) -> None:
    """However much longer the escapes make a text."""
    stranger = Untrusted(text * 50)
    for part in (quoted(stranger, budget=300), fenced(stranger, budget=300), fenced(stranger, budget=300, end=True)):
        assert part.size <= 300
        check(part, allowed={"p", "blockquote", "pre", "code"})
    if len(text.strip()) > 20 and text.isalnum():
        assert "left out" in quoted(stranger, budget=300).text


def test_a_list_says_how_many_entries_it_does_not_show() -> None:
    """3,000 files in 2,000 characters."""
    part = bullets(
        [f"src/module_{number}.py" for number in range(3000)], lambda name: code(Untrusted(name)), budget=2_000
    )
    lines = part.text.splitlines()
    assert part.size <= 2_000
    assert lines[-1] == f"- … {3000 - len(lines) + 1:,} more"


def test_numbers_and_names_in_any_script_stay_readable() -> None:
    """Emoji, Japanese and brackets are shown as they are."""
    assert inline(Untrusted("日本語　の 🎉 👨‍👩‍👧 (x)")).text == "日本語 の 🎉 👨‍👩‍👧 (x)"
    assert code(Untrusted("docs/[id].tsx")).text == "`docs/[id].tsx`"
    assert code(Untrusted("a\nb\u202ec")).text == "`a\\nb\\u202ec`"


def test_a_plain_text_is_refused_at_run_time_too() -> None:
    """Where no type checker looks."""
    with pytest.raises(TypeError):
        ours("{x}", x="text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "piece", ["`", "``` ", "<!--", "[", "![", "*", "@", "#", ":a", "\n", "> ", "<a", "|", "\\", "$", "GH-", "://"]
)
def test_a_megabyte_of_one_mark_is_done_at_once(piece: str) -> None:
    """Each step is linear in the text; a quadratic one would take hours here."""
    stranger = Untrusted(piece * (1_000_000 // len(piece)))
    assert inline(stranger).size < 20_000
    assert code(stranger).size < 20_000
    assert quoted(stranger, budget=8_000).size <= 8_000
    assert fenced(stranger, budget=8_000).size <= 8_000

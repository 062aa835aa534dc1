"""The check of links finds what leads to nothing; the site is built of pages whose links are led to their places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.docs.links import check
from scripts.docs.nav import navigation
from scripts.docs.staging import BrokenLinkError, _Links, stage
from scripts.docs.tree import ROOT
from tests.docs.extracted import FENCE

#: A small site with one of each fault.
SITE = {
    "index.html": '<h1 id="top">a</h1><a href="sub/page.html#there">good</a><a href="#top">good</a><a href="sub/">good</a>'
    '<a href="https://example.test/x">outside</a><img src="picture.png"><script src="app.js"></script>',
    "sub/index.html": '<a href="../gone.html">bad</a><a href="../picture.png">good</a>',
    "sub/page.html": '<h2 id="there">b</h2><a href="../index.html#nowhere">bad</a><a href="/../../etc/passwd">bad</a>',
    "loads.html": '<script src="https://cdn.test/a.js"></script><link rel="stylesheet" href="//fonts.test/b.css">'
    '<link rel="canonical" href="https://example.test/"><img src="http://img.test/c.png">',
    "app.css": "@import 'https://fonts.test/d.css'; a { background: url(data:image/png;base64,AA) } b { background: url(picture.png) }",
    "picture.png": "",
    "app.js": "",
}


def made(folder: Path, files: dict[str, str]) -> Path:
    """Write a site."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_links_that_lead_to_nothing_are_found(tmp_path) -> None:
    """A page that is gone, an anchor that is not there, a way out of the site; whatever leads somewhere is left alone."""
    found = check(made(tmp_path, SITE))
    assert found.broken == [
        "sub/index.html: ../gone.html leads to nothing",
        "sub/page.html: ../index.html#nowhere names an anchor that is not there",
        "sub/page.html: /../../etc/passwd leads to nothing",
    ]


def test_what_other_hosts_would_serve_is_found(tmp_path) -> None:
    """Scripts, styles, fonts and images; links that a reader follows are listed, and what says where a page is is neither."""
    found = check(made(tmp_path, SITE))
    assert found.loaded == [
        "loads.html: https://cdn.test/a.js",
        "loads.html: //fonts.test/b.css",
        "loads.html: http://img.test/c.png",
        "app.css: https://fonts.test/d.css",
    ]
    assert found.external == ["https://example.test/x"]


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """The pages as a build lays them, with the folder."""
    folder = tmp_path_factory.mktemp("staged") / "pages"
    return folder, stage(folder)


def test_every_link_of_the_tree_leads_somewhere(staged) -> None:
    """README, ARCHITECTURE and the others too: what stands in them is in the tree, and in the site where it is a file."""
    folder, pages = staged
    for page in pages:
        text = FENCE.sub("", (folder / page).read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            file = (folder / page).parent / target.partition("#")[0]
            if not re.match(r"[a-z]+:|#", target) and "reference/" not in target:
                assert file.is_file(), f"{page}: {target}"


@pytest.mark.parametrize("target", ["gone.md", "../gone.py", "../../outside.md", "adr/0000-nothing.md#x"])
def test_a_link_that_leads_to_nothing_ends_the_build(tmp_path, target) -> None:
    """It is named with its page; the pages that are there now have none, or the test above had failed."""
    broken: list[str] = []
    _Links(ROOT / "docs/index.md", "index.md", tmp_path, broken).led(f"See [this]({target}).\n")
    assert broken == [f"docs/index.md: {target} leads to nothing"]
    assert issubclass(BrokenLinkError, Exception)


def test_links_are_led_to_their_places(tmp_path) -> None:
    """Pages of the root, sources and folders; code and addresses are left as they are."""
    text = (
        "[a](../README.md#x) [b](../Makefile) [c](../deploy) [d](runbooks) [e](https://example.test) [f](#here)\n"
        "```text\n[g](gone.md)\n```\n"
    )
    broken: list[str] = []
    led = _Links(ROOT / "docs/try.md", "try.md", tmp_path, broken).led(text)
    assert broken == []
    assert led == (
        "[a](project/overview.md#x) [b](source/Makefile.txt) c [d](runbooks/README.md) [e](https://example.test) [f](#here)\n"
        "```text\n[g](gone.md)\n```\n"
    )
    assert (tmp_path / "source/Makefile.txt").read_bytes() == (ROOT / "Makefile").read_bytes()


def test_every_page_is_found_by_the_navigation(staged) -> None:
    """None that people write is left out, and none is named twice."""
    _, pages = staged

    def leaves(entry):
        if isinstance(entry, dict):
            entry = list(entry.values())
        return [entry] if isinstance(entry, str) else [leaf for inner in entry for leaf in leaves(inner)]

    named = [leaf for entry in navigation(pages) for leaf in leaves(entry)]
    assert sorted(set(named)) == sorted(named)
    assert sorted(page for page in named if not page.startswith("reference/")) == pages

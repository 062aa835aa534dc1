"""Lays everything that the site is built from into one folder, and leads links that leave docs/ to what is there."""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path

from scripts.docs.tree import PROJECT_PAGES, ROOT, WRITTEN

#: A link or image of Markdown: what stands before the address, the address, what follows.
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)")
#: Fences of code, in which nothing is a link.
_FENCE = re.compile(r"^(\s*(?:```|~~~)[^\n]*\n.*?^\s*(?:```|~~~)\s*$)", re.MULTILINE | re.DOTALL)
#: Addresses that lead out of the tree.
_OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|#")
#: Where files of the tree that pages link to lie in the site, as plain text that a browser shows.
_SOURCES = "source"


class BrokenLinkError(Exception):
    """A page links to what is not in the tree."""


def stage(target: Path) -> list[str]:
    """Lay the pages into a folder that is made anew.

    Args:
        target: The folder.

    Returns:
        The pages, relative to it, sorted.

    Raises:
        BrokenLinkError: links lead to nothing; each is named with its page.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(WRITTEN, target)
    pages = {path: path.relative_to(WRITTEN).as_posix() for path in sorted(WRITTEN.rglob("*.md"))}
    pages |= {ROOT / name: page for name, page in PROJECT_PAGES.items()}
    broken: list[str] = []
    for source, page in pages.items():
        staged = target / page
        staged.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        staged.write_text(_Links(source, page, target, broken).led(text), encoding="utf-8")
    if broken:
        raise BrokenLinkError("\n".join(broken))
    return sorted(pages.values())


class _Links:
    """The links of one page.

    Args:
        source: The page in the tree.
        page: Its place in the site.
        target: The folder that the site is built from.
        broken: What leads to nothing is added here.
    """

    def __init__(self, source: Path, page: str, target: Path, broken: list[str]) -> None:
        self._source, self._page, self._target, self._broken = source, page, target, broken

    def led(self, text: str) -> str:
        """Return the page's text with links that lead to places of the site; code is left alone."""
        parts = _FENCE.split(text)
        return "".join(part if number % 2 else _LINK.sub(self._lead, part) for number, part in enumerate(parts))

    def _lead(self, found: re.Match[str]) -> str:
        """Return one link."""
        address, _, anchor = found["target"].partition("#")
        if _OUTSIDE.match(found["target"]) or not address:
            return found[0]
        file = (self._source.parent / address).resolve()
        if _is_generated(file):
            return found[0]
        if not file.exists() or not file.is_relative_to(ROOT):
            self._broken.append(f"{self._source.relative_to(ROOT)}: {found['target']} leads to nothing")
            return found[0]
        place = self._place(file)
        if place is None:
            return found["text"]
        relative = posixpath.relpath(place, posixpath.dirname(self._page) or ".")
        return f"{found['image']}[{found['text']}]({relative}{'#' if anchor else ''}{anchor})"

    def _place(self, file: Path) -> str | None:
        """Return where a file of the tree lies in the site; None: a folder without a page, whose name is enough."""
        if file.is_dir():
            return self._place(file / "README.md") if (file / "README.md").is_file() else None
        name = file.relative_to(ROOT).as_posix()
        if name in PROJECT_PAGES:
            return PROJECT_PAGES[name]
        if file.is_relative_to(WRITTEN):
            return file.relative_to(WRITTEN).as_posix()
        place = f"{_SOURCES}/{name}.txt"
        (self._target / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, self._target / place)
        return place


def _is_generated(file: Path) -> bool:
    """Tell whether a page is one of the reference, which is made when the site is built."""
    return file.is_relative_to(WRITTEN / "reference")

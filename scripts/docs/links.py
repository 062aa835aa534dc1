"""Checks a built site: every internal link and anchor leads somewhere, and nothing is loaded from another host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Elements whose address a browser loads by itself, with the attribute that has it.
_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
#: Relations of `link` elements that are loaded; others only say something about the page.
_LOADED_RELATIONS = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "prefetch", "manifest"}
#: What a style sheet loads.
_STYLE = re.compile(r"url\(\s*['\"]?(?P<address>[^'\")]+)|@import\s+['\"](?P<imported>[^'\"]+)")


@dataclass
class Found:
    """What a site holds that leads somewhere.

    Args:
        broken: Internal links that lead to nothing, a sentence each.
        loaded: What a browser would load from another host, a sentence each.
        external: Addresses of other hosts that a reader may go to, sorted.
    """

    broken: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)


class _Page(HTMLParser):
    """Anchors and addresses of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element has."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag in _LOADED and given.get(_LOADED[tag]):
            self.loads.append(given[_LOADED[tag]])
        elif tag == "link" and given.get("href") and _LOADED_RELATIONS & set(given.get("rel", "").split()):
            self.loads.append(given["href"])
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])


def check(site: Path) -> Found:
    """Look at every page and style sheet of a built site.

    Args:
        site: Folder of the site.
    """
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found, external = Found(), set[str]()
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        external |= {link for link in page.links if _is_external(link)}
        found.broken += [f"{name}: {link}" for link in _broken(page, path, site, pages)]
        found.loaded += [f"{name}: {address}" for address in page.loads if _is_external(address)]
    for path in sorted(site.rglob("*.css")):
        loaded = [address for address in _addresses(path) if _is_external(address)]
        found.loaded += [f"{path.relative_to(site).as_posix()}: {address}" for address in loaded]
    found.external = sorted(external)
    return found


def _broken(page: _Page, path: Path, site: Path, pages: dict[Path, _Page]) -> Iterator[str]:
    """Yield the internal links of a page that lead to nothing."""
    for link in [*page.links, *page.loads]:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        start = site if parts.path.startswith("/") else path.parent
        target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        anchors = pages[target].anchors if target in pages else set[str]()
        if not target.is_file() or not target.is_relative_to(site):
            yield f"{link} leads to nothing"
        elif parts.fragment and target in pages and unquote(parts.fragment) not in anchors:
            yield f"{link} names an anchor that is not there"


def _addresses(path: Path) -> Iterable[str]:
    """Return what a style sheet loads."""
    text = path.read_text(encoding="utf-8")
    return [found["address"] or found["imported"] for found in _STYLE.finditer(text)]


def _is_external(address: str) -> bool:
    """Tell whether an address is one of another host."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in {"http", "https"}

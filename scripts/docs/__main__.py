"""`python -m scripts.docs build|check`: makes the documentation's site; `check` looks at each link of it too."""

from __future__ import annotations

import argparse
import sys

from scripts.docs.building import build
from scripts.docs.links import check
from scripts.docs.staging import BrokenLinkError
from scripts.docs.tree import ROOT, SITE, STAGED


def main() -> int:
    """Do what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.docs", description=__doc__)
    parser.add_argument("word", choices=["build", "check"])
    word = parser.parse_args().word
    try:
        build()
    except BrokenLinkError as error:
        print(error, file=sys.stderr)
        return 1
    site = SITE.relative_to(ROOT)
    print(f"docs: {site}/index.html; to search in it: python3 -m http.server -d {site}")
    return _checked() if word == "check" else 0


def _checked() -> int:
    """Say what is wrong with the links of the site; returns 1 where something is."""
    found = check(SITE)
    for problem in found.broken:
        print(f"docs: {problem}", file=sys.stderr)
    for problem in found.loaded:
        print(f"docs: {problem} is loaded from another host", file=sys.stderr)
    listed = STAGED / "external-links.txt"
    listed.write_text("".join(f"{link}\n" for link in found.external), encoding="utf-8")
    print(f"docs: {len(found.external)} links lead to other hosts, unchecked: {listed.relative_to(ROOT)}")
    return int(bool(found.broken or found.loaded))


if __name__ == "__main__":
    sys.exit(main())

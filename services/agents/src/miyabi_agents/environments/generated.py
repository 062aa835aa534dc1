"""Finds what a build left in the checkout that was not there before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

#: Most files and folders of a checkout that are looked at; the sandbox lets a build make fewer.
MAX_ENTRIES = 1_000_000
#: Most generated paths that are reported.
MAX_GENERATED = 2_000
#: Most characters of them together.
MAX_CHARACTERS = 200_000
#: Left by interpreters and test runners wherever they run; no checkout lacks them.
IGNORED = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"})


def snapshot(tree: Path) -> frozenset[str]:
    """Return every path below a checkout that was just laid, relative to it; links are not followed."""
    found: set[str] = set()
    pending = [""]
    while pending and len(found) < MAX_ENTRIES:
        prefix = pending.pop()
        with os.scandir(tree / prefix) as entries:
            for entry in entries:
                path = prefix + entry.name
                found.add(path)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{path}/")
    return frozenset(found)


def generated_since(tree: Path, before: frozenset[str]) -> Sequence[str]:
    """Return the topmost paths that are new, sorted; names that are no UTF-8 are left out.

    Only folders that were there before are looked into, so that what a build made cannot make this long.
    """
    found: list[str] = []
    left, pending = MAX_ENTRIES, [""]
    while pending and left > 0 and len(found) < MAX_GENERATED:
        prefix = pending.pop()
        with suppress(OSError), os.scandir(tree / prefix) as entries:
            for entry in entries:
                left -= 1
                path = prefix + entry.name
                if path not in before:
                    if entry.name not in IGNORED and _is_text(path) and len(found) < MAX_GENERATED:
                        found.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    pending.append(f"{path}/")
                if left <= 0:
                    break
    return _within_bounds(sorted(found))


def _within_bounds(paths: list[str]) -> Sequence[str]:
    """Return as many paths as may be reported."""
    left = MAX_CHARACTERS
    kept = []
    for path in paths:
        left -= len(path)
        if left < 0:
            break
        kept.append(path)
    return tuple(kept)


def _is_text(path: str) -> bool:
    """Tell whether a path can be written down; the surrogates of a name that is no UTF-8 are not printable."""
    return path.isprintable()

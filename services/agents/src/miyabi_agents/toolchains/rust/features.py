"""Finds the features without which tests are not compiled: whole files, and targets that require some."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from miyabi_agents.toolchains.port import BaseFiles
from miyabi_agents.toolchains.rust.crates import Crate, inside

#: Test files that are looked at, and how much of each: such a condition stands at the top.
MAX_FILES, MAX_HEAD = 500, 8192
#: Most features that are switched on.
MAX_FEATURES = 100
#: The condition of a whole file, up to the end of its line or of its attribute.
_WHOLE_FILE = re.compile(r"^#!\[cfg\((.{1,500}?)\)\]", re.MULTILINE | re.DOTALL)
#: What is under `not(…)`, which holds without the feature.
_WITHOUT = re.compile(r"\bnot\s*\([^()]{0,300}\)")
_FEATURE = re.compile(r"\bfeature\s*=\s*\"([\w+.-]{1,100})\"")


def gates(base: BaseFiles, crates: Sequence[Crate]) -> list[str]:
    """Return the features that tests stand behind, as cargo names those of a workspace: `package/feature`, sorted.

    Those of a compiler that is not stable are left out.
    """
    found: set[str] = set()
    for crate in crates:
        known = _known(crate.table)
        own = [
            path
            for path in base.paths()
            if path.endswith(".rs")
            and inside(path, crate.folder)
            and path.removeprefix("" if crate.folder == "." else f"{crate.folder}/").startswith("tests/")
        ]
        wanted = {*_required(crate.table), *_of_files(base, own[:MAX_FILES])}
        found |= {f"{crate.name}/{name}" for name in wanted & known if "nightly" not in name}
    return sorted(found)[:MAX_FEATURES]


def _known(table: Mapping[str, Any]) -> set[str]:
    """Return the features of a package, optional dependencies included."""
    features, needs = table.get("features"), table.get("dependencies")
    optional = needs.items() if isinstance(needs, dict) else ()
    return {*(features if isinstance(features, dict) else ())} | {
        name for name, value in optional if isinstance(value, dict) and value.get("optional") is True
    }


def _required(table: Mapping[str, Any]) -> Iterator[str]:
    """Return the features that test targets require."""
    targets = table.get("test")
    for target in targets if isinstance(targets, list) else ():
        names = target.get("required-features") if isinstance(target, dict) else None
        yield from (name for name in (names if isinstance(names, list) else ()) if isinstance(name, str))


def _of_files(base: BaseFiles, paths: Sequence[str]) -> Iterator[str]:
    """Return the features that whole files of tests stand behind."""
    for path in paths:
        head = (base.read(path) or b"")[:MAX_HEAD].decode("utf-8", "replace")
        for condition in _WHOLE_FILE.findall(head):
            yield from _FEATURE.findall(_WITHOUT.sub("", condition))

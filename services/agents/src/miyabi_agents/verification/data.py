"""Tells whether a change edits what tests read and compare (input, expected output, snapshots) and no test itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from miyabi_agents.toolchains.port import BaseFiles
from miyabi_agents.verification.changes import Sorted
from miyabi_agents.verification.targets import is_test as in_test_folder

#: Files of base that are looked at for an import of what was edited; with more, no verdict rests on it.
MAX_FILES = 1000
#: A line that brings in other code, in any of the languages there are.
_BRINGS = rb"^[^\n]*\b(?:import|from|require|use|mod|include)\b[^\n]*\b%s\b"


def edited_data(ordered: Sorted, base: BaseFiles, tests: Iterable[str], suffixes: frozenset[str]) -> Sequence[str]:
    """Return the files of test data that a change edits, sorted; empty where a verdict cannot rest on them.

    It cannot where the change adds or edits tests, which speak for it themselves, and where one of the files is code
    that tests bring in: on base they would fail for want of a name, whatever the change does.

    Args:
        ordered: The files of the change, by what they are.
        base: The files before.
        tests: Test files, as far as they are known.
        suffixes: Endings of the ecosystem's code.
    """
    if ordered.own.added or ordered.own.edited or ordered.own.removed:
        return ()
    code = [path for path in ordered.support if PurePosixPath(path).suffix in suffixes]
    if code and _brought_in(code, base, tests, suffixes):
        return ()
    return tuple(sorted(ordered.support))


def _brought_in(code: Sequence[str], base: BaseFiles, tests: Iterable[str], suffixes: frozenset[str]) -> bool:
    """Tell whether a test, or another file beside tests, brings in one of some files of code."""
    stems = {_stem(path) for path in code}
    names = b"(?:" + b"|".join(re.escape(stem.encode()) for stem in sorted(stems)) + b")"
    brings = re.compile(_BRINGS % names, re.MULTILINE)
    beside = (path for path in base.paths() if PurePosixPath(path).suffix in suffixes and in_test_folder(path))
    known = dict.fromkeys([*tests, *beside])
    others = [path for path in known if path not in code]
    # What is not looked at might bring it in.
    return len(others) > MAX_FILES or any(brings.search(base.read(path) or b"") for path in others)


def _stem(path: str) -> str:
    """Return the name by which code is brought in: a package's is its folder's."""
    plain = PurePosixPath(path)
    return plain.parent.name if plain.stem in {"__init__", "index", "mod"} else plain.stem

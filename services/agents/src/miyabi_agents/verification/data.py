"""Tells whether a change edits what tests read and compare (input, expected output, snapshots) and no test itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from miyabi_agents.toolchains.port import BaseFiles
from miyabi_agents.verification.changes import Sorted
from miyabi_agents.verification.targets import is_test as in_test_folder

#: Files of base that are looked at for what brings in or runs what was edited; with more, no verdict rests on it.
MAX_FILES = 5000
#: What brings in other code by a word, in any of the languages there are: on a line, in brackets over several lines,
#: and as a name in quotes (blocks of imports, settings, code that is loaded by name).
_BRINGS = (
    rb"\b(?:import|from|require|use|mod|include)\b[^\n]{0,300}\b%(word)s\b"
    rb"|\b(?:import|use)\b[^\n(){};]{0,300}[({][^(){};]{0,3000}\b%(word)s\b"
    rb"|[\"'`][\w@:./\\-]{0,300}\b%(word)s[\"'`]"
)
#: What runs code that is a file or a value.
_RUNS = re.compile(
    rb"\bimportlib\b|\b__import__\b|\bimport_module\b|\bimport_string\b|\brunpy\b|\bpkgutil\b|(?<![.\w])(?:exec|eval)\("
    rb"|\brun_path\b|\b(?:require|import)Actual\b|\bcreateRequire\b|\brunIn\w*Context\b|\bnew Function\("
    rb"|\b(?:require|import)\(\s*[^\s'\"`)]|\binclude!|#\[path\b"
)
#: Files at the root that name code beside tests: settings, programs that run tests.
_AT_ROOT = frozenset({".py", ".toml", ".cfg", ".ini", ".json", ".js", ".cjs", ".mjs", ".ts"})


def edited_data(ordered: Sorted, base: BaseFiles, tests: Iterable[str], suffixes: frozenset[str]) -> Sequence[str]:
    """Return the files of test data that a change edits, sorted; empty where a verdict cannot rest on them.

    It cannot where the change adds or edits tests, which speak for it themselves; where it takes data away that does
    not turn up elsewhere, since what an old case says would be gone with it; and where one of the files is code that
    tests bring in or run: on base they would fail for want of a name, whatever the change does.

    Args:
        ordered: The files of the change, by what they are.
        base: The files before.
        tests: Test files, or the folders that hold them, as far as they are known.
        suffixes: Endings of the ecosystem's code.
    """
    if ordered.own.added or ordered.own.edited or ordered.own.removed or _taken_away(ordered, base):
        return ()
    code = [path for path in ordered.support if PurePosixPath(path).suffix in suffixes]
    if code and _brought_in(code, base, list(tests), suffixes):
        return ()
    return tuple(sorted(ordered.support))


def _taken_away(ordered: Sorted, base: BaseFiles) -> bool:
    """Tell whether data is deleted, and not only moved."""
    kept = {file.content for file in ordered.support.values() if not file.deleted}
    return any(file.deleted and base.read(path) not in kept for path, file in ordered.support.items())


def _brought_in(code: Sequence[str], base: BaseFiles, tests: Sequence[str], suffixes: frozenset[str]) -> bool:
    """Tell whether a test, or another file beside tests, brings in or runs one of some files of code."""
    folders = {*tests, *(str(PurePosixPath(path).parent) for path in tests)}
    if any(str(PurePosixPath(path).parent) in folders for path in code):
        # Files of one folder may need no import (Go), and are named in ways that no rule knows.
        return True
    brings = re.compile(_BRINGS % {b"word": _any_of(_stem(path) for path in code)})
    parts = _any_of(part for path in code for part in _parts_below_tests(path))
    named = re.compile(rb"[\"'`/\\](?:[\w-]+\.)*%s[\"'`/\\.]" % parts)
    others = _may_bring(base, tests, suffixes) - set(code)
    contents = (base.read(path) or b"" for path in sorted(others))
    # What is not looked at might bring it in.
    return len(others) > MAX_FILES or any(
        brings.search(content) or (_RUNS.search(content) and named.search(content)) for content in contents
    )


def _may_bring(base: BaseFiles, tests: Sequence[str], suffixes: frozenset[str]) -> set[str]:
    """Return the files that may bring in code beside tests: tests, files at the root, code beside tests."""
    every = base.paths()
    root = {path for path in every if "/" not in path and PurePosixPath(path).suffix in _AT_ROOT}
    beside = {path for path in every if PurePosixPath(path).suffix in suffixes and in_test_folder(path)}
    return {*tests, *root, *beside}


def _any_of(words: Iterable[str]) -> bytes:
    """Return an expression for one of some words."""
    return b"(?:" + b"|".join(re.escape(word.encode()) for word in sorted(set(words))) + b")"


def _stem(path: str) -> str:
    """Return the name by which code is brought in: a package's is its folder's."""
    plain = PurePosixPath(path)
    return plain.parent.name if plain.stem in {"__init__", "index", "mod"} or plain.suffix == ".go" else plain.stem


def _parts_below_tests(path: str) -> set[str]:
    """Return the names by which a file is found from tests: its own, and those of folders below the one of tests."""
    plain = PurePosixPath(path)
    folders = {folder.name for folder in plain.parents if folder.name and in_test_folder(str(folder))}
    # Names of a letter or two stand in any text.
    return {plain.stem, *(name for name in folders if len(name) > 2)}

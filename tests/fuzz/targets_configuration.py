"""Fuzz targets of what a repository says by its files' names and its `.miyabi.yaml`: the file, globs, paths, queries."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from miyabi_agents.agents.editing.searching import Query, usable
from miyabi_agents.errors import ConfigError, WorkspaceError
from miyabi_agents.localisation.keeping.coding import decode, encode
from miyabi_agents.localisation.reading.languages import Language
from miyabi_agents.localisation.reading.record import record_of
from miyabi_agents.verification.config import FILE_NAME, parse
from miyabi_agents.verification.targets import configured, is_test, matches
from miyabi_agents.workspace.linkfree import alike, parts_of

#: The longest glob that a configuration may hold, and the longest path that is used.
_GLOB, _PATH = 300, 1024


def configuration(data: bytes) -> None:
    """A configuration: it is read, with every path inside the repository, or refused in the one error."""
    try:
        found = parse(data.decode("utf-8", "replace"), where=FILE_NAME)
    except ConfigError as error:
        assert len(str(error)) < 2000
        return
    assert not found.test.cwd.startswith("/")
    assert ".." not in found.test.cwd.split("/")
    assert not any("://" in text or text.strip().startswith("-") for text in found.env.requirements)
    configured(["src/a/b.py"], found)


def globs(data: bytes) -> None:
    """A glob against a path, each at its longest; what has no wildcard matches itself alone."""
    pattern, _, path = data.decode("utf-8", "replace").partition("\n")
    pattern, path = pattern[:_GLOB], path[:_PATH]
    found = matches(pattern, path)
    assert found == matches(pattern, path)
    assert matches(path, path) or not path or "*" in path
    assert "*" in pattern or "?" in pattern or found == (pattern == path)


def paths(data: bytes) -> None:
    """A path: what may be used is plain, stays inside, names no option and no part of git."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        parts = parts_of(text)
    except WorkspaceError as error:
        assert str(error).isprintable()
        return
    assert parts
    for part in parts:
        assert part not in {"", ".", ".."}
        assert not part.startswith("-")
        assert not {unicodedata.category(char) for char in part} & {"Cc", "Cf", "Cs"}
        assert alike(part).rstrip(". ") not in {".git", "git~1"}
    is_test(text)


def queries(data: bytes) -> None:
    """What a model searches for, on a line of a stranger's."""
    query, _, line = data.decode("utf-8", "replace").partition("\n")
    usable(Query(query[:1000]))[0].finder().search(line)


def indexed(data: bytes) -> None:
    """A file that is indexed for the search of likely ones: what is kept of it is read back as it was."""
    for language in Language:
        record = record_of(data.decode("utf-8", "replace"), language)
        assert encode(decode(encode(record))) == encode(record)


#: By the name under which `make fuzz` keeps a corpus.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "repository_configuration": configuration,
    "repository_globs": globs,
    "repository_indexed": indexed,
    "repository_paths": paths,
    "repository_queries": queries,
}
#: What each begins from.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "repository_configuration": (
        (
            b"test:\n  command: ['{python}', '-m', 'pytest', '{targets}']\n  cwd: src\n  timeout: 60\n  targets:\n"
            b"    - source: 'src/**/*.py'\n      tests: [tests/test_a.py]\n"
        ),
        b"env:\n  requirements: ['six>=1; python_version > \"3\"', 'a[b]==1']\n  python: '>=3.11'\n  prefer: ['3.12']\n",
        b"test: {format: auto, whole_suite: 0}\nenv: {extras: [tests], groups: [dev], only: true}\n",
        b"a: &a [1]\nb: *a\n",
    ),
    "repository_globs": (b"src/**/*.py\nsrc/a/b.py", b"**/*a*a*b\na/aaaaaaaaaaaa", b"?/[x]/**\na/[x]/c"),
    "repository_indexed": (b"class A:\n    def b_c(self): return (1, [2])\n", b"def f(x): return -x.aBcDef\n"),
    "repository_paths": (b"src/a.py", b".github/workflows/a.yml", b"-o/x.py", b".g\xe2\x80\x8cit/config", b"a/../b"),
    "repository_queries": (b"def f.*self|class\n    def f(self):", b"a\\.b\na.b"),
}

"""Chooses the tests for a change: its own, and those that import what it touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from miyabi_agents.toolchains.javascript.code.blocks import Block, Source, parse
from miyabi_agents.toolchains.javascript.code.graph import MAX_FILES, importers_of
from miyabi_agents.toolchains.javascript.code.names import CODE, is_test
from miyabi_agents.toolchains.javascript.manifest import parent, relative
from miyabi_agents.toolchains.javascript.reports import JOINT
from miyabi_agents.toolchains.nearness import nearest
from miyabi_agents.toolchains.port import BaseFiles, OwnTests, Project, Selection
from miyabi_core.text import shortened

#: Most tests that are named as near; those with the shortest way come first.
MAX_NEAR = 200


def select(
    project: Project, base: BaseFiles, changed: Mapping[str, bytes | None], projects: Sequence[Project]
) -> Selection:
    """Return the change's own tests and those that reach a touched file by imports or bear its name."""
    own = sorted(path for path, content in changed.items() if content is not None and is_test(path, projects))
    files = [
        path
        for path in base.paths()
        if relative(path, project.root) is not None and CODE.search(path) and "/node_modules/" not in path
    ]
    touched = {path for path in changed if not is_test(path, projects)}
    importers, cut = importers_of(base, files[:MAX_FILES], changed)
    distance = _reach(touched, importers)
    tests = [path for path in files if path not in changed and is_test(path, projects)]
    named = {path for path in tests if _bare(path) in {_bare(entry) for entry in touched}}
    steps = {path: 0 if path in named else distance[path] for path in tests if path in distance or path in named}
    reached = nearest(steps, sorted(touched))
    note = f"{len(reached)} of {len(tests)} test files import what changes or bear its name"
    if len(reached) > MAX_NEAR:
        note += f"; the nearest {MAX_NEAR} are run"
    if cut or len(files) > MAX_FILES:
        note += "; the project is too large to follow every import"
    return Selection(tuple(own), tuple(reached[:MAX_NEAR]), note)


def _bare(path: str) -> str:
    """Return a file's name without what makes it a test."""
    stem = PurePosixPath(path).name.split(".")[0].lower()
    for end in ("-test", "_test", "-spec", "_spec"):
        stem = stem.removesuffix(end)
    return parent(path).rsplit("/", 1)[-1].lower() if stem == "index" else stem.removeprefix("test-")


def _reach(touched: Iterable[str], importers: Mapping[str, set[str]]) -> dict[str, int]:
    """Return every file that reaches a touched one, with the number of imports between."""
    distance = dict.fromkeys(touched, 0)
    level = list(distance)
    while level:
        following: list[str] = []
        for path in level:
            for importer in importers.get(path, ()):
                if importer not in distance:
                    distance[importer] = distance[path] + 1
                    following.append(importer)
        level = following
    return distance


def own_tests(path: str, before: bytes | None, after: bytes | None) -> OwnTests:
    """Return the tests that a change adds, edits or removes in one file.

    The path itself counts as edited where tests' names are made at run time, or where what tests share was edited.
    """
    old, new = _source(before), _source(after)
    if old is None or new is None:
        return OwnTests(edited=frozenset({path}))
    named_old, named_new = _named(path, old), _named(path, new)
    shared = before is not None and after is not None and old.rest != new.rest
    whole = {path} if shared or _dynamic(old) != _dynamic(new) else set()
    edited = {name for name in named_old.keys() & named_new.keys() if named_old[name] != named_new[name]}
    return OwnTests(
        added=frozenset(named_new.keys() - named_old.keys()),
        edited=frozenset(edited | whole),
        removed=frozenset(named_old.keys() - named_new.keys()),
    )


def code_of(path: str, content: bytes, group: str) -> str:
    """Return the code of a test, at most 4,000 characters; empty where it cannot be told."""
    text = content.decode("utf-8", "replace")
    source = parse(text)
    for test in source.blocks if source is not None else ():
        if not test.group and test.exact and _name(path, test) == group:
            return shortened(text[test.start : test.end], 4000)
    return ""


def _source(content: bytes | None) -> Source | None:
    """Return the tests of a file; none where it is not there; None where it cannot be read."""
    return Source((), "") if content is None else parse(content.decode("utf-8", "replace"))


def _name(path: str, test: Block) -> str:
    """Return a test's name as verdicts have it."""
    return JOINT.join([path, *(" ".join(title.split()) for title in test.path)])


def _named(path: str, source: Source) -> dict[str, list[str]]:
    """Return the bodies of the tests whose names stand in the file."""
    named: dict[str, list[str]] = {}
    for test in source.blocks:
        if test.exact and not test.group:
            named.setdefault(_name(path, test), []).append(test.digest)
    return named


def _dynamic(source: Source) -> list[str]:
    """Return the bodies of the tests whose names are made when they run."""
    return sorted(test.digest for test in source.blocks if not test.exact and not test.group)

"""Reads the pins of `poetry.lock`, `pdm.lock` and `Pipfile.lock` from the files themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from miyabi_agents.toolchains.python.manifests.names import (
    BESIDE_TESTS,
    DEV_NAMES,
    NAME_OF_PACKAGE,
    TEST_NAMES,
    TEST_TOOLS,
    normal,
)
from miyabi_agents.toolchains.python.manifests.requirement import Gathered, holds, left_out, parse
from miyabi_agents.toolchains.python.manifests.tree import MAX_LOCK_BYTES, Table, Tree, strings, table, text_of

#: Packages of a lock file that are read.
MAX_PACKAGES = 5_000
#: Groups of a lock file that the project itself needs.
_MAIN = frozenset({"main", "default"})


def poetry(tree: Tree, path: str, *, python: tuple[int, ...]) -> Gathered | None:
    """Return the pins of a `poetry.lock` for the project, tests and development; None where it cannot be read."""
    packages = _packages(tree.toml(path, limit=MAX_LOCK_BYTES), "package")
    usable = [package for package in packages if package.get("optional") is not True]
    return _pins(usable, path, python=python, python_key="python-versions", marker_key="markers")


def pdm(tree: Tree, path: str, *, python: tuple[int, ...]) -> Gathered | None:
    """Return the pins of a `pdm.lock`; None where it cannot be read."""
    packages = _packages(tree.toml(path, limit=MAX_LOCK_BYTES), "package")
    return _pins(packages, path, python=python, python_key="requires_python", marker_key="marker")


def pipfile(tree: Tree, path: str, *, python: tuple[int, ...]) -> Gathered | None:
    """Return the pins of a `Pipfile.lock`, both parts; None where it cannot be read."""
    content = tree.json(path)
    packages: list[Table] = []
    for part in ("default", "develop"):
        for name, value in list(table(content.get(part)).items())[:MAX_PACKAGES]:
            version = text_of(table(value).get("version")).removeprefix("==")
            packages.append({**table(value), "name": name, "version": version, "groups": [part]})
    gathered = _pins(packages, path, python=python, python_key="", marker_key="markers")
    if gathered:
        gathered.itself = any(table(entry).get("path") == "." for entry in packages)
    return gathered


def _packages(content: Table, key: str) -> list[Table]:
    listed = content.get(key)
    return [table(entry) for entry in listed[:MAX_PACKAGES]] if isinstance(listed, list) else []


def _pins(
    packages: Sequence[Table], path: str, *, python: tuple[int, ...], python_key: str, marker_key: str
) -> Gathered | None:
    """Return the pins that count on this Python, from the groups that tests need.

    Raises:
        EnvironmentBuildError: the project itself needs a package that no index can give.
    """
    gathered = Gathered(inputs=[path], origins=[path])
    chosen: dict[str, tuple[Version, str]] = {}
    for package in _of_groups(packages):
        name, version = text_of(package.get("name")), text_of(package.get("version"))
        groups = _groups(package)
        if not _fits(text_of(package.get(python_key)), python):
            continue
        if not _holds(package.get(marker_key), groups, python):
            continue
        if _elsewhere(package):
            if text_of(package.get("path")) != ".":
                left_out(name, gathered, where=path, needed=bool(groups & _MAIN))
            continue
        if groups and not groups & _MAIN and BESIDE_TESTS.match(normal(name)):
            continue
        if not NAME_OF_PACKAGE.fullmatch(name):
            continue
        try:
            parsed = Version(version)
        except InvalidVersion:
            continue
        extras = ",".join(strings(package.get("extras"))) if isinstance(package.get("extras"), list) else ""
        key = f"{normal(name)}[{extras}]"
        text = f"{name}[{extras}]=={version}" if extras else f"{name}=={version}"
        if parse(text) is not None and (key not in chosen or chosen[key][0] < parsed):
            chosen[key] = (parsed, text)
    gathered.requirements.extend(text for _, text in chosen.values())
    return gathered if chosen or packages else None


def _groups(package: Table) -> frozenset[str]:
    """Return the groups that a package is locked for; empty where the lock does not say."""
    named = strings(package.get("groups"))
    category = text_of(package.get("category"))
    return frozenset(map(normal, named)) if named else frozenset({normal(category)} if category else ())


def _of_groups(packages: Iterable[Table]) -> Sequence[Table]:
    """Leave out packages of groups that tests do not need; where no test tool would be left, keep all."""
    every = list(packages)
    wanted = _MAIN | TEST_NAMES | DEV_NAMES
    kept = [package for package in every if not _groups(package) or _groups(package) & wanted]
    return kept if any(TEST_TOOLS.match(normal(text_of(package.get("name")))) for package in kept) else every


def _elsewhere(package: Table) -> bool:
    """Tell whether a package comes from an address or a folder."""
    source = table(package.get("source"))
    return source.get("type") in ("git", "url", "file", "directory") or any(
        key in package for key in ("git", "path", "url", "file", "hg", "svn")
    )


def _fits(constraint: str, python: tuple[int, ...]) -> bool:
    """Tell whether a constraint on Python lets our Python in; one that cannot be read does."""
    try:
        return not constraint or SpecifierSet(constraint).contains(".".join(map(str, (*python, 0)[:3])))
    except InvalidSpecifier:
        return True


def _holds(marker: object, groups: frozenset[str], python: tuple[int, ...]) -> bool:
    """Tell whether a marker holds on our Python under Linux, without an extra."""
    if isinstance(marker, dict):
        named = [text for name, text in marker.items() if normal(str(name)) in groups] or list(marker.values())
        return any(_holds(text, groups, python) for text in named)
    return not isinstance(marker, str) or holds(marker, python)

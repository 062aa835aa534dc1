"""Which exact versions a manifest or lock file names; nothing of a repository is run for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from miyabi_agents.toolchains.python.manifests.names import normal
from miyabi_agents.toolchains.toml import loads
from miyabi_core.text import split_lines

#: Ecosystems by the names that OSV has for them (ossf.github.io/osv-schema, "affected[].package").
PYPI, NPM, GO, CRATES = "PyPI", "npm", "Go", "crates.io"
#: Lock files that name exact versions in a form that nothing here reads; to pass over them would look like an audit.
_UNREAD = frozenset({"pnpm-lock.yaml", "bun.lock", "bun.lockb", "pylock.toml"})
#: A version of npm or a crate that is one and no range.
_EXACT = re.compile(r"^=?v?(\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)$")
#: A requirement of a module, in a block or alone (go.dev/ref/mod, "go.mod files").
_MODULE = re.compile(r"^(?:require\s+)?(?P<name>[\w.~-]+(?:/[\w.~-]+)+)\s+v(?P<version>\d\S*)\s*(?://.*)?$")
#: An entry of yarn's lock file: names with ranges, then the version.
_YARN_NAME = re.compile(r'^"?(?P<name>@?[^@"\s]+)@[^\n]*:$')
_YARN_VERSION = re.compile(r'^\s+version:?\s+"?(?P<version>[^"\s]+)"?$')


#: What names and versions of packages are made of at each index; nothing else can be published there, or asked for.
_NAME, _VERSION = re.compile(r"[\w@./~+-]{1,214}", re.ASCII), re.compile(r"[\w.+!~-]{1,100}", re.ASCII)


@dataclass(frozen=True, order=True)
class Dependency:
    """One version of a package."""

    ecosystem: str
    name: str
    version: str


def reads(path: str) -> bool:
    """Tell whether a file is a manifest or lock file: `dependencies` reads it, or says that it cannot."""
    return _reader(path) is not None or PurePosixPath(path).name in _UNREAD


def dependencies(path: str, content: bytes) -> set[Dependency]:
    """Return the exact versions that a file names; what it requires as a range only is not among them.

    Nor is what no index can have, by its name or version: nobody could install it from there.

    Args:
        path: By its name it is read.
        content: Of a stranger.

    Raises:
        ValueError: it is not what its name says, or a lock file of a form that is not read.
    """
    if PurePosixPath(path).name in _UNREAD:
        raise ValueError("lock files of this kind are not audited")
    reader = _reader(path)
    text = "\n".join(row.decode("utf-8", "replace") for row in split_lines(content))
    try:
        return {one for one in reader(text) if _is_published(one)} if reader else set()
    except (TypeError, AttributeError, KeyError, RecursionError) as error:
        raise ValueError(f"it is not what its name says ({type(error).__name__})") from error


def _is_published(one: Dependency) -> bool:
    """Tell whether an index can have it; a stranger's JSON has numbers and half characters too."""
    texts = all(isinstance(said, str) for said in (one.name, one.version))
    return texts and bool(_NAME.fullmatch(one.name) and _VERSION.fullmatch(one.version))


def _reader(path: str) -> Callable[[str], Iterator[Dependency]] | None:
    """Return what reads a file of that name."""
    name = PurePosixPath(path).name
    if name.endswith(".txt") and ("requirements" in name or "constraints" in name or "requirements" in path):
        return _requirements
    return _READERS.get(name)


def _python(texts: Iterator[str]) -> Iterator[Dependency]:
    """Yield what requirements pin (PEP 508)."""
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        pins = [one.version for one in requirement.specifier if one.operator in {"==", "==="}]
        if len(pins) == 1 and not pins[0].endswith("*"):
            yield Dependency(PYPI, normal(requirement.name), pins[0])


def _requirements(text: str) -> Iterator[Dependency]:
    rows = (re.split(r"(?:^|\s)(?:#|--hash|\\$)", row, maxsplit=1)[0].strip() for row in text.split("\n"))
    yield from _python(row for row in rows if row and not row.startswith("-"))


def _pyproject(text: str) -> Iterator[Dependency]:
    table = loads(text)
    project = table.get("project", {})
    lists = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    lists += table.get("dependency-groups", {}).values()
    yield from _python(entry for one in lists for entry in one if isinstance(entry, str))


def _lock(ecosystem: str) -> Callable[[str], Iterator[Dependency]]:
    """Return what reads a lock file of `[[package]]` tables; what has no index as its source is not in an ecosystem."""

    def read(text: str) -> Iterator[Dependency]:
        for package in loads(text).get("package", []):
            source = package.get("source", "registry")
            elsewhere = isinstance(source, Mapping) and not source.get("registry") and source.get("type") != "legacy"
            own = ecosystem == CRATES and "source" not in package
            if package.get("version") and not elsewhere and not own:
                name = normal(package["name"]) if ecosystem == PYPI else package["name"]
                yield Dependency(ecosystem, name, package["version"])

    return read


def _pipfile(text: str) -> Iterator[Dependency]:
    table = json.loads(text)
    for key in ("default", "develop"):
        for name, entry in table.get(key, {}).items():
            if isinstance(entry, dict) and str(entry.get("version", "")).startswith("=="):
                yield Dependency(PYPI, normal(name), entry["version"].removeprefix("=="))


def _package(text: str) -> Iterator[Dependency]:
    table = json.loads(text)
    for key in ("dependencies", "devDependencies", "optionalDependencies"):
        for name, wanted in table.get(key, {}).items():
            if found := _EXACT.match(str(wanted)):
                yield Dependency(NPM, name, found[1])


def _package_lock(text: str) -> Iterator[Dependency]:
    table = json.loads(text)
    for place, entry in table.get("packages", {}).items():
        if "node_modules/" in place and entry.get("version") and not entry.get("link"):
            name = entry.get("name") or place.rpartition("node_modules/")[2]
            yield Dependency(NPM, name, entry["version"])
    if "packages" not in table:
        yield from _nested(table.get("dependencies", {}))


def _nested(table: Mapping[str, Any]) -> Iterator[Dependency]:
    """Yield what the first form of npm's lock file names."""
    for name, entry in table.items():
        if _EXACT.match(str(entry.get("version"))):
            yield Dependency(NPM, name, entry["version"])
        yield from _nested(entry.get("dependencies", {}))


def _yarn(text: str) -> Iterator[Dependency]:
    name = ""
    for row in text.split("\n"):
        if found := _YARN_NAME.match(row):
            name = found["name"]
        elif name and (said := _YARN_VERSION.match(row)):
            yield Dependency(NPM, name, said["version"])
            name = ""


def _go(text: str) -> Iterator[Dependency]:
    for row in text.split("\n"):
        if found := _MODULE.match(row.strip()):
            yield Dependency(GO, found["name"], found["version"])


def _cargo(text: str) -> Iterator[Dependency]:
    table = loads(text)
    for key in ("dependencies", "dev-dependencies", "build-dependencies"):
        for name, wanted in table.get(key, {}).items():
            version = wanted.get("version", "") if isinstance(wanted, dict) else wanted
            if str(version).startswith("=") and (found := _EXACT.match(str(version).replace(" ", ""))):
                yield Dependency(CRATES, wanted.get("package", name) if isinstance(wanted, dict) else name, found[1])


#: What reads a file, by its name.
_READERS: Mapping[str, Callable[[str], Iterator[Dependency]]] = {
    "pyproject.toml": _pyproject, "uv.lock": _lock(PYPI), "poetry.lock": _lock(PYPI), "pdm.lock": _lock(PYPI),
    "Pipfile.lock": _pipfile, "package.json": _package, "package-lock.json": _package_lock,
    "npm-shrinkwrap.json": _package_lock, "yarn.lock": _yarn, "go.mod": _go, "Cargo.toml": _cargo,
    "Cargo.lock": _lock(CRATES),
}  # fmt: skip

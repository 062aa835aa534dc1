"""Looks packages up in a database of advisories in OSV's format, as it is published for each ecosystem.

Source: ossf.github.io/osv-schema, version 1.7; osv-vulnerabilities.storage.googleapis.com, `ECOSYSTEM/all.zip`.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from functools import total_ordering
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from miyabi_agents.analysers.audit.advisories import Advisory, Known
from miyabi_agents.analysers.audit.manifests import PYPI, Dependency
from miyabi_agents.toolchains.python.manifests.names import normal

#: Longest advisory that is read: the longest that are published have some 200 kB.
MAX_BYTES = 2 << 20
#: What an advisory is about; a database that has none about an ecosystem says nothing of its packages.
_ECOSYSTEM = re.compile(rb'"ecosystem"\s*:\s*"([^":]{1,40})[":]')
_SEMVER = re.compile(r"^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$")


def look_up(database: Path, wanted: Iterable[Dependency]) -> Known:
    """Return what a database says of some versions.

    Args:
        database: A folder with `*.json` or `*.zip` at any depth, or one zip, each entry an advisory.
        wanted: Versions of packages.

    Raises:
        ValueError: there is no such database, or it holds no advisory about any of their ecosystems.
    """
    by_name: dict[tuple[str, str], list[Dependency]] = {}
    for dependency in wanted:
        by_name.setdefault((dependency.ecosystem, dependency.name), []).append(dependency)
    words, absent = {name.encode() for _, name in by_name}, {ecosystem for ecosystem, _ in by_name}
    known, count, unread = Known(source=f"OSV database {database.name}"), 0, 0
    for content in _entries(database):
        count += 1
        if absent:
            absent -= {name.decode("utf-8", "replace") for name in _ECOSYSTEM.findall(content)}
        if any(word in content for word in words) or b"PyPI" in content:
            try:
                for dependency, advisory in list(_matches(content, by_name)):
                    known.found.setdefault(dependency, []).append(advisory)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                unread += 1
    known.asked = frozenset(ecosystem for ecosystem, _ in by_name) - absent
    if not known.asked:
        raise ValueError(f"the OSV database {database.name} holds no advisory about {', '.join(sorted(absent))}")
    known.notes = [f"{count:,} advisories were looked through", *([f"{unread:,} could not be read"] if unread else [])]
    return known


def _entries(database: Path) -> Iterator[bytes]:
    """Yield every advisory.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        files = [database] if database.is_file() else sorted(database.rglob("*"))
        for path in files:
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as archive:
                    small = [one for one in archive.infolist() if one.filename.endswith(".json")]
                    yield from (archive.read(one) for one in small if one.file_size <= MAX_BYTES)
            elif path.suffix == ".json" and path.stat().st_size <= MAX_BYTES:
                yield path.read_bytes()
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"the OSV database {database.name} cannot be read ({type(error).__name__})") from error


def _matches(
    content: bytes, by_name: Mapping[tuple[str, str], list[Dependency]]
) -> Iterator[tuple[Dependency, Advisory]]:
    """Yield what an advisory says of the packages that are asked for; one that was withdrawn says nothing.

    Raises:
        ValueError: it is no JSON; KeyError, TypeError, AttributeError, RecursionError: of another shape.
    """
    entry = json.loads(content)
    if entry.get("withdrawn"):
        return
    advisory = Advisory(str(entry["id"]), str(entry.get("summary") or ""), _severity(entry))
    for affected in entry.get("affected", []):
        package = affected.get("package", {})
        ecosystem = str(package.get("ecosystem", "")).partition(":")[0]
        name = str(package.get("name", ""))
        for dependency in by_name.get((ecosystem, normal(name) if ecosystem == PYPI else name), ()):
            if _affects(affected, dependency):
                yield dependency, advisory


def _severity(entry: Mapping[str, Any]) -> str:
    """Return what an advisory calls its severity."""
    return str((entry.get("database_specific") or {}).get("severity") or "").lower()


def _affects(affected: Mapping[str, Any], dependency: Dependency) -> bool:
    """Tell whether a version is among those that are listed, or in one of the ranges."""
    if dependency.version in affected.get("versions", ()):
        return True
    order = _python if dependency.ecosystem == PYPI else _Semver.of
    version = order(dependency.version)
    ranges = [one for one in affected.get("ranges", ()) if one.get("type") in {"SEMVER", "ECOSYSTEM"}]
    return version is not None and any(_within(version, one.get("events", ()), order) for one in ranges)


def _within(version: Any, events: Iterable[Mapping[str, str]], order: Any) -> bool:
    """Tell whether the events up to a version leave it affected (osv-schema, "Evaluation")."""
    affected = False
    dated = [(order(text) if text != "0" else None, kind) for event in events for kind, text in event.items()]
    for at, kind in sorted(dated, key=lambda one: (one[0] is not None, one[0] if one[0] is not None else 0)):
        if kind == "introduced" and (at is None or version >= at):
            affected = True
        elif at is not None and ((kind == "fixed" and version >= at) or (kind == "last_affected" and version > at)):
            affected = False
    return affected


def _python(text: str) -> Version | None:
    """Return a version of Python's (PEP 440)."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


@total_ordering
class _Semver:
    """A semantic version (semver.org 2.0.0, item 11)."""

    def __init__(self, numbers: tuple[int, ...], before: str) -> None:
        parts = (
            [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in before.split(".")] if before else []
        )
        self._key = (numbers, not before, parts)

    @classmethod
    def of(cls, text: str) -> _Semver | None:
        """Read one."""
        found = _SEMVER.match(text)
        return cls(tuple(int(number or 0) for number in found.groups()[:3]), found[4] or "") if found else None

    def __eq__(self, other: object) -> bool:
        """Compare; what is built of the same version is the same."""
        return isinstance(other, _Semver) and self._key == other._key

    def __lt__(self, other: _Semver) -> bool:
        """Compare; what comes before a release is less than it."""
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key[0])

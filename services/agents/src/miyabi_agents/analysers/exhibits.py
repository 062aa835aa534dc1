"""Lays out what analysers look at: changed files on base and on the change, base's configuration beside both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from miyabi.coordinator.v1.result_pb2 import FileChange
from miyabi_agents.analysers import configurations, suppressions
from miyabi_agents.analysers.base import RawFinding, Subject
from miyabi_agents.analysers.lines import changed_lines, split
from miyabi_agents.analysers.python_tools import PYTHON
from miyabi_agents.toolchains.port import BaseFiles
from miyabi_agents.workspace import linkfree

#: Python files of a repository up to which imports are followed; mypy takes seconds for so many.
MAX_NEIGHBOURS = 400


@dataclass(frozen=True)
class Exhibits:
    """What is looked at, and what was found while it was laid out."""

    subject: Subject
    findings: Sequence[RawFinding]  #: suppressions and configuration that the change itself writes


def lay_out(files: Sequence[FileChange], base: BaseFiles, folder: Path) -> Exhibits:
    """Write both versions of every changed file below *folder*, in `change` and `base`.

    Words of the change that tell an analyser to look away mean nothing in what is written. Of the repository's own
    configuration there is base's, in both folders, whatever the change makes of it.

    Raises:
        WorkspaceError: a name is refused, or the disk is full.
    """
    root, base_root = folder / "change", folder / "base"
    for place in (root, base_root):
        place.mkdir(parents=True)
    lines: dict[str, frozenset[int]] = {}
    found: list[RawFinding] = []
    present: list[str] = []
    for file in files:
        before = base.read(file.path)
        after = None if file.deleted else file.content
        found += configurations.find(file.path, before, after)
        if before is not None:
            linkfree.write(base_root, file.path, before)
        if after is None:
            continue
        present.append(file.path)
        lines[file.path] = changed_lines(before, after)
        rows = split(after)
        found += suppressions.find(file.path, ((number, rows[number - 1]) for number in sorted(lines[file.path])))
        linkfree.write(root, file.path, _quieted(after, rows, lines[file.path]))
    others = _neighbours(base, present)
    touched = {file.path for file in files}
    beside = _contents(base, [path for path in others or () if path not in touched])
    for path, content in {**beside, **_configuration(base)}.items():
        for place in (root, base_root):
            linkfree.write(place, path, content)
    subject = Subject(root.resolve(), base_root.resolve(), tuple(sorted(present)), lines, whole=others is not None)
    return Exhibits(subject, found)


def _neighbours(base: BaseFiles, present: Sequence[str]) -> list[str] | None:
    """Return base's Python files, whose types a changed one may use; None where they are too many to be followed."""
    if not any(PurePosixPath(path).suffix in PYTHON for path in present):
        return None
    found = [path for path in base.paths() if PurePosixPath(path).suffix in PYTHON]
    return found if len(found) <= MAX_NEIGHBOURS else None


def _contents(base: BaseFiles, paths: Sequence[str]) -> dict[str, bytes]:
    """Read files of base."""
    return {path: content for path in paths if (content := base.read(path)) is not None}


def _quieted(content: bytes, rows: list[bytes], changed: frozenset[int]) -> bytes:
    """Return a file whose changed lines tell no analyser to look away; every other byte stays."""
    fresh = suppressions.quieted(rows, changed)
    if fresh == rows:
        return content
    pieces, position = [], 0
    for old, new in zip(rows, fresh, strict=True):
        start = content.index(old, position)
        pieces += [content[position:start], new]
        position = start + len(old)
    return b"".join([*pieces, content[position:]])


def _configuration(base: BaseFiles) -> Mapping[str, bytes]:
    """Return base's files that configure an analyser."""
    return _contents(base, [path for path in base.paths() if configurations.is_configuration(path)])

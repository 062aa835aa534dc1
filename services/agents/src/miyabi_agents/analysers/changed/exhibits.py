"""Lays out what analysers look at: changed files on base and on the change, base's configuration beside both.

One file at a time is held in memory, whatever the change and the repository have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from miyabi_agents.analysers.base import RawFinding, Subject
from miyabi_agents.analysers.changed import configurations, suppressions
from miyabi_agents.analysers.changed.contents import MAX_FILE_BYTES, TOO_LARGE, as_utf8, obstacle
from miyabi_agents.analysers.changed.lines import Lines, changed_lines
from miyabi_agents.analysers.changed.names import Names
from miyabi_agents.analysers.languages import PYTHON, is_code, suffix_of
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.toolchains.port import BaseFiles
from miyabi_agents.workspace import linkfree
from miyabi_agents.workspace.pulls.comparison import ChangedFile, Mode, Version
from miyabi_core.text import enumerated, split_lines

#: Python files of a repository up to which imports are followed; mypy takes seconds for so many.
MAX_NEIGHBOURS = 400
#: Files of a change that are looked at: GitHub lists no more of a pull request (REST, "List pull requests files").
MAX_FILES = 3000
#: Names that a sentence lists.
NAMED = 10

DELETED = "deleted, so that nothing of it is left to look at"
RENAMED = "changed in name or mode only"
LINK = "a symbolic link, which is not followed"
SUBMODULE = "a submodule, which is another repository"
TOO_MANY = f"beyond the first {MAX_FILES:,} files of the change"


@dataclass
class Exhibits:
    """What is looked at, and what was found while it was laid out."""

    subject: Subject
    findings: list[RawFinding] = field(default_factory=list)  #: suppressions, configuration that the change writes
    count: int = 0  #: files of the change
    #: Names of files that nobody looks at, by the reason.
    out: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)
    #: Code among them, by the reason: without it there is no verdict on the change.
    unread: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def left_out(self) -> list[str]:
        """What was not looked at, one sentence a reason."""
        return [f"{enumerated(names, NAMED)}: {reason}" for reason, names in sorted(self.out.items())] + self.notes

    def leave(self, path: str, reason: str) -> None:
        """Note that a file is not looked at."""
        self.out[reason].append(path)
        if reason in {TOO_LARGE, TOO_MANY} and is_code(path):
            self.unread[reason].append(path)


def lay_out(files: Iterable[ChangedFile], base: BaseFiles, folder: Path) -> Exhibits:
    """Write both versions of every changed file below *folder*, in `change` and `base`.

    Words of the change that tell an analyser to look away mean nothing in what is written. Of the repository's own
    configuration there is base's, in both folders, whatever the change makes of it. A file whose name no program should
    see lies under another one.

    Raises:
        WorkspaceError: git failed, or the disk is full.
    """
    laying = _Laying(folder)
    for file in files:
        laying.add(file)
    return laying.finish(base)


class _Laying:
    """Takes one file after the other."""

    def __init__(self, folder: Path) -> None:
        self._root, self._base_root = folder / "change", folder / "base"
        for place in (self._root, self._base_root):
            place.mkdir(parents=True)
        self._names = Names()
        self._lines: dict[str, Lines] = {}
        self._touched: set[str] = set()
        self._exhibits = Exhibits(Subject(self._root.resolve(), self._base_root.resolve()))

    def add(self, file: ChangedFile) -> None:
        """Lay out one file, or note why it is not."""
        self._exhibits.count += 1
        self._touched |= {file.path, file.old_path}
        before, after = _content(file.before), _content(file.after)
        shown = self._names.shown(file.path)
        kept = before if isinstance(before, bytes) else None
        fresh = after if isinstance(after, bytes) else None
        self._exhibits.findings += configurations.find(shown, kept, fresh)
        reason = _why_out(file, after)
        if not reason and len(self._lines) >= MAX_FILES:
            reason = TOO_MANY
        if reason:
            self._exhibits.leave(shown, reason)
        if fresh is not None and not reason:
            self._lay(file.path, kept, fresh)

    def _lay(self, path: str, before: bytes | None, content: bytes) -> None:
        """Write one file's two versions."""
        after, encoding = as_utf8(path, content)
        if encoding:
            self._exhibits.notes.append(f"{self._names.shown(path)} is no UTF-8 and was read as {encoding}")
        if before is not None:
            before = None if obstacle(before) else as_utf8(path, before)[0]
        changed, rows = changed_lines(before, after), split_lines(after)
        laid = self._write(path, before, _quieted(path, after, rows, changed))
        self._lines[laid] = Lines(changed)
        added = ((number, rows[number - 1]) for number in sorted(changed))
        self._exhibits.findings += suppressions.find(self._names.shown(path), added)

    def _write(self, path: str, before: bytes | None, after: bytes) -> str:
        """Write both versions under a name that can be used; returns it."""
        for name in self._names.candidates(path):
            try:
                linkfree.write(self._root, name, after)
            except WorkspaceError as error:
                # Another file of the change lies where this one's folder should be, or the other way round.
                if error.code != "PATH_REFUSED":
                    raise
                continue
            self._names.use(name, path)
            if before is not None:
                write_where_free(self._base_root, name, before)
            return name
        raise AssertionError("a name of our own is always free")

    def finish(self, base: BaseFiles) -> Exhibits:
        """Lay what stands beside the changed files, and return everything."""
        present = sorted(self._lines)
        others = _neighbours(base, present)
        beside = [path for path in others or () if path not in self._touched]
        for path in dict.fromkeys([*beside, *filter(configurations.is_configuration, base.paths())]):
            content = base.read(path)
            if content is not None:
                for place in (self._root, self._base_root):
                    write_where_free(place, path, content)
        self._exhibits.subject = Subject(
            self._root.resolve(),
            self._base_root.resolve(),
            tuple(present),
            self._lines,
            shown=self._names.other,
            whole=others is not None,
        )
        if self._names.other:
            names = enumerated([ascii(shown) for shown in self._names.other.values()], NAMED)
            self._exhibits.notes.append(f"{names}: looked at under another name, since no program is shown such a one")
        return self._exhibits


def _content(version: Version | None) -> bytes | str | None:
    """Return a version's content, or why it has none; None where there is no version."""
    if version is None:
        return None
    if not version.mode.is_file:
        return LINK if version.mode is Mode.LINK else SUBMODULE
    try:
        return version.read(MAX_FILE_BYTES)
    except WorkspaceError as error:
        if error.code != "TOO_LARGE":
            raise
        return TOO_LARGE


def _why_out(file: ChangedFile, after: bytes | str | None) -> str:
    """Return why a file is not looked at; empty where it is."""
    if after is None:
        return DELETED
    if isinstance(after, str):
        return after
    return obstacle(after) or (RENAMED if file.same_content else "")


def write_where_free(place: Path, path: str, content: bytes) -> None:
    """Write what stands beside the changed files, unless one of them is where it should be."""
    try:
        linkfree.write(place, path, content)
    except WorkspaceError as error:
        if error.code != "PATH_REFUSED":
            raise


def _neighbours(base: BaseFiles, present: Sequence[str]) -> list[str] | None:
    """Return base's Python files, whose types a changed one may use; None where they are too many to be followed."""
    if not any(suffix_of(path) in PYTHON for path in present):
        return None
    found = [path for path in base.paths() if suffix_of(path) in PYTHON]
    return found if len(found) <= MAX_NEIGHBOURS else None


def _quieted(path: str, content: bytes, rows: list[bytes], changed: frozenset[int]) -> bytes:
    """Return a file whose changed lines tell no analyser to look away; every other byte stays."""
    fresh = suppressions.quieted(path, rows, changed)
    if fresh == rows:
        return content
    pieces, position = [], 0
    for old, new in zip(rows, fresh, strict=True):
        start = content.index(old, position)
        pieces += [content[position:start], new]
        position = start + len(old)
    return b"".join([*pieces, content[position:]])

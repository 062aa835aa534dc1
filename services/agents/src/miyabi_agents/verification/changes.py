"""Sorts a change by what its files are to the tests: tests, their support, harness, manifests, sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from miyabi.coordinator.v1.result_pb2 import ChangeSet, FileChange
from miyabi_agents.toolchains.port import BaseFiles, OwnTests, Toolchain


@dataclass(frozen=True)
class Sorted:
    """The files of a change that belong to one project, by path."""

    tests: Mapping[str, FileChange] = field(default_factory=dict)  #: hold tests, or did on base
    support: Mapping[str, FileChange] = field(default_factory=dict)  #: lie beside tests: data, helpers
    harness: Mapping[str, FileChange] = field(default_factory=dict)  #: decide how tests are found, run or judged
    manifests: Mapping[str, FileChange] = field(default_factory=dict)  #: decide what the environment holds
    #: Code that holds its own tests: base's code with the change's tests, and the change's code with base's tests.
    grafted: Mapping[str, FileChange] = field(default_factory=dict)
    grafted_old: Mapping[str, FileChange] = field(default_factory=dict)
    own: OwnTests = field(default_factory=OwnTests)

    @property
    def beside_code(self) -> dict[str, FileChange]:
        """Everything that is laid over base, so that the new tests can fail there."""
        return {**self.support, **self.tests, **self.grafted}


def sort(files: Iterable[FileChange], toolchain: Toolchain, base: BaseFiles) -> Sorted:
    """Sort files of a change; reads base's and the change's contents, runs nothing."""
    tests, support, harness, manifests = {}, {}, {}, {}
    grafted, grafted_old = {}, {}
    changed = list(files)
    view = Overlaid(base, {file.path: None if file.deleted else file.content for file in changed})
    for file in changed:
        before, after = base.read(file.path), None if file.deleted else file.content
        if toolchain.harness_changed(file.path, before, after):
            harness[file.path] = file
        elif toolchain.is_test(file.path, base if before is not None else view):
            tests[file.path] = file
        elif toolchain.is_support(file.path, base if before is not None else view):
            support[file.path] = file
        elif before is not None and after is not None and (new := _graft(file, toolchain, before, after)) is not None:
            grafted[file.path] = new
            old = toolchain.tests_within(file.path, after, before)
            grafted_old[file.path] = FileChange(path=file.path, content=after if old is None else old)
        if toolchain.is_manifest(file.path) and before != after:
            manifests[file.path] = file
    holding = [file for file in changed if file.path in tests or file.path in grafted]
    own = _own(holding, toolchain, base)
    return Sorted(tests, support, harness, manifests, grafted, grafted_old, own)


def _graft(file: FileChange, toolchain: Toolchain, before: bytes, after: bytes) -> FileChange | None:
    """Return base's code with the change's tests, for a file of code that holds both; None where they are the same."""
    found = toolchain.tests_within(file.path, before, after)
    if found is None or found == before:
        return None
    return FileChange(path=file.path, content=found, executable=file.executable)


def _own(holding: Iterable[FileChange], toolchain: Toolchain, base: BaseFiles) -> OwnTests:
    """Return what the change does to the tests of all files that hold some."""
    found = [
        toolchain.own_tests(file.path, base.read(file.path), None if file.deleted else file.content) for file in holding
    ]
    return OwnTests(
        frozenset().union(*(entry.added for entry in found)),
        frozenset().union(*(entry.edited for entry in found)),
        frozenset().union(*(entry.removed for entry in found)),
    )


def only(change: ChangeSet, paths: Iterable[str]) -> ChangeSet:
    """Return the part of a change that concerns some paths."""
    wanted = set(paths)
    return ChangeSet(base_sha=change.base_sha, files=[file for file in change.files if file.path in wanted])


def without(change: ChangeSet, paths: Iterable[str]) -> ChangeSet:
    """Return a change less what it does to some paths."""
    left_out = set(paths)
    return ChangeSet(base_sha=change.base_sha, files=[file for file in change.files if file.path not in left_out])


@dataclass(frozen=True)
class Overlaid:
    """The files of base with some of a change laid over them, as `BaseFiles`."""

    base: BaseFiles
    changed: Mapping[str, bytes | None]

    @property
    def committed(self) -> datetime:
        """When base was made."""
        return self.base.committed

    def paths(self) -> Sequence[str]:
        """List the files, sorted."""
        there = set(self.base.paths()) | set(self.changed)
        return sorted(path for path in there if self.changed.get(path, b"") is not None)

    def read(self, path: str) -> bytes | None:
        """Return a file's content."""
        return self.changed[path] if path in self.changed else self.base.read(path)

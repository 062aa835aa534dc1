"""Which tests a call wants run, by project: files, names of tests, or what the change touches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import normpath

from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi_agents.toolchains.port import BaseFiles
from miyabi_agents.toolchains.registry import Recognised, by_project
from miyabi_agents.verification.changes import Overlaid, Sorted, sort
from miyabi_agents.verification.ground import MAX_TARGETS, Repository
from miyabi_agents.verification.targets import configured
from miyabi_core.text import exact, first


@dataclass(frozen=True)
class Wanted:
    """What is run of one project.

    Args:
        recognised: Toolchain and project.
        ordered: The files of the change that belong to it.
        targets: As the toolchain names them.
        on_base: Those that are there on base too.
        names: The tests that were asked for by name; empty: whole targets.
        left_out: How many more targets there would be.
    """

    recognised: Recognised
    ordered: Sorted
    targets: Sequence[str]
    on_base: Sequence[str]
    names: Sequence[str] = ()
    left_out: int = 0


def wanted(repository: Repository, change: ChangeSet, given: Sequence[str]) -> list[Wanted]:
    """Return what is to be run, a project each; reads only.

    Args:
        repository: What base's files say.
        change: The change so far.
        given: Files, folders and names of tests; empty: what the change touches.

    Raises:
        ValueError: a target names nothing, or there is nothing to run; a sentence for the model.
    """
    contents = {file.path: None if file.deleted else file.content for file in change.files}
    files = Overlaid(repository.base, contents)
    there = set(files.paths())
    known, others = _paths(given, repository, there)
    names = {target: _file_of(target, repository, there) for target in others}
    paths = sorted(known | set(names.values()) or set(contents))
    if not paths:
        raise ValueError("targets: nothing is changed yet, so name the tests that are to be run")
    found = []
    for recognised, own in by_project(paths, repository.recognised):
        ordered = sorted_files(repository, recognised, change)
        shown: BaseFiles = files if given else repository.base
        touched = {path: files.read(path) for path in own}
        targets = _targets(repository, recognised, shown, touched)
        chosen, rest = first(targets, MAX_TARGETS)
        on_base = [target for target in chosen if repository.base.read(target) is not None or target not in there]
        asked = [name for name, path in names.items() if path in own]
        found.append(Wanted(recognised, ordered, chosen, on_base, asked, rest))
    if not any(entry.targets for entry in found):
        raise ValueError("targets: no test is there for that; write one, or name files of tests")
    return [entry for entry in found if entry.targets]


def _paths(given: Sequence[str], repository: Repository, there: set[str]) -> tuple[set[str], list[str]]:
    """Return the files that targets name, those of tests for a folder, and the targets that name neither."""
    found, others = set[str](), []
    for target in given:
        path = normpath(target)
        inside = {file for file in there if path == "." or file.startswith(f"{path}/")}
        tests = {file for file in inside if any(one.is_test(file, repository.base) for one, _ in repository.recognised)}
        if path in there:
            found.add(path)
        elif inside:
            found |= tests or inside
        else:
            others.append(target)
    return found, others


def _file_of(target: str, repository: Repository, there: set[str]) -> str:
    """Return the file that a name of a test leads to.

    Raises:
        ValueError: it leads nowhere.
    """
    for toolchain, _ in repository.recognised:
        path = toolchain.file_of(target)
        if path in there:
            return path
        inside = sorted(file for file in there if file.rpartition("/")[0] == path.removesuffix("/"))
        if path != target and inside:
            return next((file for file in inside if toolchain.is_test(file, repository.base)), inside[0])
    raise ValueError(f"targets: there is no file {exact(target)}, and no test of that name is known to lie in one")


def _targets(
    repository: Repository, recognised: Recognised, base: BaseFiles, touched: Mapping[str, bytes | None]
) -> list[str]:
    """Return the tests of files: themselves where they are tests, else those near to them."""
    toolchain, project = recognised
    selection = toolchain.select(project, base, touched)
    near = configured(list(touched), repository.config) or list(selection.near)
    sources = [path for path in touched if not toolchain.is_test(path, repository.base)]
    return list(dict.fromkeys([*selection.own, *(near if sources else ())]))


def sorted_files(repository: Repository, recognised: Recognised, change: ChangeSet) -> Sorted:
    """Sort the files of a change that belong to a project."""
    parts = by_project([file.path for file in change.files], repository.recognised)
    own = {path for part, paths in parts if part == recognised for path in paths}
    return sort([file for file in change.files if file.path in own], recognised[0], repository.base)

"""Reads requirements files as pip has them, inside the repository only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import basename, dirname

from miyabi_agents.errors import EnvironmentBuildError
from miyabi_agents.toolchains.python.manifests.requirement import Gathered, left_out, take
from miyabi_agents.toolchains.python.manifests.tree import Tree, joined
from miyabi_core.text import shortened, split_lines

#: Files that one file may bring in by `-r` and `-c`, itself among them.
MAX_FILES = 50
#: Lines of one file that are read.
MAX_LINES = 5_000
#: Options that change nothing about what is installed here, and are left out.
_HARMLESS = (
    "--hash", "--require-hashes", "--pre", "--prefer-binary", "--no-binary", "--only-binary", "--no-deps",
    "--use-feature", "--use-pep517", "--no-use-pep517", "--config-settings", "--config-setting", "--no-build-isolation",
)  # fmt: skip
#: The index that everybody means, by any of its spellings.
_COMMON_INDEX = re.compile(r"https?://(www\.)?pypi\.(org|python\.org)/simple/?")
#: Options that name a file: short, long.
_FILES = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c"}
#: An option that begins a line, with its value.
_OPTION = re.compile(r"(--?[A-Za-z][\w-]*)[ \t=]*(.*)", re.DOTALL)
#: The project itself, as a path with extras.
_FOLDER = re.compile(r"(?P<path>(file:)?\.{0,2}[\w./-]*?)(\[(?P<extras>[\w\s,.-]*)\])?")


def read(tree: Tree, path: str, *, project: str) -> Gathered:
    """Read a requirements file and what it includes.

    Args:
        tree: Base's files.
        path: Of the file, in the repository.
        project: Folder of the project that it is read for; a path to it is the project itself.

    Raises:
        EnvironmentBuildError: an option that is refused, by its name; a file outside the repository.
    """
    gathered = Gathered(origins=[path])
    _read(tree, path, gathered, project, constraint=False)
    return gathered


def _read(tree: Tree, path: str, into: Gathered, project: str, *, constraint: bool) -> None:
    """Read one file, once."""
    text = tree.text(path)
    if path in into.inputs or len(into.inputs) >= MAX_FILES:
        return
    into.inputs.append(path)
    if constraint and text is not None:
        into.constraints.append(path)
    if text is None:
        into.notes.append(f"left out: {path} is not there, or is too long")
        return
    for line in _lines(text):
        if not line.startswith("-"):
            _requirement(line, into, path, project, constraint=constraint)
            continue
        found = _OPTION.fullmatch(line)
        option, value = (found[1], found[2].strip()) if found else (line, "")
        if option[:2] in ("-r", "-c", "-e", "-i", "-f") and not option.startswith("--") and len(option) > 2:
            option, value = option[:2], option[2:] + value
        if option in _FILES:
            target = joined(dirname(path), value)
            if target is None:
                raise EnvironmentBuildError(f"{path}: `{shortened(line, 200)}` leads out of the repository")
            _read(tree, target, into, project, constraint=constraint or _FILES[option] == "-c")
        elif option in ("-e", "--editable"):
            _requirement(value, into, path, project, constraint=False)
        else:
            _option(option, value, path)


def _option(option: str, value: str, path: str) -> None:
    """Leave out an option that changes nothing here; refuse any other.

    Raises:
        EnvironmentBuildError: naming it.
    """
    if option in _HARMLESS or (option in ("-i", "--index-url") and _COMMON_INDEX.fullmatch(value)):
        return
    raise EnvironmentBuildError(
        f"{path}: option `{shortened(option, 200)}` is refused: packages come from the operator's indexes alone; name "
        "what is needed in .miyabi.yaml, `env.requirements` with `env.only`"
    )


def _requirement(text: str, into: Gathered, path: str, project: str, *, constraint: bool) -> None:
    """Take over one requirement, folder or address."""
    text = re.split(r"\s--?[A-Za-z]", text, maxsplit=1)[0].strip()
    text = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
    folder = _FOLDER.fullmatch(text) if text.startswith((".", "file:")) else None
    if folder is None or ("/" not in folder["path"] and folder["path"].strip(".")):
        if not constraint:
            take([text], into, where=path, needed=False)
        return
    target = joined(dirname(path), folder["path"].removeprefix("file:"))
    # `-e .` means the folder that pip runs in, which is the project's.
    if folder["path"] in (".", "./") or target == project:
        into.itself = True
        into.extras.extend(name.strip() for name in (folder["extras"] or "").split(",") if name.strip())
    elif target is not None:
        into.local.append(target)
    else:
        left_out(text, into, where=path, needed=False)


def _lines(text: str) -> Iterator[str]:
    """Return logical lines without comments; continued ones joined."""
    held = ""
    for line in split_lines(text)[:MAX_LINES]:
        if line.rstrip().endswith("\\"):
            held += line.rstrip()[:-1] + " "
            continue
        whole = re.sub(r"(^|\s)#.*$", "", held + line).strip()
        held = ""
        if whole:
            yield whole


#: Words of a file's name that say for what it is, best first: tests, development, anything.
_TEST = re.compile(r"(^|[-_.])(tests?|testing|unittests?|pytest)([-_.]|$)")
_DEV = re.compile(r"(^|[-_.])(dev|devel|develop|development|ci|local|all)([-_.]|$)")
_REQUIREMENTS = re.compile(r"[\w.-]*(requirements?|reqs)[\w.-]*\.(txt|in|pip)|[\w.-]+\.(txt|in|pip)")


def found(tree: Tree, project: str) -> tuple[list[str], list[str], list[str]]:
    """Return the requirements files of a project: for tests, for development, for everything."""
    groups: tuple[list[str], list[str], list[str]] = ([], [], [])
    for path in tree.paths:
        folder, name = dirname(path) or ".", basename(path).lower()
        inside = folder == project or dirname(folder) in (project, "" if project == "." else project)
        by_folder = re.fullmatch(r"(requirements?|reqs)", basename(folder)) is not None and folder != project
        if not inside or not _REQUIREMENTS.fullmatch(name) or "constraint" in name:
            continue
        bare = name.rpartition(".")[0]
        named = re.search(r"requirement|^reqs", bare) is not None
        if folder != project and not by_folder and not (named and _TEST.search(basename(folder))):
            continue
        if not named and not by_folder:
            continue
        words = re.sub(r"requirements?|^reqs", "", bare)
        if _TEST.search(words.strip("-_.")) or (_TEST.search(basename(folder)) and not by_folder):
            groups[0].append(path)
        elif _DEV.search(words.strip("-_.")):
            groups[1].append(path)
        elif bare in ("requirements", "requirement", "reqs", "base", "main", "common", "default", "prod", "production"):
            groups[2].append(path)
    return tuple(_preferred(paths, tree) for paths in groups)  # type: ignore[return-value]


def _preferred(paths: list[str], tree: Tree) -> list[str]:
    """Leave out the loose form (`x.in`) of a list that is there in its pinned form (`x.txt`); shortest first."""
    kept = [path for path in paths if not (path.endswith(".in") and tree.has(path[:-3] + ".txt"))]
    return sorted(kept, key=lambda path: (len(path), path))

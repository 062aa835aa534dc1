"""Lists the Pythons of a machine without running them, and chooses one for a project."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from miyabi_agents.errors import ToolchainMissingError
from miyabi_agents.toolchains.port import Machine
from miyabi_core.text import shortened, split_lines

#: When each Python came out (PEPs 569, 596, 619, 664, 693, 719, 745, 790).
_RELEASED = {
    (3, 8): date(2019, 10, 14),
    (3, 9): date(2020, 10, 5),
    (3, 10): date(2021, 10, 4),
    (3, 11): date(2022, 10, 24),
    (3, 12): date(2023, 10, 2),
    (3, 13): date(2024, 10, 7),
    (3, 14): date(2025, 10, 7),
    (3, 15): date(2026, 10, 1),
}
#: The oldest that our reports and uv work with.
OLDEST = (3, 8)
#: For so long after a release packages have no wheels for it, and its users no tests.
_GRACE = timedelta(days=180)
#: A program's name that says which Python it is.
_NAME = re.compile(r"python(3\.\d{1,2})")
#: The line of `patchlevel.h` that holds the version.
_PATCH = re.compile(r'#define\s+PY_VERSION\s+"(\d+)\.(\d+)\.(\d+)')
#: Lines of a `.python-version` that are looked at: it names a few versions, the preferred first.
_PIN_LINES = 20


@dataclass(frozen=True)
class Interpreter:
    """A Python of this machine."""

    name: str  #: `python3.12`
    path: Path
    version: tuple[int, ...]
    roots: Sequence[Path] = ()  #: folders that it needs to read


def candidates(home: Path, *, also: Iterable[Path] = ()) -> Sequence[Interpreter]:
    """List the Pythons of a machine from names and folders alone; none is run.

    Looks into pyenv's and uv's folders, then `/usr/local` and `/usr`; the first of each minor version is kept.

    Args:
        home: The user's folder.
        also: Further prefixes, each with `bin/python3.x`, looked at first.
    """
    managed = Path(os.fsdecode(home)) / ".local/share/uv/python"
    prefixes = [*also, *_newest(home / ".pyenv/versions"), *_newest(managed), Path("/usr/local"), Path("/usr")]
    found: dict[str, Interpreter] = {}
    for prefix in prefixes:
        # A virtual environment, the agent's own above all, is no interpreter to build others on.
        if (prefix / "pyvenv.cfg").exists():
            continue
        for program in sorted((prefix / "bin").glob("python3.*")) if (prefix / "bin").is_dir() else ():
            if _NAME.fullmatch(program.name) and program.name not in found and os.access(program, os.X_OK):
                interpreter = _interpreter(program, prefix)
                if interpreter:
                    found[program.name] = interpreter
    return sorted(found.values(), key=lambda one: one.version, reverse=True)


def _newest(folder: Path) -> list[Path]:
    """Return the folders of installed versions, newest first."""

    def version(path: Path) -> tuple[int, ...]:
        return tuple(int(number) for number in re.findall(r"\d+", path.name)[:3])

    return sorted(
        (path for path in folder.glob("*") if path.is_dir() and not path.is_symlink()), key=version, reverse=True
    )


def _interpreter(program: Path, prefix: Path) -> Interpreter | None:
    """Describe a program whose library lies where it belongs; None where it is a shim or half of one."""
    match = _NAME.fullmatch(program.name)
    resolved = program.resolve()
    if match is None or not resolved.is_file() or not (prefix / "lib" / program.name).is_dir():
        return None
    major, minor = (int(number) for number in match[1].split("."))
    version: tuple[int, ...] = (major, minor)
    header = prefix / "include" / program.name / "patchlevel.h"
    if header.is_file():
        found = _PATCH.search(header.read_text(encoding="utf-8", errors="replace")[:10_000])
        version = tuple(int(number) for number in found.groups()) if found else version
    system = prefix == Path("/usr")
    return Interpreter(program.name, resolved, version, () if system else (prefix.resolve(),))


def of_machine(machine: Machine) -> Sequence[Interpreter]:
    """Return the Pythons that a machine's list of programs holds, newest first."""
    found = []
    for name, path in machine.programs.items():
        if not _NAME.fullmatch(name):
            continue
        named = tuple(int(number) for number in name.removeprefix("python").split("."))
        version = tuple(machine.versions.get(name, named)) or named
        found.append(Interpreter(name, path, version, tuple(machine.roots.get(name, ()))))
    return sorted((one for one in found if one.version[:2] >= OLDEST), key=lambda one: one.version, reverse=True)


@dataclass(frozen=True)
class Wish:
    """Which Python a project is for."""

    specifiers: Mapping[str, str]  #: demands (PEP 440), each with where it is said
    prefer: Sequence[str] = ()  #: versions to look for first
    pinned: Sequence[str] = ()  #: those that `.python-version` names, as 3.12
    mentioned: Sequence[tuple[int, int]] = ()  #: those that classifiers name
    committed: date = date.max


def choose(machine: Machine, wish: Wish) -> tuple[Interpreter, str]:
    """Return the Python for a project, and a note where it stands in for another or a demand cannot be read.

    Among those that every demand lets in: the first preferred or pinned one; else the newest that the classifiers name
    and that had been out for half a year at the commit's day; else the one that comes nearest.

    Raises:
        ToolchainMissingError: none fits; names the demand, what is there, and how to get one.
    """
    there = of_machine(machine)
    fitting = [one for one in there if all(_lets_in(text, one.version) for text in wish.specifiers.values())]
    if not fitting:
        raise ToolchainMissingError(_missing(there, wish))
    chosen, note = _chosen(fitting, wish)
    unread = [
        f"`{shortened(text, 100)}` ({where}) is no set of versions (PEP 440), so that it chose nothing"
        for where, text in wish.specifiers.items()
        if not _readable(text)
    ]
    if wish.pinned and not any(_is_of(chosen, version) for version in wish.pinned):
        unread.append(
            f"{', '.join(wish.pinned)} of .python-version is not here or does not fit: {chosen.name} is taken"
        )
    return chosen, "; ".join(filter(None, [note, *unread]))


def _chosen(fitting: Sequence[Interpreter], wish: Wish) -> tuple[Interpreter, str]:
    """Return one of those that every demand lets in, and a note where it stands in for another."""
    for version in (*wish.prefer, *wish.pinned):
        for one in fitting:
            if _is_of(one, version):
                return one, ""
    newest = max(wish.mentioned, default=(99, 0))
    aged = [one for one in fitting if _RELEASED.get(_minor(one), date.min) + _GRACE <= wish.committed]
    named = [one for one in aged if _minor(one) <= newest]
    if named:
        return named[0], ""
    nearest = [one for one in fitting if _minor(one) <= newest] or fitting
    return nearest[-1], f"Python {_text(nearest[-1].version)} stands in: none that the commit's day knew well is here"


def _is_of(one: Interpreter, version: str) -> bool:
    """Tell whether a Python is of a version, such as 3.12."""
    wanted = tuple(int(number) for number in version.split("."))
    return one.version[: len(wanted)] == wanted


def _readable(specifier: str) -> bool:
    """Tell whether a demand is a set of versions."""
    try:
        SpecifierSet(specifier)
    except InvalidSpecifier:
        return False
    return True


def _minor(one: Interpreter) -> tuple[int, int]:
    return (one.version[0], one.version[1])


def _lets_in(specifier: str, version: tuple[int, ...]) -> bool:
    """Tell whether a demand lets a version in; a version known to its minor only counts as its highest patch."""
    try:
        return SpecifierSet(specifier).contains(_text(version if len(version) > 2 else (*version, 99)))
    except InvalidSpecifier:
        return True


def pinned(text: str) -> list[str]:
    """Return the versions that a `.python-version` names, to their minor: patches come and go on machines."""
    lines = [line.strip().removeprefix("cpython-").removeprefix("python-") for line in split_lines(text)[:_PIN_LINES]]
    return [match[0] for match in (re.match(r"3\.[0-9]{1,3}(?![0-9])", line) for line in lines) if match]


def _missing(there: Sequence[Interpreter], wish: Wish) -> str:
    demands = " and ".join(f"`{text}` ({where})" for where, text in wish.specifiers.items()) or "any from 3.8 on"
    have = ", ".join(_text(one.version) for one in there) or "none"
    how = "get one with `uv python install 3.x` or your system's packages"
    return f"no Python here fits {demands}; there is {have}; {how}"


def _text(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def mentioned(classifiers: Iterable[str]) -> Sequence[tuple[int, int]]:
    """Return the versions that classifiers name."""
    found = re.findall(r"Programming Language :: Python :: 3\.(\d{1,2})(?!\d)", "\n".join(classifiers))
    return sorted({(3, int(minor)) for minor in found})

"""Finds interpreters, compilers and package managers on this machine by name and place; nothing is run."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from miyabi_agents.settings import PackageSettings
from miyabi_agents.toolchains.python.interpreters import candidates

#: What every command in the sandbox may read anyway.
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin")
#: Below a home folder; these hold a person's own files and credentials beside programs, and are never read whole.
_OWN_FOLDERS = (".local", ".cargo", ".config", ".cache", ".npm", ".ssh", "bin", "go")


class Needs(Enum):
    """What a program needs to read beside itself."""

    NOTHING = "nothing"  #: it is one file
    PREFIX = "prefix"  #: the folder above its `bin`: libraries, standard library, modules


@dataclass(frozen=True)
class Kind:
    """How a program is found and asked for its version."""

    needs: Needs
    ask: Sequence[str] = ("--version",)
    #: It is a script that looks for its interpreter or library beside itself: only its folder is resolved.
    by_place: bool = False
    #: Files elsewhere that it needs, where they are there.
    also: Sequence[Path] = ()


#: Programs that toolchains may use, beside Pythons.
KINDS: Mapping[str, Kind] = {
    "uv": Kind(Needs.NOTHING),
    "node": Kind(Needs.PREFIX),
    "npm": Kind(Needs.PREFIX, by_place=True),
    "corepack": Kind(Needs.PREFIX, by_place=True),
    "pnpm": Kind(Needs.PREFIX, by_place=True),
    "yarn": Kind(Needs.PREFIX, by_place=True),
    "bun": Kind(Needs.NOTHING),
    "deno": Kind(Needs.NOTHING),
    "go": Kind(Needs.PREFIX, ask=("version",)),
    "cargo": Kind(Needs.PREFIX),
    "rustc": Kind(Needs.PREFIX),
    "java": Kind(Needs.PREFIX),
    "javac": Kind(Needs.PREFIX),
    # Debian keeps these two apart; what lies beside them may hold passwords.
    "mvn": Kind(Needs.PREFIX, also=(Path("/etc/maven/m2.conf"), Path("/etc/maven/logging"))),
    "gradle": Kind(Needs.PREFIX),
    "gcc": Kind(Needs.NOTHING),
    "cc": Kind(Needs.NOTHING),
    "make": Kind(Needs.NOTHING),
    "cmake": Kind(Needs.NOTHING),
    "pkg-config": Kind(Needs.NOTHING),
}
#: What Pythons are.
PYTHON = Kind(Needs.PREFIX)
#: Rust's programs; what `rustup` puts on the path under their names runs the real ones, which are looked for instead.
_RUSTUP_NAMES = frozenset({"cargo", "rustc"})
_DEFAULT_TOOLCHAIN = re.compile(r'^default_toolchain\s*=\s*"([A-Za-z0-9._-]{1,100})"', re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """A program of this machine."""

    name: str
    path: Path  #: absolute; resolved but for the last part of a script
    roots: Sequence[Path]  #: what it needs to read beside the system's folders
    ask: Sequence[str]  #: arguments that make it say its version


def find_programs(settings: PackageSettings, *, home: Path) -> Sequence[Program]:
    """Return the programs of this machine, the first of each name.

    Folders that the settings name come first, then the path, then those where installers put programs.

    Args:
        settings: The path and further folders.
        home: The user's folder.
    """
    named = [Path(part) for part in settings.toolchain_dirs.split(":") if part.startswith("/")]
    on_path = [Path(part) for part in settings.program_path.split(":") if part.startswith("/")]
    # What was installed with us, uv above all, lies beside the interpreter that runs us.
    folders = [*named, *on_path, Path(sys.executable).parent, *_usual(home)]
    found = [program for name, kind in KINDS.items() if (program := _first(name, kind, folders, home)) is not None]
    prefixes = [folder.parent for folder in (*named, *on_path) if folder.name == "bin"]
    for python in candidates(home, also=prefixes):
        roots = [root for root in python.roots if not _is_system(root)]
        if all(_may_be_read(root, home) for root in roots):
            found.append(Program(python.name, python.path, tuple(roots), PYTHON.ask))
    return found


def _usual(home: Path) -> Iterator[Path]:
    """Yield folders where installers put programs, newest version first."""
    toolchains = home / ".rustup/toolchains"
    yield from _chosen_by_rustup(home / ".rustup/settings.toml", toolchains)
    yield from (Path(text) for text in ("/usr/local/go/bin", "/usr/local/bin", "/opt/homebrew/bin", "/usr/bin", "/bin"))
    for pattern in (
        ".nvm/versions/node/*/bin",
        ".sdkman/candidates/*/current/bin",
        ".volta/bin",
        ".rustup/toolchains/*/bin",
    ):
        yield from sorted(home.glob(pattern), reverse=True)
    yield from (home / part for part in (".local/bin", ".cargo/bin", ".bun/bin", ".deno/bin", "go/bin"))


def _chosen_by_rustup(settings: Path, toolchains: Path) -> Iterator[Path]:
    """Yield the folder of the toolchain that rustup takes where nothing says otherwise."""
    try:
        match = _DEFAULT_TOOLCHAIN.search(settings.read_text("utf-8", "replace")[:100_000])
    except OSError:
        return
    if match is not None and set(match[1]) != {"."}:
        yield toolchains / match[1] / "bin"


def _first(name: str, kind: Kind, folders: Sequence[Path], home: Path) -> Program | None:
    """Return the first program of a name that is no shim, and whose folders may be read."""
    for folder in folders:
        candidate = folder / name
        if folder.name == "shims" or not candidate.is_file() or not os.access(candidate, os.X_OK):
            continue
        real = candidate.resolve()
        if name in _RUSTUP_NAMES and real.name == "rustup":
            continue
        path = folder.resolve() / name if kind.by_place else real
        roots = _roots(kind, path, real, home)
        if roots is not None:
            return Program(name, path, (*roots, *(one for one in kind.also if one.exists())), kind.ask)
    return None


def _roots(kind: Kind, path: Path, real: Path, home: Path) -> Sequence[Path] | None:
    """Return what a program needs to read; None where that would open more than programs."""
    wanted = [path, real]
    if kind.needs is Needs.PREFIX:
        wanted = [_prefix(path), _prefix(real)]
        wanted = [
            own for prefix, file in zip(wanted, (path, real), strict=True) for own in _narrowed(prefix, file, home)
        ]
    roots = tuple(dict.fromkeys(root for root in wanted if not _is_system(root)))
    return roots if all(_may_be_read(root, home) for root in roots) else None


def _prefix(program: Path) -> Path:
    """Return the folder that holds a program with its libraries."""
    return program.parent.parent if program.parent.name == "bin" else program.parent


def _narrowed(prefix: Path, program: Path, home: Path) -> Sequence[Path]:
    """Return a prefix, or the program and its libraries where the prefix holds more than programs."""
    return (prefix,) if _may_be_read(prefix, home) else (program, prefix / "lib")


def _is_system(path: Path) -> bool:
    """Tell whether every command may read a path anyway."""
    return any(path == Path(top) or Path(top) in path.parents for top in _SYSTEM)


def _may_be_read(path: Path, home: Path) -> bool:
    """Tell whether a folder holds programs alone: not the root, one right below it, a home or a person's own folder."""
    own = {home, *home.parents, *(home / name for name in _OWN_FOLDERS)}
    return len(path.parts) > 2 and path not in own

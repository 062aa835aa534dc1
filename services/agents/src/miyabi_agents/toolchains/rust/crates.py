"""Recognises packages and workspaces of cargo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from miyabi_agents.toolchains import toml
from miyabi_agents.toolchains.port import BaseFiles, Project, limited
from miyabi_agents.verification.config import RepositoryConfig

#: Name of the manifest, and of the lock file.
NAME, LOCK = "Cargo.toml", "Cargo.lock"
#: Longest manifest that is read.
MAX_BYTES = 256 * 1024
#: Most packages of one repository.
MAX_CRATES = 300
#: Folders whose packages are no part of what is tested.
_ASIDE = {"target", "vendor", "fuzz", "fixtures", "testdata", "test-data", "examples", "node_modules"}


@dataclass(frozen=True)
class Crate:
    """What a `Cargo.toml` says that matters here."""

    folder: str
    name: str = ""
    workspace: bool = False
    version: str = ""  #: the oldest Rust that it works with
    #: Packages of the same repository that it depends on, as folders.
    needs: Sequence[str] = ()
    table: Mapping[str, Any] = field(default_factory=dict)


def read(base: BaseFiles, folder: str) -> Crate | None:
    """Read the manifest of a folder; None where there is none that can be read."""
    table = parse_table(base.read(join(folder, NAME)))
    if not table:
        return None
    package, workspace = _table(table, "package"), table.get("workspace")
    shared = _table(_table(table, "workspace"), "package")
    version = package.get("rust-version", shared.get("rust-version"))
    return Crate(
        folder=folder,
        name=str(package.get("name", ""))[:200],
        workspace=isinstance(workspace, dict),
        version=version if isinstance(version, str) else "",
        needs=tuple(_needs(table, folder)),
        table=table,
    )


def parse_table(data: bytes | None) -> dict[str, Any]:
    """Parse a manifest; empty where it is none."""
    if data is None or len(data) > MAX_BYTES:
        return {}
    try:
        return toml.loads(data.decode("utf-8", "replace"))
    except (RecursionError, ValueError):
        return {}


def _needs(table: Mapping[str, Any], folder: str) -> list[str]:
    """Return the folders of packages that a manifest names by path."""
    found: list[str] = []
    for key in ("dependencies", "dev-dependencies", "build-dependencies"):
        for value in _table(table, key).values():
            path = value.get("path") if isinstance(value, dict) else None
            if isinstance(path, str) and len(path) < 500:
                found.append(normal(join(folder, path)))
    return found


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}


def all_crates(base: BaseFiles) -> list[Crate]:
    """Return every package of a repository, outermost first."""
    return [crate for folder in _folders(base)[:MAX_CRATES] if (crate := read(base, folder)) is not None]


def _folders(base: BaseFiles) -> list[str]:
    """Return the folders of all manifests, outermost first."""
    folders = [str(PurePosixPath(path).parent) for path in base.paths() if PurePosixPath(path).name == NAME]
    return sorted((folder for folder in folders if not _ASIDE & set(PurePosixPath(folder).parts)), key=_depth)


def recognise(base: BaseFiles, config: RepositoryConfig | None) -> list[Project]:
    """Return the workspaces, and the packages that stand alone, outermost first."""
    if (
        config is not None
        and config.test.command
        and not (config.test.format == "cargo" or "cargo" in config.test.command[:1])
    ):
        return []
    roots: list[Crate] = []
    for crate in all_crates(base):
        above = next((root for root in roots if inside(crate.folder, root.folder)), None)
        if above is None or crate.workspace:
            roots.append(crate)
    beyond = max(0, len(_folders(base)) - MAX_CRATES)
    return limited([_project(base, root) for root in roots], MAX_CRATES, beyond=beyond)


def _project(base: BaseFiles, root: Crate) -> Project:
    """Return one workspace or package."""
    lock = base.read(join(root.folder, LOCK)) is not None
    facts: dict[str, str | bool | int | Sequence[str]] = {
        "locked": lock,
        "rust": max(
            (crate.version for crate in all_crates(base) if inside(crate.folder, root.folder)), key=numbers, default=""
        ),
        "channel": _channel(base, root.folder),
    }
    return Project("rust", root.folder, "cargo", join(root.folder, LOCK if lock else NAME), facts)


def _channel(base: BaseFiles, folder: str) -> str:
    """Return the toolchain that the repository names."""
    for name in ("rust-toolchain.toml", "rust-toolchain"):
        data = base.read(join(folder, name))
        if data is None or len(data) > 4096:
            continue
        text = data.decode("utf-8", "replace")
        try:
            return str(_table(toml.loads(text), "toolchain").get("channel", ""))[:100]
        except (RecursionError, ValueError):
            return text.strip()[:100]
    return ""


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers; none where it has none."""
    parts = version.split("-", maxsplit=1)[0].split(".")
    return tuple(int(part) for part in parts) if all(part.isascii() and part.isdigit() for part in parts) else ()


def join(folder: str, name: str) -> str:
    """Return a path below a folder; `.` is the repository itself."""
    return name if folder in {"", "."} else f"{folder}/{name}"


def normal(path: str) -> str:
    """Return a path without `..`."""
    parts: list[str] = []
    for part in PurePosixPath(path).parts:
        if part == ".." and parts:
            parts.pop()
        elif part not in {".", ".."}:
            parts.append(part)
    return "/".join(parts) or "."


def inside(folder: str, root: str) -> bool:
    """Tell whether a folder lies in another, or is it."""
    return root in {"", "."} or folder == root or folder.startswith(f"{root}/")


def _depth(folder: str) -> tuple[int, str]:
    return (0 if folder == "." else folder.count("/") + 1, folder)

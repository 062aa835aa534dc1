"""Reads `package.json` and the list of a workspace's packages: bytes of strangers, within bounds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from miyabi_agents.toolchains.port import BaseFiles

#: Name of the manifest.
NAME = "package.json"
#: Longest manifest that is read.
MAX_BYTES = 1 << 20
#: Longest list of a workspace's packages.
MAX_GLOBS = 200
#: Tables of a manifest that name packages.
_TABLES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


@dataclass(frozen=True)
class Manifest:
    """What a `package.json` says that matters here; texts only, whatever it held."""

    folder: str  #: `.` for the repository itself
    name: str = ""
    manager: str = ""  #: `packageManager`: `pnpm@10.12.1`
    scripts: Mapping[str, str] = field(default_factory=dict)
    #: Packages by name, with what table they are in.
    needs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    workspaces: Sequence[str] = ()
    #: Top-level keys, such as `jest` or `ava`, with what they hold.
    sections: Mapping[str, Any] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        """Tell whether a package is needed for use or development."""
        return any(name in self.needs.get(table, {}) for table in _TABLES)

    @property
    def names(self) -> set[str]:
        """Every package that it names."""
        return {name for table in self.needs.values() for name in table}


def parse(data: bytes | None, folder: str) -> Manifest | None:
    """Read a manifest; None where it is none."""
    if data is None or len(data) > MAX_BYTES:
        return None
    try:
        loaded = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(loaded, dict):
        return None
    return Manifest(
        folder=folder,
        name=_text(loaded.get("name")),
        manager=_text(loaded.get("packageManager")),
        scripts=_texts(loaded.get("scripts")),
        needs={table: _texts(loaded.get(table)) for table in _TABLES},
        workspaces=_globs(loaded.get("workspaces")),
        sections=loaded,
    )


def read(base: BaseFiles, folder: str) -> Manifest | None:
    """Read the manifest of a folder."""
    return parse(base.read(join(folder, NAME)), folder)


def pnpm_packages(data: bytes | None) -> Sequence[str]:
    """Return the globs of a `pnpm-workspace.yaml`; none where it cannot be read."""
    if data is None or len(data) > MAX_BYTES // 16:
        return ()
    try:
        text = data.decode("utf-8", "replace")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.CSafeLoader)):
            return ()
        loaded = yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return ()
    return _globs(loaded.get("packages")) if isinstance(loaded, dict) else ()


def member(globs: Iterable[str], folder: str) -> bool:
    """Tell whether a folder, relative to the workspace, is one of its packages."""
    taken = False
    for glob in globs:
        refused = glob.startswith("!")
        if expression(glob.lstrip("!").strip("/")).fullmatch(folder):
            taken = not refused
    return taken


def expression(glob: str) -> re.Pattern[str]:
    """Translate a glob of folders or files; `**` crosses folders, `{a,b}` is one of several."""
    text, index, depth = "", 0, 0
    glob = re.sub(r"\*{2,}", "**", glob.removeprefix("./"))[:300]
    while index < len(glob):
        letter = glob[index]
        if glob.startswith("**/", index):
            text, index = text + "(?:[^/]+/)*", index + 2
        elif glob.startswith("**", index):
            text, index = text + ".*", index + 1
        elif letter in _LETTERS:
            text += _LETTERS[letter]
        elif letter == "{":
            text, depth = text + "(?:", depth + 1
        elif letter == "}" and depth:
            text, depth = text + ")", depth - 1
        elif letter == "," and depth:
            text += "|"
        else:
            text += re.escape(letter)
        index += 1
    return re.compile(text + ")" * depth)


#: Wildcards inside one name.
_LETTERS = {"*": "[^/]*", "?": "[^/]"}


def join(folder: str, name: str) -> str:
    """Return a path below a folder; `.` is the repository itself."""
    return name if folder in {"", "."} else f"{folder}/{name}"


def relative(path: str, folder: str) -> str | None:
    """Return a path relative to a folder; None where it does not lie there."""
    if folder in {"", "."}:
        return path
    return path.removeprefix(f"{folder}/") if path.startswith(f"{folder}/") else None


def parent(path: str) -> str:
    """Return the folder of a path; `.` at the top."""
    return str(PurePosixPath(path).parent)


def _text(value: object) -> str:
    return value[:500] if isinstance(value, str) else ""


def _texts(value: object) -> dict[str, str]:
    """Keep what maps a text to a text."""
    if not isinstance(value, dict):
        return {}
    return {key: text[:4000] for key, text in list(value.items())[:5000] if isinstance(text, str)}


def _globs(value: object) -> tuple[str, ...]:
    """Return globs from a list, or from the `packages` of a table."""
    if isinstance(value, dict):
        value = value.get("packages")
    return tuple(entry for entry in value[:MAX_GLOBS] if isinstance(entry, str)) if isinstance(value, list) else ()

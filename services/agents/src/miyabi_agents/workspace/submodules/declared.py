"""Reads `.gitmodules` as git does, but out of a commit, with nothing included and nothing run."""

from __future__ import annotations

from dataclasses import dataclass

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace import linkfree
from miyabi_agents.workspace.git import git

#: Where submodules are declared (gitmodules(5)).
FILE_NAME = ".gitmodules"
#: Larger files declare thousands of submodules, of which a few are fetched.
MAX_BYTES = 256 << 10
#: Longest name of a submodule: it becomes a folder below `.git/modules`.
_MAX_NAME = 200


@dataclass(frozen=True)
class Declared:
    """What `.gitmodules` says of one submodule."""

    name: str
    url: str


async def declared_in(content: bytes) -> dict[str, Declared]:
    """Return what is declared, by path; of a path that is declared twice, the last.

    Args:
        content: Of the file, at most `MAX_BYTES`.

    Raises:
        WorkspaceError: git cannot read it.
    """
    output = await git("config", "--file", "-", "--no-includes", "-z", "--list", stdin=content)
    sections: dict[str, dict[str, str]] = {}
    for entry in output.decode("utf-8", "surrogateescape").split("\0"):
        key, _, value = entry.partition("\n")
        if key.startswith("submodule."):
            name, _, field = key.removeprefix("submodule.").rpartition(".")
            sections.setdefault(name, {})[field] = value
    return {
        section["path"].rstrip("/"): Declared(name, section.get("url", ""))
        for name, section in sections.items()
        if section.get("path")
    }


def is_usable_name(name: str) -> bool:
    """Tell whether a submodule's name may become a folder's: no way out, no option (CVE-2018-11235, CVE-2018-17456)."""
    try:
        return len(name) <= _MAX_NAME and bool(linkfree.parts_of(name)) and "//" not in name
    except WorkspaceError:
        return False

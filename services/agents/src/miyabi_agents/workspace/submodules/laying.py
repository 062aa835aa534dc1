"""Lays the files of submodules into a folder that holds their repository's, so that nothing writes them."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from miyabi_agents.sandbox.removal import remove_tree
from miyabi_agents.workspace.commit_files import CommitFiles
from miyabi_agents.workspace.git import git
from miyabi_agents.workspace.submodules.found import Submodule

#: Rights to write.
_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def make_read_only(place: Path) -> None:
    """Take the rights to write from a file."""
    mode = os.lstat(place).st_mode
    if stat.S_ISREG(mode):
        place.chmod(stat.S_IMODE(mode) & ~_WRITE)


async def lay_submodules(modules: Iterable[Submodule], root: Path, *, git_dirs: Path) -> None:
    """Lay the files of submodules below a folder.

    Args:
        modules: Outer ones first.
        root: Holds the files of their repository, and nothing that a build or test wrote.
        git_dirs: Where git directories may be made.

    Raises:
        WorkspaceError: git failed, or the disk is full.
    """
    for one in modules:
        git_dir, place = git_dirs / f"submodule-{secrets.token_hex(8)}", root / one.path
        try:
            await git("init", "--quiet", "--bare", str(git_dir))
            alternates = git_dir / "objects/info/alternates"
            await asyncio.to_thread(alternates.write_text, f"{one.mirror / 'objects'}\n")
            await asyncio.to_thread(place.mkdir, parents=True, exist_ok=True)
            variables = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(place)}
            await git("read-tree", one.sha, variables=variables)
            await git("checkout-index", "--all", "--force", cwd=place, variables=variables)
        finally:
            await asyncio.shield(asyncio.to_thread(remove_tree, git_dir))
    await asyncio.to_thread(_make_all_read_only, [root / one.path for one in modules])


def still_there(modules: Iterable[Submodule], commit: CommitFiles) -> list[Submodule]:
    """Return the submodules for which a commit has a place, with those in them; it blocks."""
    pinned = commit.listing().submodules
    found: list[Submodule] = []
    for one in modules:
        if one.path in pinned or any(one.path.startswith(f"{outer.path}/") for outer in found):
            found.append(one)
    return found


def _make_all_read_only(folders: Iterable[Path]) -> None:
    """Take the rights to write from all files below folders."""
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                make_read_only(Path(folder) / name)

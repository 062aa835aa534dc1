"""Commits of any files, made from git's objects, and the tools on them."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from miyabi_agents.agents.editing import EditingTools
from miyabi_agents.workspace import GitWorkspaces
from miyabi_agents.workspace.objects import ObjectTree

WHO = ("-c", "user.name=t", "-c", "user.email=t@example.com")


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git; returns its output without the last line end."""
    done = subprocess.run(["git", *WHO, *arguments], cwd=folder, check=True, capture_output=True, input=stdin)
    return done.stdout.decode().strip()


def commit(folder: Path, files: Mapping[str, bytes], modes: Mapping[str, str]) -> str:
    """Make a repository of one commit with exactly these bytes; no attribute has a say."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    said = b"commit refs/heads/main\ncommitter t <t@example.com> 1700000000 +0000\ndata 4\nbase\n"
    for path, content in files.items():
        mode = modes.get(path, "100644")
        if mode == "160000":
            said += f"M {mode} {'1' * 40} {path}\n".encode()
        else:
            said += f"M {mode} inline {path}\ndata {len(content)}\n".encode() + content + b"\n"
    git(folder, "fast-import", "--quiet", stdin=said)
    return git(folder, "rev-parse", "main")


@dataclass(frozen=True)
class Opened:
    """The tools on a commit, and the commit with edits behind them."""

    tools: EditingTools
    tree: ObjectTree

    async def paths(self) -> list[str]:
        """Return the paths that are changed."""
        return [file.path for file in (await self.tree.change_set()).files]


#: Opens the tools on a commit of files with their modes.
Open = Callable[..., AbstractAsyncContextManager[Opened]]


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, str]]:
    """Commit files, equal ones once; gives the folder of the remote, which is only read, and the commit."""
    made: dict[bytes, tuple[Path, str]] = {}

    def commit_once(files: Mapping[str, bytes], modes: Mapping[str, str]) -> tuple[Path, str]:
        key = hashlib.sha256(repr((sorted(files.items()), sorted(modes.items()))).encode()).digest()
        if key not in made:
            remote = tmp_path_factory.mktemp("remote")
            made[key] = (remote, commit(remote / "acme/toy.git", files, modes))
        return made[key]

    return commit_once


@pytest.fixture
def on_files(tmp_path: Path, committed: Callable[..., tuple[Path, str]]) -> Open:
    """Open the tools on a commit of these files."""

    @asynccontextmanager
    async def opened(files: Mapping[str, bytes], modes: Mapping[str, str] | None = None) -> AsyncIterator[Opened]:
        remote, sha = committed(files, modes or {})
        workspaces = GitWorkspaces(f"file://{remote}", tmp_path / "data")
        async with workspaces.edit(repository="acme/toy", sha=sha) as tree:
            yield Opened(EditingTools(tree), tree)

    return opened

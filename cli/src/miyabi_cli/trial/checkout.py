"""Finds the commit of a checkout on this machine, and makes a bare repository of it; nothing of the checkout is run."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.git import git
from miyabi_cli.errors import CliError

#: The checkout may be another user's: git's settings that could run something are off in every command of ours.
_ANYONES = ("-c", "safe.directory=*")
#: Branch of the bare repository where the checkout is on none.
DETACHED = "main"
#: Who makes the one commit of a checkout whose history is not all there.
_WHO = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "miyabi"), ("EMAIL", "miyabi@localhost"))
}


@dataclass(frozen=True)
class Checkout:
    """A commit of a repository on this machine."""

    path: Path  #: root of the checkout, or the bare repository; absolute, resolved
    git_dir: Path  #: where git keeps its files; that of the whole repository for one of several checkouts
    objects: Path
    modules: Path  #: where its submodules' repositories lie, by name; may not be there
    sha: str
    branch: str
    bare: bool
    shallow: bool
    uncommitted: tuple[str, ...] = ()  #: paths that differ from the commit, or are in none

    @property
    def repository(self) -> str:
        """`owner/name` that no other folder has: what was built for one checkout is never given to another."""
        name = re.sub(r"[^A-Za-z0-9._-]", "-", self.path.name.removesuffix(".git")).strip(".-") or "repository"
        return f"local-{hashlib.sha256(str(self.path).encode()).hexdigest()[:8]}/{name[:100]}"


async def find(path: Path) -> Checkout:
    """Return the newest commit of the checkout that a folder belongs to.

    Raises:
        CliError: there is no such folder, it is no git repository, or nothing was committed.
    """
    if not await asyncio.to_thread(path.is_dir):
        raise CliError(f"{path} is no folder")
    try:
        bare = await _ask(path, "rev-parse", "--is-bare-repository") == "true"
        top = await _ask(path, "rev-parse", "--absolute-git-dir" if bare else "--show-toplevel")
    except WorkspaceError as error:
        raise CliError(f"{path} is no git repository, and only what is committed can be looked at") from error
    try:
        sha = await _ask(path, "rev-parse", "--verify", "--end-of-options", "HEAD^{commit}")
    except WorkspaceError as error:
        raise CliError(f"{path} has no commit yet, and only what is committed can be looked at") from error
    where = ("rev-parse", "--path-format=absolute")
    return Checkout(
        path=await asyncio.to_thread(Path(top).resolve),
        git_dir=Path(await _ask(path, *where, "--git-common-dir")),
        objects=Path(await _ask(path, *where, "--git-path", "objects")),
        modules=Path(await _ask(path, *where, "--git-path", "modules")),
        sha=sha,
        branch=await _branch(path),
        bare=bare,
        shallow=await _ask(path, "rev-parse", "--is-shallow-repository") == "true",
        uncommitted=() if bare else await _uncommitted(Path(top)),
    )


async def _ask(path: Path, *arguments: str) -> str:
    """Return what git says in a folder, without the last newline.

    Raises:
        WorkspaceError: git refused.
    """
    output = await git(*_ANYONES, *arguments, cwd=path)
    return output.decode("utf-8", "surrogateescape").removesuffix("\n")


async def _branch(path: Path) -> str:
    """Return the branch that is checked out."""
    try:
        return await _ask(path, "symbolic-ref", "--quiet", "--short", "HEAD")
    except WorkspaceError:
        return DETACHED


async def _uncommitted(top: Path) -> tuple[str, ...]:
    """List what differs from the commit; filters that the repository names for its files are not run."""
    try:
        named = await git(*_ANYONES, "config", "--name-only", "-z", "--get-regexp", r"^filter\.", cwd=top)
    except WorkspaceError:
        named = b""
    keys = filter(None, named.decode("utf-8", "surrogateescape").split("\0"))
    off = [part for key in keys for part in ("-c", f"{key}={'false' if key.endswith('.required') else ''}")]
    output = await git(
        *_ANYONES, *off, "status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all", cwd=top
    )
    entries = output.decode("utf-8", "surrogateescape").split("\0")
    return tuple(entry[3:] for entry in entries if entry)


async def borrow(checkout: Checkout, target: Path) -> None:
    """Make a bare repository that has the checkout's commit and branch, and reads its objects where they are.

    Args:
        checkout: Whose; its objects must stay where they are.
        target: Not there yet.

    Raises:
        WorkspaceError: the branch has no name that git takes.
        OSError: the disk is full.
    """
    await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
    await git("init", "--quiet", "--bare", f"--initial-branch={checkout.branch}", str(target))
    await asyncio.to_thread((target / "objects/info/alternates").write_text, f"{checkout.objects}\n")
    if checkout.shallow:
        text = await asyncio.to_thread((checkout.git_dir / "shallow").read_text)
        await asyncio.to_thread((target / "shallow").write_text, text)
    await _set_branch(target, checkout.branch, checkout.sha)


async def copy(checkout: Checkout, target: Path) -> str:
    """Make a bare repository with the checkout's history, of its own; returns its newest commit.

    Where the history is not all there (a shallow clone), it gets one commit with the same files.

    Raises:
        WorkspaceError: the branch has no name that git takes, or an object is missing.
        OSError: the disk is full.
    """
    await borrow(checkout, target)
    variables, sha = {"GIT_DIR": str(target)}, checkout.sha
    if checkout.shallow:
        date = (await git("show", "-s", "--format=%cI", sha, variables=variables)).decode().strip()
        made = {**_WHO, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        words = f"Files of {sha}, without its history"
        output = await git("commit-tree", f"{sha}^{{tree}}", "-m", words, variables={**variables, **made})
        sha = output.decode().strip()
        await asyncio.to_thread((target / "shallow").unlink)
        await _set_branch(target, checkout.branch, sha)
    await git("repack", "-a", "-d", "--quiet", variables=variables)
    await asyncio.to_thread((target / "objects/info/alternates").unlink)
    return sha


async def _set_branch(target: Path, branch: str, sha: str) -> None:
    """Point a branch at a commit."""
    await git("update-ref", f"refs/heads/{branch}", sha, variables={"GIT_DIR": str(target)})

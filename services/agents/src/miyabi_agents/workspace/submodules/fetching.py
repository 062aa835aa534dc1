"""Brings one pinned commit into a mirror, by its id and through the proxy; what is too large is given up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from miyabi_agents.environments.locks import hold_lock
from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.access import GitAccess
from miyabi_agents.workspace.git import git, git_network

#: Largest pack of one commit: the largest repositories that are used as submodules have some 400 MB a commit.
MAX_PACK_BYTES = 512 << 20
#: What git says where a repository is refused, is none, or has no such commit; the first that fits counts.
_REASONS = (
    ("not among the repositories", "{repository} is not admitted by the gateway"),
    ("error: 403", "{repository} is not admitted by the gateway"),
    ("not our ref", "its commit was not found in {repository}"),
    ("unadvertised object", "its commit was not found in {repository}"),
    ("couldn't find remote ref", "its commit was not found in {repository}"),
    ("error: 404", "there is no {repository}, or it may not be read"),
    ("not found", "there is no {repository}, or it may not be read"),
    ("does not appear to be a git repository", "there is no {repository}, or it may not be read"),
    ("File too large", "{repository} is larger than {megabytes} MB"),
    # What writes the pack is ended by the kernel at the limit, and says nothing itself (setrlimit(2), SIGXFSZ).
    ("failed: fatal: fetch-pack: invalid index-pack output", "{repository} is larger than {megabytes} MB"),
)


class NotFetchedError(Exception):
    """A commit cannot be had; the message is the end of a sentence."""


async def has_commit(mirror: Path, sha: str, *, at: str = "") -> bool:
    """Tell whether a bare repository has a commit, by its id or under a ref."""
    if not await asyncio.to_thread((mirror / "HEAD").exists):
        return False
    try:
        await git("cat-file", "-e", f"{at or sha}^{{tree}}", variables={"GIT_DIR": str(mirror)})
    except WorkspaceError:
        return False
    return True


async def was_fetched(mirror: Path, sha: str) -> bool:
    """Tell whether a mirror has a commit with all its files: its ref is written when all of them are there."""
    return await has_commit(mirror, sha, at=_ref(sha))


async def fetch_commit(
    mirror: Path, sha: str, *, url: str, repository: str, access: GitAccess, most_bytes: int = MAX_PACK_BYTES
) -> None:
    """Make a mirror have a commit, without its history.

    Args:
        mirror: Made where it is not there.
        sha: The commit.
        url: Of the repository at the proxy.
        repository: `owner/name`, for messages.
        access: What git shows to the proxy.
        most_bytes: Largest pack; 512 MiB by default.

    Raises:
        NotFetchedError: the proxy refuses it, has no such commit, or it is too large.
        WorkspaceError: the proxy is out of reach, or the disk is full: a repeat may mend it.
    """
    await asyncio.to_thread(mirror.parent.mkdir, parents=True, exist_ok=True)
    async with hold_lock(mirror.with_suffix(".lock")):
        if await was_fetched(mirror, sha):
            return
        await git("init", "--quiet", "--bare", str(mirror))
        # Always one pack, which is there as a whole or not at all, and is as large as its file.
        await git("config", "fetch.unpackLimit", "1", variables={"GIT_DIR": str(mirror)})
        variables = {"GIT_DIR": str(mirror), **access.variables()}
        fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--depth=1")
        try:
            await git_network(*fetch, url, f"+{sha}:{_ref(sha)}", variables=variables, file_bytes=most_bytes)
        except WorkspaceError as error:
            if error.retryable:
                raise
            raise NotFetchedError(_reason(str(error), repository, most_bytes)) from error
        if not await was_fetched(mirror, sha):
            raise NotFetchedError(f"its commit was not found in {repository}")


def _ref(sha: str) -> str:
    """Return the ref that keeps a commit."""
    return f"refs/pinned/{sha}"


def _reason(said: str, repository: str, most_bytes: int) -> str:
    """Return why git could not fetch, without the proxy's address."""
    for words, reason in _REASONS:
        if words in said:
            return reason.format(repository=repository, megabytes=most_bytes >> 20)
    return f"{repository} could not be fetched"

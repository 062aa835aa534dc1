"""Brings both ends of a pull request into a mirror: the head of a fork, a base that moved, went or was rewritten."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.access import GitAccess
from miyabi_agents.workspace.git import git, git_network

#: All branches, as they are now.
_BRANCHES = "+refs/heads/*:refs/heads/*"


@dataclass(frozen=True)
class PullRequestRefs:
    """A pull request as GitHub says that it is."""

    repository: str
    number: int
    head_sha: str
    base_branch: str
    base_sha: str = ""  #: commit of base that GitHub compares with; empty where it does not say


@dataclass(frozen=True)
class _Remote:
    """A repository at the proxy, and the mirror that is fetched into."""

    mirror: Path
    url: str
    access: GitAccess

    async def fetch(self, *refspecs: str) -> None:
        """Fetch.

        Raises:
            WorkspaceError: the proxy is out of reach, or there is no such ref.
        """
        # Pruned, since a branch `feature/one` cannot be where a branch `feature` was.
        options = ("--quiet", "--prune", "--no-tags", "--no-write-fetch-head")
        variables = {"GIT_DIR": str(self.mirror), **self.access.variables()}
        await git_network("fetch", *options, self.url, *refspecs, variables=variables)

    async def try_fetch(self, *refspecs: str) -> None:
        """Fetch what may not be there; only a proxy that is out of reach is an error."""
        try:
            await self.fetch(*refspecs)
        except WorkspaceError as error:
            if error.code != "GIT_FAILED":
                raise

    async def commit(self, name: str) -> str:
        """Return the commit that a name means; empty where the mirror has none."""
        if not (self.mirror / "HEAD").exists():
            return ""
        variables = {"GIT_DIR": str(self.mirror)}
        try:
            said = await git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", variables=variables
            )
        except WorkspaceError:
            return ""
        return said.decode().strip()


async def fetched_refs(
    mirror: Path, pull: PullRequestRefs, *, remote: str, access: GitAccess
) -> tuple[str, tuple[str, ...]]:
    """Make a mirror have both ends; returns the base's commit, and what is to be said of it.

    The base is the commit that GitHub itself compares with; where nobody has that any more, the base branch as it is
    now.

    Raises:
        WorkspaceError: the head is gone or was moved meanwhile (`HEAD_MOVED`, worth a repeat), there is no base
            (`NO_SUCH_COMMIT`), or the proxy is out of reach.
    """
    source = _Remote(mirror, remote, access)
    if not (mirror / "HEAD").exists():
        await asyncio.to_thread(mirror.parent.mkdir, parents=True, exist_ok=True)
        await git("init", "--quiet", "--bare", str(mirror))
    wanted = [pull.head_sha, pull.base_sha or f"refs/heads/{pull.base_branch}"]
    # The branch of a base that is not said is looked up anew each time: it moves.
    if not pull.base_sha or not all([await source.commit(name) for name in wanted]):
        await source.fetch(_BRANCHES)
    await _bring_head(source, pull)
    return await _base(source, pull)


async def _bring_head(source: _Remote, pull: PullRequestRefs) -> None:
    """Make the mirror have the head; that of a fork is on no branch of the repository."""
    if await source.commit(pull.head_sha):
        return
    ref = f"refs/pull/{pull.number}/head"
    await source.try_fetch(f"+{ref}:{ref}")
    if not await source.commit(pull.head_sha):
        await source.try_fetch(pull.head_sha)
    if not await source.commit(pull.head_sha):
        raise WorkspaceError(
            f"head {pull.head_sha[:12]} of pull request #{pull.number} is on no branch of {pull.repository} and is not "
            f"{ref} either: it was pushed anew while it was read, or is gone. Submit it again",
            code="HEAD_MOVED",
        )


async def _base(source: _Remote, pull: PullRequestRefs) -> tuple[str, tuple[str, ...]]:
    """Return the commit to compare with."""
    if pull.base_sha:
        if not await source.commit(pull.base_sha):
            await source.try_fetch(pull.base_sha)
        if found := await source.commit(pull.base_sha):
            return found, ()
    now = await source.commit(f"refs/heads/{pull.base_branch}")
    if not now:
        raise WorkspaceError(
            f"base branch {pull.base_branch!r} of {pull.repository} is gone, and so is the commit that pull request "
            f"#{pull.number} was opened against. Give the pull request another base branch",
            code="NO_SUCH_COMMIT",
        )
    if not pull.base_sha:
        return now, ()
    note = f"base {pull.base_sha[:12]} is gone: the head was compared with {pull.base_branch} as it is now, {now[:12]}"
    return now, (note,)

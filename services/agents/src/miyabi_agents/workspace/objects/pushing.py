"""Makes a commit of a tree and pushes it through the git proxy; the same change always gives the same commit."""

from __future__ import annotations

from pathlib import Path

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.access import GitAccess
from miyabi_agents.workspace.git import git, git_network

#: Author of every commit.
IDENTITY = ("Miyabi", "miyabi@users.noreply.github.com")


async def commit_tree(tree: str, *, parent: str, message: str, git_dir: Path) -> str:
    """Commit a tree on top of its base; returns the commit.

    The commit's dates are those of its base, so that a repeat after a crash pushes what is there already.

    Raises:
        WorkspaceError: git failed.
    """
    own = {"GIT_DIR": str(git_dir)}
    date = (await git("show", "-s", "--format=%ct +0000", parent, variables=own)).decode().strip()
    name, email = IDENTITY
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", email), ("DATE", date))
    }
    made = await git("commit-tree", tree, "-p", parent, stdin=message.encode("utf-8", "replace"), variables=own | who)
    return made.decode().strip()


async def push(sha: str, branch: str, *, remote: str, git_dir: Path, access: GitAccess) -> None:
    """Push one commit to one branch.

    Raises:
        WorkspaceError: it was refused (`PUSH_REFUSED`), or the proxy is out of reach.
    """
    try:
        variables = {"GIT_DIR": str(git_dir), **access.variables(pushing=True)}
        await git_network("push", "--porcelain", remote, f"+{sha}:refs/heads/{branch}", variables=variables)
    except WorkspaceError as error:
        if error.code != "GIT_FAILED":
            raise
        raise WorkspaceError(str(error), code="PUSH_REFUSED") from error

"""A base branch that is rewritten while an issue is worked on: what a merge would bring back is said."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from miyabi_agents.agents.pull_request import PullRequestAgent
from miyabi_agents.errors import WorkspaceError
from services.agents.tests.test_only_one_pull_request import OPEN, Opening, inputs

#: What may happen to the branch, and how many commits of the lease's base it has no more.
MOVES = {
    "nothing": ([], 0),
    "moved on": ([["commit", "-q", "--allow-empty", "-m", "more"]], 0),
    "last commit dropped": ([["reset", "-q", "--hard", "HEAD~1"]], 1),
    "two dropped, one new": ([["reset", "-q", "--hard", "HEAD~2"], ["commit", "-q", "--allow-empty", "-m", "new"]], 2),
    "amended": ([["commit", "-q", "--allow-empty", "--amend", "-m", "amended"]], 1),
    "merged back": ([["reset", "-q", "--hard", "HEAD~1"], ["merge", "-q", "--no-ff", "--no-edit", "ORIG_HEAD"]], 0),
    "renamed": ([["branch", "-q", "-m", "main", "trunk"]], 0),
}


def git(workshop: Any, *arguments: str) -> str:
    """Do something to the repository, as a person."""
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    folder = workshop.folder / "remote/acme/toy.git"
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("move", MOVES)
async def test_commits_that_were_taken_off_base_are_said(workshop: Any, move: str) -> None:
    """In the body and beside the pull request; a branch that only moves on needs no word."""
    workshop.gateway.opening = Opening("")
    for name in ("one", "two"):
        git(workshop, "commit", "-q", "--allow-empty", "-m", name)
    workshop.base_sha = git(workshop, "rev-parse", "HEAD")
    given = inputs(workshop, overruled=[OPEN])
    before = (await workshop.run(PullRequestAgent(), inputs=given)).pull_request
    steps, count = MOVES[move]
    for step in steps:
        git(workshop, *step)
    after = (await workshop.run(PullRequestAgent(), inputs=given)).pull_request
    said = [note for note in after.notes if "was rewritten" in note]
    assert [f" {count} " in note for note in said] == ([True] if count else [])
    assert ("[!WARNING]" in after.body, "[!WARNING]" in before.body) == (count > 0, False)
    assert after.head_sha == before.head_sha


async def test_an_agent_that_never_had_the_former_commit_asks_for_it(workshop: Any) -> None:
    """It is on no branch any more when the agent looks for the first time; one that nobody has is said to be gone."""
    workshop.gateway.opening = Opening("")
    git(workshop, "commit", "-q", "--allow-empty", "-m", "former")
    workshop.base_sha = git(workshop, "rev-parse", "HEAD")
    git(workshop, "commit", "-q", "--allow-empty", "--amend", "-m", "amended")
    result = (await workshop.run(PullRequestAgent(), inputs=inputs(workshop, overruled=[OPEN]))).pull_request
    assert [" 1 of its former commits" in note for note in result.notes if "was rewritten" in note] == [True]
    workshop.base_sha = "e" * 40
    with pytest.raises(WorkspaceError) as caught:
        await workshop.run(PullRequestAgent(), inputs=inputs(workshop, overruled=[OPEN]))
    assert caught.value.code == "NO_SUCH_COMMIT"

"""What agents get from mirrors when branches move, go, change places, or belong to a fork."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from running_gateway import REPOSITORY, Running, gateway_before, push_branches, simulated
from stock_git import done, failed

#: The account of the fork.
FORK = "beta/toy"


def at_github(gateway: Running, *arguments: str, name: str = REPOSITORY) -> str:
    """Run git in a repository of the simulated GitHub itself, as pushes of others would change it."""
    git_dir = gateway.github.store.git_dir(gateway.github.store.repository(*name.split("/")))
    command = ["git", "-c", "user.name=b", "-c", "user.email=b@b.invalid", "-C", str(git_dir), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit_at_github(gateway: Running, branch: str, *, name: str = REPOSITORY, message: str = "x") -> str:
    """Make a commit on top of a fork's or the repository's main branch, and let a branch name it."""
    commit = at_github(gateway, "commit-tree", "main^{tree}", "-p", "main", "-m", message, name=name)
    at_github(gateway, "update-ref", f"refs/heads/{branch}", commit, name=name)
    return commit


async def branches(gateway: Running, folder: Path) -> list[str]:
    """Return the branches that a fresh clone gets through the gateway."""
    await done("clone", "--quiet", "--bare", f"{gateway.git}/{REPOSITORY}.git", str(folder))
    listed = await done("for-each-ref", "--format=%(refname:short)", "refs/heads/", cwd=folder)
    return listed.splitlines()


async def pull_request_of_fork(gateway: Running, *, message: str = "x") -> tuple[int, str]:
    """Open a pull request from a fork; returns its number and its head."""
    if gateway.github.store.find("beta", "toy") is None:
        gateway.github.states.fork(REPOSITORY, owner="beta")
    head = commit_at_github(gateway, f"topic-{message}", name=FORK, message=message)
    body = {"title": "T", "head": f"beta:topic-{message}", "base": "main"}
    answer = await gateway.gateway.http.rest("POST", f"/repos/{REPOSITORY}/pulls", json=body)
    return int(answer.json()["number"]), head


@pytest.mark.parametrize(("first", "then"), [("feature", "feature/one"), ("feature/one", "feature")])
async def test_branch_in_the_place_of_a_folder_of_branches(
    running_gateway: Running, tmp_path: Path, first: str, then: str
) -> None:
    """A branch that is gone breaks no fetch of one whose name cannot be beside it, in either direction."""
    push_branches(running_gateway, first)
    assert await branches(running_gateway, tmp_path / "before") == [first, "main"]
    at_github(running_gateway, "update-ref", "-d", f"refs/heads/{first}")
    push_branches(running_gateway, then)
    assert await branches(running_gateway, tmp_path / "after") == [then, "main"]


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "日本語"], ids=ascii)
async def test_branch_whose_name_holds_what_is_no_line_end(running_gateway: Running, tmp_path: Path, name: str) -> None:
    """Names of branches are told apart by line feeds only, which none can hold."""
    push_branches(running_gateway, name)
    for folder in ("first", "again"):
        await done("clone", "--quiet", "--bare", f"{running_gateway.git}/{REPOSITORY}.git", str(tmp_path / folder))
        listed = await done("for-each-ref", "--format=%(refname:short)", "refs/heads/", cwd=tmp_path / folder)
        assert listed.rstrip("\n").split("\n") == sorted([name, "main"])


async def test_rewritten_base_is_served_as_it_is_now(running_gateway: Running, tmp_path: Path) -> None:
    """After a force push the mirror has the new history; the commit that is on no branch any more is to be had by id."""
    folder = tmp_path / "clone"
    await done("clone", "--quiet", "--bare", f"{running_gateway.git}/{REPOSITORY}.git", str(folder))
    old = await done("rev-parse", "main", cwd=folder)
    new = running_gateway.github.states.rewrite(REPOSITORY, "main")
    await done("fetch", "--quiet", "origin", "+refs/heads/*:refs/heads/*", cwd=folder)
    assert (await done("rev-parse", "main", cwd=folder), new == old) == (new, False)
    await branches(running_gateway, tmp_path / "other")
    await done("fetch", "--quiet", f"{running_gateway.git}/{REPOSITORY}.git", old, cwd=tmp_path / "other")


async def test_head_of_a_fork_is_served_when_it_is_asked_for(running_gateway: Running, tmp_path: Path) -> None:
    """`refs/pull/N/head` comes by its name, with the history that it has in common with the base."""
    number, head = await pull_request_of_fork(running_gateway)
    assert await branches(running_gateway, tmp_path / "clone") == ["main"]
    ref = f"refs/pull/{number}/head"
    await done("fetch", "--quiet", "origin", f"+{ref}:{ref}", cwd=tmp_path / "clone")
    assert await done("rev-parse", ref, cwd=tmp_path / "clone") == head
    base = await done("rev-parse", "main", cwd=tmp_path / "clone")
    assert await done("merge-base", "main", ref, cwd=tmp_path / "clone") == base


async def test_head_that_moved_is_served_anew(running_gateway: Running, tmp_path: Path) -> None:
    """Each time that the name is asked for GitHub is looked at: a push to the fork is seen at once."""
    number, _ = await pull_request_of_fork(running_gateway)
    ref = f"refs/pull/{number}/head"
    await branches(running_gateway, tmp_path / "clone")
    await done("fetch", "--quiet", "origin", f"+{ref}:{ref}", cwd=tmp_path / "clone")
    moved = commit_at_github(running_gateway, "other", message="moved")
    at_github(running_gateway, "update-ref", ref, moved)
    await done("fetch", "--quiet", "origin", f"+{ref}:{ref}", cwd=tmp_path / "clone")
    assert await done("rev-parse", ref, cwd=tmp_path / "clone") == moved


async def test_head_of_a_pull_request_that_is_not_there(running_gateway: Running, tmp_path: Path) -> None:
    """Git says itself that there is no such ref, and later fetches go on."""
    await branches(running_gateway, tmp_path / "clone")
    said = await failed("fetch", "--quiet", "origin", "refs/pull/999/head", cwd=tmp_path / "clone")
    assert "couldn't find remote ref refs/pull/999/head" in said
    assert await branches(running_gateway, tmp_path / "again") == ["main"]


async def test_commit_that_was_never_on_a_branch_is_brought_by_its_id(running_gateway: Running, tmp_path: Path) -> None:
    """A head that was pushed over before anyone looked is still to be had, as GitHub hands it out; another is refused."""
    await branches(running_gateway, tmp_path / "clone")
    commit = at_github(running_gateway, "commit-tree", "main^{tree}", "-p", "main", "-m", "lost")
    await done("fetch", "--quiet", "origin", commit, cwd=tmp_path / "clone")
    assert await done("cat-file", "-t", commit, cwd=tmp_path / "clone") == "commit"
    said = await failed("fetch", "--quiet", "origin", "1" * 40, cwd=tmp_path / "clone")
    assert "not our ref" in said


async def test_heads_of_pull_requests_stay_out_of_clones(running_gateway: Running, tmp_path: Path) -> None:
    """What one agent asked for is no branch of the next one's clone, and fetches nothing again while nothing changes."""
    number, _ = await pull_request_of_fork(running_gateway)
    await branches(running_gateway, tmp_path / "clone")
    await done("fetch", "--quiet", "origin", f"refs/pull/{number}/head", cwd=tmp_path / "clone")
    before = running_gateway.reads().count("git.upload_pack")
    assert await branches(running_gateway, tmp_path / "next") == ["main"]
    assert running_gateway.reads().count("git.upload_pack") == before + 1


@pytest.mark.parametrize("allowed", ["acme/*", "acme/toy"])
async def test_repository_of_a_submodule_is_served_where_it_is_admitted(
    tmp_path: Path, redis_url: str, allowed: str
) -> None:
    """Its commit is to be had by its id, as agents ask: without history; what the operator does not admit is refused."""
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, repositories=allowed) as gateway,
    ):
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib/lib.txt").write_text("library")
        (tmp_path / "lib.json").write_text('{"repositories": [{"owner": "acme", "name": "lib", "source": "lib"}]}')
        github.load_seed(tmp_path / "lib.json")
        pinned = at_github(gateway, "rev-parse", "main", name="acme/lib")
        github.states.rewrite("acme/lib", "main")
        await done("init", "--quiet", "--bare", str(tmp_path / "clone"))
        refspec = f"+{pinned}:refs/pinned/{pinned}"
        fetch = ("fetch", "--quiet", "--no-tags", "--depth=1", f"{gateway.git}/acme/lib.git", refspec)
        if allowed == "acme/*":
            await done(*fetch, cwd=tmp_path / "clone")
            assert await done("show", f"{pinned}:lib.txt", cwd=tmp_path / "clone") == "library"
        else:
            said = await failed(*fetch, cwd=tmp_path / "clone")
            assert "acme/lib is not among the repositories that this gateway serves" in said

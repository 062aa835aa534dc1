"""Stock git against the gateway's proxy, before a simulated GitHub that runs git's own server."""

from __future__ import annotations

import asyncio
import gzip
import secrets
from pathlib import Path

import aiohttp
import pytest
from running_gateway import REPOSITORY, Running, gateway_before, simulated
from stock_git import commit, done, failed

from miyabi_core.metrics import REGISTRY
from miyabi_sim.github import Fault

BRANCH = "refs/heads/miyabi/issue-1"


def url(gateway: Running, repository: str = REPOSITORY) -> str:
    """Return the address of a repository at the proxy."""
    return f"{gateway.git}/{repository}.git"


async def clone(gateway: Running, folder: Path, *options: str, **variables: str) -> Path:
    """Clone through the proxy."""
    await done("clone", "--quiet", *options, url(gateway), str(folder), **variables)
    return folder


def seen(gateway: Running, operation: str) -> int:
    """Return how many requests of a kind GitHub saw."""
    return sum(operation == entry.operation for entry in gateway.github.requests)


def fetched_bytes() -> float:
    """Return the bytes of git that came from GitHub so far."""
    return REGISTRY.get_sample_value("miyabi_gateway_git_upstream_received_bytes_total") or 0.0


def directly(gateway: Running) -> str:
    """Return the address of the repository at GitHub itself, for what someone else does there."""
    return f"http://someone:{gateway.token}@127.0.0.1:{gateway.github.port}/{REPOSITORY}.git"


async def test_ten_clones_at_once_are_one_at_github(running_gateway: Running, tmp_path: Path) -> None:
    """Ten agents that clone at the same moment get the same files, and GitHub packs them once."""
    source = await clone(running_gateway, tmp_path / "source")
    await commit(source, secrets.token_hex(500_000), name="large.txt")
    await done("push", "--quiet", directly(running_gateway), "HEAD:refs/heads/main", cwd=source)
    before = fetched_bytes()
    folders = [tmp_path / f"clone-{number}" for number in range(10)]
    async with asyncio.TaskGroup() as tasks:
        for folder in folders:
            tasks.create_task(clone(running_gateway, folder))
    contents = {(folder / "large.txt").read_bytes() for folder in folders}
    assert {(source / "large.txt").read_bytes()} == contents
    assert fetched_bytes() - before < 1.2e6


async def test_what_was_pushed_before_a_fetch_is_in_it(running_gateway: Running, tmp_path: Path) -> None:
    """A mirror never hides a commit that GitHub had before the fetch began, nor shows a branch that is gone."""
    here, there = await clone(running_gateway, tmp_path / "here"), await clone(running_gateway, tmp_path / "there")
    for number in range(3):
        made = await commit(there, str(number))
        await done(
            "push",
            "--quiet",
            directly(running_gateway),
            "HEAD:refs/heads/main",
            f"HEAD:refs/heads/b{number}",
            cwd=there,
        )
        await done("fetch", "--quiet", "origin", cwd=here)
        assert made == await done("rev-parse", "origin/main", cwd=here)
    await done("push", "--quiet", directly(running_gateway), ":refs/heads/b1", cwd=there)
    await done("fetch", "--quiet", "--prune", "origin", cwd=here)
    listed = await done("for-each-ref", "--format=%(refname:lstrip=3)", "refs/remotes/origin/b*", cwd=here)
    assert listed.split() == ["b0", "b2"]


async def test_unchanged_repository_costs_github_one_small_request(running_gateway: Running, tmp_path: Path) -> None:
    """A clone from a mirror that is current asks GitHub for the refs and for nothing else."""
    await clone(running_gateway, tmp_path / "first")
    del running_gateway.github.requests[:]
    await clone(running_gateway, tmp_path / "second")
    assert running_gateway.reads() == ["git.upload_pack"]


@pytest.mark.parametrize("version", ["0", "1", "2"])
async def test_every_protocol_version_clones(running_gateway: Running, tmp_path: Path, version: str) -> None:
    """Git's protocol is negotiated through the proxy, and HEAD is the default branch."""
    folder = await clone(running_gateway, tmp_path / "clone", "-c", f"protocol.version={version}")
    assert await done("branch", "--show-current", cwd=folder) == "main"
    assert (folder / "README.md").read_text() == "toy\n"


async def test_protocol_version_2_reaches_git(running_gateway: Running, tmp_path: Path) -> None:
    """With the header `Git-Protocol: version=2` the answer is that of version 2."""
    trace = tmp_path / "trace"
    await done("ls-remote", url(running_gateway), GIT_TRACE_PACKET=str(trace))
    assert "ls-remote< version 2" in trace.read_text()


@pytest.mark.parametrize("mirrors", [True, False])
async def test_fetch_with_many_haves_is_compressed_and_served(tmp_path: Path, redis_url: str, mirrors: bool) -> None:
    """Git gzips a request with many haves; a mirror unpacks it, and without mirrors it is passed on as it came."""
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, mirror_bytes=(1 << 30) * mirrors) as running_gateway,
    ):
        await fetch_with_many_haves(running_gateway, tmp_path)


async def fetch_with_many_haves(running_gateway: Running, tmp_path: Path) -> None:
    """Fetch into a clone with forty commits that GitHub does not have."""
    folder, other = await clone(running_gateway, tmp_path / "here"), await clone(running_gateway, tmp_path / "there")
    for number in range(40):
        await done("commit", "--quiet", "--allow-empty", "-m", str(number), cwd=folder)
    made = await commit(other, "news")
    await done("push", "--quiet", directly(running_gateway), "HEAD:refs/heads/main", cwd=other)
    trace = tmp_path / "trace"
    await done("fetch", "origin", cwd=folder, GIT_TRACE_CURL=str(trace), GIT_TRACE_CURL_NO_DATA="1")
    assert made == await done("rev-parse", "origin/main", cwd=folder)
    assert "content-encoding: gzip" in trace.read_text().lower()


async def test_push_goes_below_miyabi(running_gateway: Running, tmp_path: Path) -> None:
    """A new branch below `miyabi/` is pushed without a credential of the agent's own, and again once it has moved."""
    folder = await clone(running_gateway, tmp_path / "clone")
    first = await commit(folder, "one")
    await done("push", "origin", f"HEAD:{BRANCH}", cwd=folder)
    await commit(folder, "two")
    await done("push", "origin", f"HEAD:{BRANCH}", cwd=folder)
    assert first in await done("log", "--format=%H", "FETCH_HEAD", cwd=await fetched(running_gateway, tmp_path, BRANCH))


async def fetched(gateway: Running, tmp_path: Path, ref: str) -> Path:
    """Fetch a ref from GitHub itself into an empty repository."""
    folder = tmp_path / f"fetched-{secrets.token_hex(4)}"
    await done("init", "--quiet", str(folder))
    await done("fetch", "--quiet", directly(gateway), ref, cwd=folder)
    return folder


async def test_own_branch_may_be_rewritten(running_gateway: Running, tmp_path: Path) -> None:
    """A branch that this system pushed is its own to rewrite, through any replica."""
    folder = await clone(running_gateway, tmp_path / "clone")
    await commit(folder, "one")
    await done("push", "origin", f"HEAD:{BRANCH}", cwd=folder)
    await done("reset", "--quiet", "--hard", "HEAD~1", cwd=folder)
    made = await commit(folder, "another")
    await done("push", "--force", "origin", f"HEAD:{BRANCH}", cwd=folder)
    assert made == await done("rev-parse", "FETCH_HEAD", cwd=await fetched(running_gateway, tmp_path, BRANCH))


async def test_branch_that_someone_moved_is_not_rewritten(running_gateway: Running, tmp_path: Path) -> None:
    """Where a person has pushed to the branch, a forced update is refused, even one that names the person's commit."""
    folder = await clone(running_gateway, tmp_path / "clone")
    await commit(folder, "ours")
    await done("push", "origin", f"HEAD:{BRANCH}", cwd=folder)
    theirs = await commit(folder, "theirs")
    await done("push", directly(running_gateway), f"HEAD:{BRANCH}", cwd=folder)
    await done("reset", "--quiet", "--hard", "HEAD~1", cwd=folder)
    await commit(folder, "ours again")
    said = await failed("push", "--force", "origin", f"HEAD:{BRANCH}", cwd=folder)
    assert "[remote rejected]" in said
    assert "did not come through this gateway" in said
    assert theirs == await done("rev-parse", "FETCH_HEAD", cwd=await fetched(running_gateway, tmp_path, BRANCH))


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/tags/v1", "refs/heads/miyabi-not"])
async def test_push_elsewhere_is_refused_in_words(running_gateway: Running, tmp_path: Path, ref: str) -> None:
    """A push outside `miyabi/**` fails with a reason that git shows, and GitHub never sees it."""
    folder = await clone(running_gateway, tmp_path / "clone")
    await commit(folder, "x")
    said = await failed("push", "origin", f"HEAD:{ref}", cwd=folder)
    assert "(agents push below refs/heads/miyabi/ only)" in said
    assert f"remote: miyabi: {ref}: agents push below" in said
    assert seen(running_gateway, "git.receive_pack") == 0


async def test_one_bad_ref_refuses_the_whole_push(running_gateway: Running, tmp_path: Path) -> None:
    """A good ref does not carry a bad one along, and is not pushed without it either."""
    folder = await clone(running_gateway, tmp_path / "clone")
    await commit(folder, "x")
    said = await failed("push", "origin", f"HEAD:{BRANCH}", "HEAD:refs/heads/main", cwd=folder)
    assert "refused together with another ref" in said
    assert seen(running_gateway, "git.receive_pack") == 0


async def test_delete_is_refused(running_gateway: Running, tmp_path: Path) -> None:
    """Not even a branch of its own is deleted by an agent."""
    folder = await clone(running_gateway, tmp_path / "clone")
    await commit(folder, "x")
    await done("push", "origin", f"HEAD:{BRANCH}", cwd=folder)
    assert "(agents delete no branch)" in await failed("push", "origin", f":{BRANCH}", cwd=folder)


async def test_large_push_streams_through(running_gateway: Running, tmp_path: Path) -> None:
    """A push beyond git's own buffer comes in chunks after an empty probe, and arrives whole; a refused one says why."""
    folder = await clone(running_gateway, tmp_path / "clone")
    made = await commit(folder, secrets.token_hex(2_000_000))
    said = await failed("push", "origin", "HEAD:refs/heads/main", cwd=folder)
    assert "(agents push below refs/heads/miyabi/ only)" in said
    await done("push", "origin", f"HEAD:{BRANCH}", cwd=folder)
    assert made == await done("rev-parse", "FETCH_HEAD", cwd=await fetched(running_gateway, tmp_path, BRANCH))


async def test_push_that_github_refuses_is_shown(running_gateway: Running, tmp_path: Path) -> None:
    """GitHub's refusal of a push is a line for the ref, not a bare HTTP status."""
    folder = await clone(running_gateway, tmp_path / "clone")
    await commit(folder, "x")
    running_gateway.github.dials.faults.append(Fault(status=403, operation="git.receive_pack"))
    said = await failed("push", "origin", f"HEAD:{BRANCH}", cwd=folder)
    assert "[remote rejected]" in said
    assert "GitHub refuses" in said


async def test_compressed_push_is_read(running_gateway: Running) -> None:
    """A push whose body is gzip is checked like any other."""
    line = b"0" * 40 + b" " + b"a" * 40 + b" refs/heads/main\0report-status"
    body = gzip.compress(b"%04x" % (len(line) + 4) + line + b"0000PACK")
    headers = {"content-encoding": "gzip", "content-type": "application/x-git-receive-pack-request"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url(running_gateway)}/git-receive-pack", data=body, headers=headers) as answer,
    ):
        said = await answer.text()
    assert (answer.status, "ng refs/heads/main agents push below" in said) == (200, True)


@pytest.mark.parametrize(("encoding", "body"), [("gzip", b"no gzip"), ("br", b"x"), ("gzip", b"")])
async def test_broken_body_is_refused(running_gateway: Running, encoding: str, body: bytes) -> None:
    """A body that is not what its headers say is answered 400 and goes nowhere."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{url(running_gateway)}/git-receive-pack",
            data=body,
            headers={"content-encoding": encoding, "content-type": "application/x-git-receive-pack-request"},
        ) as answer,
    ):
        await answer.read()
    assert answer.status == 400
    assert seen(running_gateway, "git.receive_pack") == 0


async def test_repository_that_is_not_there_is_said(running_gateway: Running, tmp_path: Path) -> None:
    """A clone of what GitHub does not show fails in words that say what may be missing."""
    said = await failed("clone", url(running_gateway, "acme/nothing"), str(tmp_path / "clone"))
    assert "remote: miyabi: there is no repository acme/nothing" in said


async def test_github_that_is_away_is_said(running_gateway: Running, tmp_path: Path) -> None:
    """A clone while GitHub fails ends with a status that callers may repeat."""
    running_gateway.github.dials.faults.append(Fault(status=503, operation="git.upload_pack"))
    said = await failed("clone", url(running_gateway), str(tmp_path / "clone"))
    assert "remote: miyabi: GitHub is not available" in said
    assert "The requested URL returned error: 502" in said


async def test_dumb_protocol_and_other_paths_are_not_served(running_gateway: Running) -> None:
    """Nothing but the four requests of the smart protocol exists."""
    async with aiohttp.ClientSession() as session:
        for path in ("info/refs", "HEAD", "objects/info/packs", "info/refs?service=git-upload-archive"):
            async with session.get(f"{url(running_gateway)}/{path}") as answer:
                assert answer.status in {403, 404}, path
    assert running_gateway.reads() == []

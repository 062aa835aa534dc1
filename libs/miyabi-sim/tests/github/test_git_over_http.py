"""The stock git against the simulated GitHub."""

from __future__ import annotations

import asyncio
import gzip
import random
from pathlib import Path

import aiohttp
import pytest

from miyabi_sim.github import SimulatedGitHub


async def test_a_clone_holds_the_seeded_files(clone: Path) -> None:
    """The files of the seed's folder are in the first commit."""
    assert (clone / "src" / "shelf.py").read_text() == "SHELVES = 5\n"


async def test_the_first_commit_is_the_same_everywhere(tmp_path: Path, seed: Path, clone: Path, git) -> None:
    """Two seedings of the same files give the same commit id."""
    other = SimulatedGitHub(tmp_path / "other")
    other.load_seed(seed)
    theirs = await git(tmp_path, f"--git-dir={tmp_path / 'other/git/acme/shop.git'}", "rev-parse", "main")
    assert theirs == await git(clone, "rev-parse", "HEAD")


async def test_a_push_arrives_in_the_bare_repository(tmp_path: Path, push_branch, git) -> None:
    """A pushed branch can be read from the data directory."""
    sha = await push_branch("miyabi/1-shelf", "filled")
    bare = tmp_path / "data" / "git" / "acme" / "shop.git"
    assert (await git(bare, "rev-parse", "refs/heads/miyabi/1-shelf")).strip() == sha


async def test_a_large_push_travels_in_chunks(github: SimulatedGitHub, clone: Path, tmp_path: Path, git) -> None:
    """A pack larger than git's post buffer is streamed to the backend and comes back in a clone."""
    blob = random.Random(7).randbytes(3_000_000)
    (clone / "blob.bin").write_bytes(blob)
    await git(clone, "add", "--all")
    await git(clone, "commit", "--quiet", "-m", "blob")
    await git(clone, "-c", "http.postBuffer=65536", "push", "--quiet", "origin", "main")
    await git(tmp_path, "clone", "--quiet", f"{github.url}/acme/shop.git", "again")
    assert (tmp_path / "again" / "blob.bin").read_bytes() == blob


@pytest.mark.parametrize("version", ["0", "2"])
async def test_a_fetch_with_many_haves_is_gzipped_and_understood(
    github: SimulatedGitHub, clone: Path, tmp_path: Path, git, version: str
) -> None:
    """A client with hundreds of commits of its own sends a gzipped request, and gets the missing commit."""
    other = tmp_path / "other"
    await git(tmp_path, "clone", "--quiet", f"{github.url}/acme/shop.git", "other")
    (other / "new.txt").write_text("new")
    await git(other, "add", "--all")
    await git(other, "commit", "--quiet", "-m", "new")
    await git(other, "push", "--quiet", "origin", "main")
    lines = []
    for number in range(600):
        lines += [
            "commit refs/heads/mine",
            f"committer Tess <tess@shop.invalid> {1_800_000_000 + number} +0000",
            "data 1",
            "m",
            *(["from refs/heads/main^0"] if number == 0 else []),
        ]
    stream = tmp_path / "stream"
    stream.write_text("\n".join(lines) + "\n")
    await git(clone, "-c", "alias.load=!git fast-import --quiet < " + str(stream), "load")
    trace = await git(
        clone,
        "-c",
        f"protocol.version={version}",
        "fetch",
        "origin",
        env={"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1"},
    )
    assert "Content-Encoding: gzip" in trace
    assert (await git(clone, "rev-parse", "origin/main")) == (await git(other, "rev-parse", "HEAD"))


async def test_a_gzipped_advertisement_request_by_hand_is_refused_as_garbage(http: aiohttp.ClientSession) -> None:
    """A request that is no git at all does not hang the server; the backend refuses it."""
    headers = {"Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip"}
    async with http.post("/acme/shop.git/git-upload-pack", data=gzip.compress(b"nonsense"), headers=headers) as answer:
        body = await answer.read()
    assert b"PACK" not in body


async def test_a_client_that_breaks_off_its_push_leaves_the_server_well(
    github: SimulatedGitHub, http: aiohttp.ClientSession
) -> None:
    """Half a push changes nothing, and the next request is answered."""
    host, port = "127.0.0.1", github.port
    _, writer = await asyncio.open_connection(host, port)
    head = (
        "POST /acme/shop.git/git-receive-pack HTTP/1.1\r\nHost: x\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 5000\r\n\r\n0094"
    )
    writer.write(head.encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with http.get("/repos/acme/shop/branches/main") as answer:
        assert answer.status == 200


async def test_a_push_moves_the_open_pull_request_along(http: aiohttp.ClientSession, push_branch) -> None:
    """The pull request's head is the pushed commit as soon as git says that the push is done."""
    await push_branch("miyabi/2-more", "one")
    request = {"title": "More", "head": "miyabi/2-more", "base": "main"}
    async with http.post("/repos/acme/shop/pulls", json=request) as answer:
        number = (await answer.json())["number"]
    sha = await push_branch("miyabi/2-more", "two")
    async with http.get(f"/repos/acme/shop/pulls/{number}") as answer:
        assert (await answer.json())["head"]["sha"] == sha


async def test_an_unknown_repository_is_not_found(http: aiohttp.ClientSession) -> None:
    """Git hears 404 for a repository that is not there, and for the dumb protocol."""
    for path in ("/acme/none.git/info/refs?service=git-upload-pack", "/acme/shop.git/info/refs"):
        async with http.get(path) as answer:
            assert answer.status == 404


async def test_git_needs_the_token_too(tmp_path: Path, seed: Path, git) -> None:
    """With a token demanded a clone works with it as a basic password, and fails without."""
    simulated = SimulatedGitHub(tmp_path / "data", token="sim-token")
    simulated.load_seed(seed)
    async with simulated:
        with pytest.raises(AssertionError, match="could not read Username"):
            await git(tmp_path, "clone", f"{simulated.url}/acme/shop.git", "refused")
        address = f"http://x-access-token:sim-token@127.0.0.1:{simulated.port}/acme/shop.git"
        await git(tmp_path, "clone", "--quiet", address, "taken")
    assert (tmp_path / "taken" / "README.md").exists()

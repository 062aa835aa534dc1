"""Many clients at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp

from miyabi_sim.github import SimulatedGitHub


async def test_pushes_and_pull_requests_at_once_keep_their_commits(
    github: SimulatedGitHub, http: aiohttp.ClientSession, tmp_path: Path, git: Callable
) -> None:
    """Eight clones push a branch each and open a pull request each: numbers differ and every head is the one pushed."""

    async def work(number: int) -> tuple[int, bool]:
        clone, branch = tmp_path / f"clone{number}", f"miyabi/{number}-x"
        await git(tmp_path, "clone", "--quiet", f"{github.url}/acme/shop.git", clone.name)
        await git(clone, "checkout", "--quiet", "-b", branch)
        await git(clone, "commit", "--quiet", "--allow-empty", "-m", branch)
        await git(clone, "push", "--quiet", "origin", branch)
        request = {"title": branch, "head": branch, "base": "main"}
        async with http.post("/repos/acme/shop/pulls", json=request) as answer:
            pull = await answer.json()
        head = (await git(clone, "rev-parse", "HEAD")).strip()
        return pull["number"], pull["head"]["sha"] == head

    made = await asyncio.gather(*(work(number) for number in range(8)))
    assert sorted(number for number, _ in made) == list(range(6, 14))
    assert all(same for _, same in made)


async def test_one_of_many_equal_pull_requests_is_opened(http: aiohttp.ClientSession, push_branch: Callable) -> None:
    """Ten requests for the same head at the same time make one pull request and nine refusals."""
    await push_branch("miyabi/1-same", "same")
    request = {"title": "Same", "head": "miyabi/1-same", "base": "main"}

    async def create() -> int:
        async with http.post("/repos/acme/shop/pulls", json=request) as answer:
            return answer.status

    assert sorted(await asyncio.gather(*(create() for _ in range(10)))) == [201] + [422] * 9

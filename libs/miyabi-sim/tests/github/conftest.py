"""A seeded simulated GitHub with clients for HTTP, GraphQL and git."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from graphql import GraphQLSchema, parse, validate

from miyabi_sim.github import SimulatedGitHub
from miyabi_sim.github.graph.published_schema import load

#: Where the script that fetches GitHub's published schema puts it.
PUBLISHED = Path(__file__).parents[4] / "build" / "github" / "schema.graphql"

SEED = {
    "repositories": [
        {
            "owner": "acme",
            "name": "shop",
            "default_branch": "main",
            "private": False,
            "source": "shop",
            "labels": ["bug", {"name": "help wanted", "color": "008672", "description": "Take it"}],
        }
    ],
    "issues": [
        {
            "repository": "acme/shop",
            "number": number,
            "title": f"Shelf {number} is empty",
            "body": f"Nothing on shelf {number}.",
            "labels": ["bug"] if number % 2 else [],
            "author": "ann",
            "created_at": f"2026-01-0{number}T08:00:00Z",
            "state": "closed" if number == 5 else "open",
            "assignees": ["bo"] if number == 2 else [],
            "milestone": "Opening day" if number == 1 else None,
            "sub_issues": [2, 3] if number == 1 else [],
            "blocked_by": [1] if number == 4 else [],
            "comments": [
                {"author": "bo", "body": f"Seen {k} times.", "created_at": "2026-01-09T08:00:00Z"}
                for k in range(number)
            ],
        }
        for number in range(1, 6)
    ],
}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """A seed file beside the files of its repository."""
    source = tmp_path / "shop"
    (source / "src").mkdir(parents=True)
    (source / "README.md").write_text("A shop.\n")
    (source / "src" / "shelf.py").write_text("SHELVES = 5\n")
    path = tmp_path / "seed.json"
    path.write_text(json.dumps(SEED))
    return path


@pytest.fixture
async def github(tmp_path: Path, seed: Path, clock: Clock) -> AsyncIterator[SimulatedGitHub]:
    """A seeded server on a free port, under the clock that stands still."""
    simulated = SimulatedGitHub(tmp_path / "data", clock=clock)
    simulated.load_seed(seed)
    async with simulated:
        yield simulated


@pytest.fixture
async def http(github: SimulatedGitHub) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose addresses are paths of the server."""
    async with aiohttp.ClientSession(github.url) as session:
        yield session


@pytest.fixture(scope="session")
def published() -> GraphQLSchema:
    """GitHub's published schema, which `make setup-dev` fetches."""
    return load(Path(os.environ.get("MIYABI_GITHUB_SCHEMA", PUBLISHED)))


@pytest.fixture
def ask(http: aiohttp.ClientSession, published: GraphQLSchema) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Send a query that GitHub's own schema accepts too, and return the answer."""

    async def send(query: str, **variables: object) -> dict[str, Any]:
        assert validate(published, parse(query)) == []
        async with http.post("/graphql", json={"query": query, "variables": variables}) as answer:
            assert answer.status == 200
            body: dict[str, Any] = await answer.json()
            return body

    return send


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., Awaitable[str]]:
    """Run the stock git in a folder and return what it printed; it fails the test where git fails."""

    async def run(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
        identity = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", "Tess"), ("EMAIL", "tess@shop.invalid"))
        }
        fixed = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_TERMINAL_PROMPT": "0"}
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=folder,
            env=fixed | identity | (env or {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, complaint = await process.communicate()
        assert process.returncode == 0, complaint.decode()
        return output.decode() + complaint.decode()

    return run


@pytest.fixture
async def clone(tmp_path: Path, github: SimulatedGitHub, git: Callable[..., Awaitable[str]]) -> Path:
    """A clone of the seeded repository."""
    await git(tmp_path, "clone", "--quiet", f"{github.url}/acme/shop.git", "clone")
    return tmp_path / "clone"


@pytest.fixture
def push_branch(clone: Path, git: Callable[..., Awaitable[str]]) -> Callable[[str, str], Awaitable[str]]:
    """Commit a file on a branch of the clone, push it, and return the commit."""

    async def push(branch: str, text: str) -> str:
        await git(clone, "checkout", "--quiet", "-B", branch)
        (clone / "work.txt").write_text(text)
        await git(clone, "add", "--all")
        await git(clone, "commit", "--quiet", "-m", text)
        await git(clone, "push", "--quiet", "origin", branch)
        return (await git(clone, "rev-parse", "HEAD")).strip()

    return push

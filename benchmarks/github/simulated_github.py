"""A simulated GitHub in a process of its own, so that its work is not counted as ours."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

#: Seconds that the simulator has to seed its repositories and to listen.
START_SECONDS = 120


@dataclass(frozen=True)
class GitHubProcess:
    """A simulated GitHub that listens."""

    url: str
    token: str
    pid: int

    async def turn(self, **dials: Any) -> None:
        """Turn dials."""
        async with httpx.AsyncClient() as http:
            (await http.put(f"{self.url}/_sim/dials", json=dials)).raise_for_status()

    async def requests(self) -> list[dict[str, Any]]:
        """Return the records of the requests that were answered."""
        async with httpx.AsyncClient(timeout=60) as http:
            found: list[dict[str, Any]] = (await http.get(f"{self.url}/_sim/requests")).json()
            return found


@asynccontextmanager
async def github_process(folder: Path, seed: Path, *, token: str) -> AsyncIterator[GitHubProcess]:
    """Run a simulated GitHub for the length of the block.

    Args:
        folder: Keeps its data.
        seed: Its repositories and issues.
        token: The credential that it takes.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "miyabi_sim.github", "--data", str(folder), "--seed", str(seed),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "MIYABI_SIM_GITHUB_TOKEN": token},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            ready = json.loads(await process.stdout.readline())
        yield GitHubProcess(ready["url"], token, process.pid)
    finally:
        process.terminate()
        await process.wait()


def write_seed(root: Path, *, repository: str, issues: int, comments: int = 0) -> Path:
    """Write a seed with one repository; returns its file.

    Args:
        root: Folder for the seed and its sources.
        repository: `owner/name`.
        issues: How many.
        comments: Of each issue.
    """
    owner, _, name = repository.partition("/")
    (root / "source").mkdir()
    (root / "source/README.md").write_text("bench\n")
    header = {"owner": owner, "name": name, "default_branch": "main", "private": False, "source": "source"}
    entries = [
        {
            "repository": repository,
            "number": number,
            "title": f"Issue {number}",
            "body": f"Text of issue {number}. " * 20,
            "labels": [],
            "author": "a",
            "comments": [{"author": "b", "body": "A comment. " * 20} for _ in range(comments)],
        }
        for number in range(1, issues + 1)
    ]
    path = root / "seed.json"
    path.write_text(json.dumps({"repositories": [{**header, "labels": []}], "issues": entries}))
    return path

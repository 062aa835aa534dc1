"""The locator's worker: it reads each commit once, keeps what it read for others, and gets over what breaks."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from miyabi_agents.localisation import Locator


@pytest.fixture(scope="module")
def locator():
    """Give a locator with its worker."""
    made = Locator()
    yield made
    made.close()


def commit(folder: Path) -> str:
    """Commit everything in a folder; returns the commit."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def files_of(root: Path, opened: list[int]):
    """Return what opens the files of a commit and counts that."""

    @asynccontextmanager
    async def files():
        opened.append(1)
        yield SimpleNamespace(mirror=root / ".git")

    return files


async def test_a_commit_is_indexed_once(locator, tmp_path) -> None:
    """The second question about a commit is answered from memory; another commit is read. Links are not followed."""
    (tmp_path / "a.py").write_text("def alpha(): pass\n")
    (tmp_path / "outside.py").symlink_to("/etc/hostname")
    first = commit(tmp_path)
    opened: list[int] = []
    for _ in range(2):
        found = await locator.rank(("a/b", first), "`alpha` fails", files=files_of(tmp_path, opened))
        assert [candidate.path for candidate in found] == ["a.py"]
    assert len(opened) == 1
    (tmp_path / "b.py").write_text("x = 1\n")
    await locator.rank(("a/b", commit(tmp_path)), "`alpha` fails", files=files_of(tmp_path, opened))
    assert len(opened) == 2


async def test_the_event_loop_goes_on_while_a_repository_is_indexed(locator, tmp_path) -> None:
    """While the worker parses hundreds of files, the loop does other things; parsing on the loop would leave it none."""
    body = "\n".join(f"def function_{number}(value):\n    return value + {number}\n" for number in range(200))
    for number in range(200):
        (tmp_path / f"module_{number}.py").write_text(body)
    (tmp_path / "none").mkdir()
    empty, large = commit(tmp_path / "none"), commit(tmp_path)
    await locator.rank(("a/b", empty), "x", files=files_of(tmp_path / "none", []))
    ended = asyncio.Event()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while not ended.is_set():
            await asyncio.sleep(0.005)
            ticks += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tick())
        assert await locator.rank(("a/b", large), "function_7 fails", files=files_of(tmp_path, []))
        ended.set()
    assert ticks > 10


async def test_a_worker_that_dies_is_replaced(locator, tmp_path) -> None:
    """The process may be killed; the next question is answered all the same."""
    (tmp_path / "a.py").write_text("def alpha(): pass\n")
    sha = commit(tmp_path)
    await locator.rank(("a/b", sha), "`alpha`", files=files_of(tmp_path, []))
    for process in list(locator._pool._processes.values()):
        process.kill()
        process.join()
    found = await locator.rank(("a/b", sha), "`alpha`", files=files_of(tmp_path, []))
    assert [candidate.path for candidate in found] == ["a.py"]

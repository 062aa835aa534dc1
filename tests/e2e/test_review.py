"""The review of a pull request of a fork, through every process: its own change, one review, a verdict in words."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from running_system import System
from toy_repository import REPOSITORY

from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import FailureReason, Pipeline, RunState
from miyabi_core.ids import new_ulid

OWNER, NAME = REPOSITORY.split("/")
WHO = ("-c", "user.name=f", "-c", "user.email=f@fork.invalid")


class Contributor:
    """Somebody with a fork, who works on the simulated GitHub as others do."""

    def __init__(self, system: System, folder: Path, owner: str) -> None:
        self._system, self._folder, self._owner = system, folder, owner
        self._url = f"http://127.0.0.1:{system.stack.options.ports.github}"

    async def open(self, edit: Callable[[Path], object]) -> int:
        """Fork, commit an edit there, and open its pull request; returns the number."""
        fork = f"/_sim/repos/{REPOSITORY}/forks"
        await self._post(fork, {"owner": self._owner})
        await asyncio.to_thread(self.commit, self._owner, "topic", edit)
        body = {"title": "Better", "head": f"{self._owner}:topic", "base": "main"}
        return int((await self._post(f"/repos/{REPOSITORY}/pulls", body))["number"])

    def commit(self, owner: str, branch: str, edit: Callable[[Path], object]) -> None:
        """Commit an edit of `main` to a branch of a repository, where the simulated GitHub keeps it."""
        bare = next(self._system.stack.options.data_dir.rglob(f"git/{owner}/{NAME}.git"))
        tree = self._folder / f"{owner}-{branch}"
        self._git(self._folder, "clone", "-q", "-b", "main", str(bare), str(tree))
        edit(tree)
        self._git(tree, "add", "-A")
        self._git(tree, "commit", "-q", "-m", "edit")
        self._git(tree, "push", "-q", "origin", f"HEAD:refs/heads/{branch}")

    def _git(self, folder: Path, *arguments: str) -> None:
        subprocess.run(["git", *WHO, *arguments], cwd=folder, check=True, capture_output=True)

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self._system.stack.upstreams.github_token}"}
        async with httpx.AsyncClient(base_url=self._url, headers=headers, timeout=30) as http:
            answer = await http.post(path, json=body)
            answer.raise_for_status()
            return answer.json()


async def review(system: System, number: int) -> list[BatchEvent]:
    """Review a pull request to the batch's end."""
    request = pb.SubmitBatchRequest(
        repository=REPOSITORY, issue_numbers=[number], request_id=new_ulid(), pipeline=Pipeline.PIPELINE_REVIEW
    )
    return [event async for event in system.client.submit(request)]


async def reviews(system: System, number: int) -> list[dict[str, Any]]:
    """Return the reviews of a pull request."""
    repositories = (await system.github_state())["repositories"]
    items = next(one["items"] for one in repositories if one["full_name"] == REPOSITORY)
    return [entry for item in items if item["number"] == number for entry in item["reviews"]]


def mixed(path: Path) -> None:
    """Edit, delete, rename, change a mode, add a link and what is binary."""
    (path / "items/one.py").write_text('"""One."""\n\nimport os\n\n\ndef one():\n    """Return 1."""\n    return 1\n')
    (path / "items/item_0001.py").unlink()
    (path / "items/item_0002.py").rename(path / "items/second.py")
    (path / "tests/test_existing.py").chmod(0o755)
    (path / "logo.png").write_bytes(b"\x89PNG\0\0")
    (path / "latest").symlink_to("items/one.py")


async def test_a_fork_s_pull_request_is_reviewed_by_its_own_change(system: System, tmp_path: Path) -> None:
    """After base moved on: only the head's own files, what was left out with its reason, and one review for two runs."""
    contributor = Contributor(system, tmp_path, "frances")
    number = await contributor.open(mixed)
    moved = "def f(text):\n    return eval(text)\n"
    await asyncio.to_thread(contributor.commit, OWNER, "main", lambda path: (path / "moved.py").write_text(moved))
    for _ in range(2):
        finished = (await review(system, number))[-1].batch_finished
        assert [result.state for result in finished.results] == [RunState.RUN_STATE_SUCCEEDED], finished.results
        assert finished.results[0].review_score == 80
    (posted,) = await reviews(system, number)
    said = posted["body"]
    assert (posted["state"], [(one["path"], one["line"]) for one in posted["comments"]]) == (
        "COMMENTED", [("items/one.py", 3)]
    )  # fmt: skip
    for words in (
        "80 of 100", "6 files of", "F401", "items/item\\_0001.py: deleted", "logo.png: binary", ": a symbolic link, which is not followed",
        "items/second.py, tests/test\\_existing.py: changed in name or mode only",
    ):  # fmt: skip
        assert words in said, said
    assert "moved.py" not in said


#: What two contributors do.
EDITS: dict[str, Callable[[Path], object]] = {
    "gregor": lambda path: (path / "items/one.py").unlink(),
    "hilda": lambda path: (path / "Main.java").write_text("class Main {}\n"),
}


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("gregor", RunState.RUN_STATE_SUCCEEDED, "not analysed"),
        ("hilda", RunState.RUN_STATE_FAILED, "Have a person review these files"),
    ],
    ids=["only deletes", "a language that nobody reads"],
)
async def test_a_change_that_was_not_read_has_no_score(
    system: System, tmp_path: Path, name: str, state: Any, words: str
) -> None:
    """It is told so on the pull request; where code was not read, the run fails with cause and remedy."""
    number = await Contributor(system, tmp_path, name).open(EDITS[name])
    (result,) = (await review(system, number))[-1].batch_finished.results
    assert (result.state, result.review_score) == (state, -1)
    assert words in next(one["body"] for one in await reviews(system, number))
    if state == RunState.RUN_STATE_FAILED:
        assert result.failure_reason == FailureReason.FAILURE_REASON_REVIEW_INCOMPLETE
        assert words in result.failure_message
        assert "Main.java" in result.failure_message

"""Git while the proxy is away."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from miyabi_agents.errors import WorkspaceError
from miyabi_agents.workspace.git import git_network
from miyabi_core.free_ports import free_port
from miyabi_sim.github import SimulatedGitHub


@pytest.fixture
def remote(tmp_path: Path) -> SimulatedGitHub:
    """Return a server with `acme/toy` that does not listen yet."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/readme.txt").write_text("toy\n")
    seed = tmp_path / "seed.json"
    repository = {"owner": "acme", "name": "toy", "default_branch": "main", "private": False, "source": "toy"}
    seed.write_text(json.dumps({"repositories": [repository], "issues": []}))
    found = SimulatedGitHub(tmp_path / "data", port=free_port())
    found.load_seed(seed)
    return found


async def test_a_command_is_run_again_until_the_proxy_is_back(remote: SimulatedGitHub) -> None:
    """Nobody listens at first; the server is started in the pause, and the same command succeeds."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await remote.start()

    try:
        refs = await git_network("ls-remote", f"http://127.0.0.1:{remote.port}/acme/toy.git", pause=pause)
    finally:
        await remote.stop()
    assert refs.decode().split()[1::2] == ["HEAD", "refs/heads/main"]
    assert pauses == [0.5]


async def test_a_proxy_that_stays_away_is_told(remote: SimulatedGitHub) -> None:
    """When the time is over the failure says so, and that a repeat may mend it."""
    url = f"http://127.0.0.1:{remote.port}/acme/toy.git"
    with pytest.raises(WorkspaceError) as caught:
        await git_network("ls-remote", url, away=timedelta(0))
    assert (caught.value.code, caught.value.retryable) == ("REMOTE_UNAVAILABLE", True)

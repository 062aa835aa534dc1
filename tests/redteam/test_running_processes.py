"""Looks at an agent's processes while it works on a hostile repository: each is git, our own, or inside the sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

#: What an agent's process starts from outside the sandbox, by the program's name.
GIT = {"git", "git-remote-http", "git-remote-https", "git-upload-pack", "git-index-pack", "git-remote-file"}
#: What begins a command line of ours: the sandbox's launcher before it becomes the command, Python's
#: own workers, and the agent itself, whose children are it until they become a program.
OURS = (
    "redteam/agent_process.py",
    "miyabi_agents/sandbox/start.py",
    "miyabi_agents/sandbox/launch/",
    "from multiprocessing",
)
#: Nobody left alone may live longer than this after the agent ended.
_SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class Seen:
    """One process at one moment."""

    pid: int
    line: tuple[str, ...]
    status: Mapping[str, str]

    @property
    def confined(self) -> bool:
        """Whether it is inside: filtered, without new privileges, and in a PID namespace or as a user of its own."""
        apart = len(self.status["NSpid"].split()) > 1 or self.status["Uid"].split()[0] != str(os.getuid())
        return self.status["Seccomp"] == "2" and self.status["NoNewPrivs"] == "1" and apart

    @property
    def ours(self) -> bool:
        """Whether it is git of ours or a process of our own code."""
        name = Path(self.line[0]).name if self.line else ""
        # So git asks a repository in a folder, as that of this test is; over HTTP it starts no shell.
        if name == "sh" and len(self.line) > 2:
            return self.line[1] == "-c" and self.line[2].startswith("git-upload-pack '/")
        return name in GIT or any(word in text for text in self.line for word in OURS)


def look(pid: int) -> Seen | None:
    """Return a process; None where it is gone or has only to be collected."""
    folder = Path("/proc", str(pid))
    try:
        line = tuple((folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1])
        status = dict(row.split(":\t", 1) for row in (folder / "status").read_text().splitlines() if ":\t" in row)
    except OSError:
        return None
    return None if status.get("State", "Z").startswith("Z") else Seen(pid, line, status)


class Watch:
    """Follows what descends from a process, however soon its parents end.

    Args:
        root: The process.
        folder: Where it works: orphans are told by it.
    """

    def __init__(self, root: int, folder: str) -> None:
        self.seen: dict[tuple[int, tuple[str, ...]], Seen] = {}
        self._folder = folder
        self._tree = {root}
        self._others = _pids() - {root}

    def look(self) -> None:
        """Look once: at the processes that are new, and at what those of the tree have become."""
        fresh = _pids() - self._others
        while found := {pid for pid in fresh - self._tree if self._belongs(pid)}:
            self._tree |= found
        self._others |= fresh - self._tree
        for pid in fresh & self._tree:
            one = look(pid)
            # Without a command line a process is about to be gone.
            if one is not None and one.line:
                self.seen.setdefault((pid, one.line), one)

    def _belongs(self, pid: int) -> bool:
        """Tell whether a process descends from ours."""
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            return parent in self._tree or (
                parent == 1 and str(Path(f"/proc/{pid}/cwd").readlink()).startswith(self._folder)
            )
        except OSError:
            return False


def _pids() -> set[int]:
    """Return the processes that there are."""
    return {int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()}


@pytest.mark.timeout(150)
async def test_nothing_of_a_repository_runs_outside(tmp_path: Path) -> None:
    """Verifying and reviewing: tests, analysers and what they start are confined, and nothing outlives the agent."""
    key = "sk-ant-0123456789abcdef"
    with tempfile.TemporaryDirectory(prefix="miyabi-redteam-") as folder:
        paths = os.pathsep.join(str(Path(__file__).parents[depth]) for depth in (0, 2))
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("agent_process.py")), folder,
            env={**os.environ, "ANTHROPIC_API_KEY": key, "PYTHONPATH": paths}, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        ended = asyncio.ensure_future(process.communicate())
        watch = Watch(process.pid, folder)
        while not ended.done():
            await asyncio.to_thread(watch.look)
            await asyncio.wait([ended], timeout=0.02)
        output, errors = ended.result()
    assert process.returncode == 0, errors.decode()[-3000:]
    seen = [one for one in watch.seen.values() if one.pid != process.pid]
    assert not [
        (one.line, one.status["Seccomp"], one.status["NSpid"]) for one in seen if not (one.ours or one.confined)
    ]
    assert {"own code", "confined"} <= {"confined" if one.confined else "own code" for one in seen}
    assert not Path("/tmp/miyabi-pwned").exists()
    assert key not in output.decode() + errors.decode()
    said = json.loads(output.splitlines()[-1])
    assert "test_nothing_is_found" in said["verified"]
    assert "TEST_VERDICT_FAILED" not in said["verified"], said["verified"]
    assert {"ruff", "mypy", "bandit", "detect-secrets"} <= set(said["reviewed"])
    await gone(seen)


async def gone(seen: Iterable[Seen]) -> None:
    """Wait until nobody of those who were seen is left."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while left := [one for one in seen if (now := look(one.pid)) is not None and now.line == one.line]:
        assert loop.time() - began < _SECONDS_TO_END, left
        await asyncio.sleep(0.05)

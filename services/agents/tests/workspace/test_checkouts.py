"""Checkouts are kept and moved by what differs; no run sees what another left, whatever that was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from miyabi_agents.workspace import GitWorkspaces
from miyabi_agents.workspace.checkouts import CHECKOUTS

WHO = ("-c", "user.name=t", "-c", "user.email=t@example.com")


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    done = subprocess.run(["git", *WHO, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Make a repository of two commits."""
    folder = tmp_path / "remote/acme/toy.git"
    (folder / "src/deep").mkdir(parents=True)
    (folder / "src/a.py").write_text("a = 1\n")
    (folder / "src/deep/b.py").write_text("b = 1\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("src/a.py")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("../../x")
    (folder / ".gitignore").write_text("ignored\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    (folder / "src/a.py").write_text("a = 2\n")
    (folder / "src/deep/b.py").unlink()
    (folder / "c.py").write_text("c = 1\n")
    (folder / "run.sh").chmod(0o644)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "two")
    return folder


def state(root: Path) -> dict[str, object]:
    """Return everything that a run could see of a checkout."""
    found: dict[str, object] = {}
    for folder, names, files in os.walk(root):
        for name in [*names, *files]:
            path = Path(folder) / name
            status = path.lstat()
            content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            when = 0 if path.is_dir() else status.st_mtime_ns
            found[str(path.relative_to(root))] = (oct(status.st_mode), content, when)
    return found


def deep(root: Path) -> None:
    """Make two thousand folders in one another."""
    handle = os.open(root, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=handle)
        below = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)


def edit_behind(root: Path) -> None:
    """Change a file and give it its old size and times back."""
    path = root / "src/a.py"
    status = path.stat()
    path.write_text("a = 9\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


#: What a run may leave behind, by name.
LEFT: dict[str, Callable[[Path], object]] = {
    "a file": lambda root: (root / "src/new.py").write_text("x"),
    "an ignored file": lambda root: (root / "ignored").write_text("x"),
    "a changed file": lambda root: (root / "src/a.py").write_text("evil"),
    "a changed file with its old times": edit_behind,
    "a removed file": lambda root: (root / "src/deep/b.py").unlink(),
    "a mode": lambda root: (root / "src/a.py").chmod(0o777),
    "a locked folder": lambda root: (root / "src/deep").chmod(0),
    "a time": lambda root: os.utime(root / "src/a.py", (1, 1)),
    "a link in a file's place": lambda root: (
        (root / "src/a.py").unlink(),
        (root / "src/a.py").symlink_to("/etc/passwd"),
    ),
    "a folder in a file's place": lambda root: ((root / "run.sh").unlink(), (root / "run.sh").mkdir()),
    "a link in a folder's place": lambda root: (
        (root / "src/deep/b.py").unlink(),
        (root / "src/deep").rmdir(),
        (root / "src/deep").symlink_to("/etc"),
    ),
    "a git directory": lambda root: (root / ".git/hooks").mkdir(parents=True),
    "a pipe": lambda root: os.mkfifo(root / "pipe"),
    "deep folders": deep,
    "a hard link": lambda root: os.link(root / "src/a.py", root / "src/twin.py"),
    "another link": lambda root: ((root / "link").unlink(), (root / "link").symlink_to("run.sh")),
}


@pytest.mark.parametrize("left", LEFT)
async def test_no_run_sees_what_another_left(tmp_path: Path, remote: Path, left: str) -> None:
    """The checkout that the next run gets is what a first one gets, entry by entry, with modes and times."""
    workspaces = GitWorkspaces(f"file://{tmp_path / 'remote'}", tmp_path / "data")
    first = git(remote, "rev-parse", "HEAD~1")
    async with workspaces.open(repository="acme/toy", sha=first, label="x") as tree:
        fresh = state(tree.path)
        LEFT[left](tree.path)
    async with workspaces.open(repository="acme/toy", sha=first, label="x") as again:
        assert again.path == tree.path
        assert fresh == state(again.path)


async def test_a_checkout_is_moved_by_what_differs(tmp_path: Path, remote: Path) -> None:
    """There and back again it holds exactly the commit; only the first is laid whole."""
    workspaces = GitWorkspaces(f"file://{tmp_path / 'remote'}", tmp_path / "data")
    shas = [git(remote, "rev-parse", name) for name in ("HEAD~1", "HEAD")]
    whole, moved = (CHECKOUTS.labels(how)._value.get() for how in ("whole", "moved"))
    seen = []
    for sha in (*shas, *shas):
        async with workspaces.open(repository="acme/toy", sha=sha, label="x") as tree:
            seen.append(state(tree.path))
    assert [set(found) - {"src"} for found in seen[:2]] == [
        {"src/a.py", "src/deep", "src/deep/b.py", "run.sh", "link", ".gitignore"},
        {"src/a.py", "c.py", "run.sh", "link", ".gitignore"},
    ]
    assert (
        [(len(found), found["src/a.py"][1], found["run.sh"][0]) for found in seen[:2]]
        == [  # type: ignore[index]
            (len(found), found["src/a.py"][1], found["run.sh"][0])
            for found in seen[2:]  # type: ignore[index]
        ]
    )
    assert (CHECKOUTS.labels("whole")._value.get() - whole, CHECKOUTS.labels("moved")._value.get() - moved) == (1, 3)


async def test_runs_at_once_have_checkouts_of_their_own(tmp_path: Path, remote: Path) -> None:
    """A checkout is lent to one at a time."""
    workspaces = GitWorkspaces(f"file://{tmp_path / 'remote'}", tmp_path / "data")
    sha = git(remote, "rev-parse", "HEAD")
    async with (
        workspaces.open(repository="acme/toy", sha=sha, label="x") as one,
        workspaces.open(repository="acme/toy", sha=sha, label="x") as two,
    ):
        assert one.path != two.path


async def test_a_block_that_ends_badly_gives_its_checkout_up(tmp_path: Path, remote: Path) -> None:
    """What is half done is not kept."""
    workspaces = GitWorkspaces(f"file://{tmp_path / 'remote'}", tmp_path / "data")
    sha = git(remote, "rev-parse", "HEAD")
    with pytest.raises(RuntimeError):
        async with workspaces.open(repository="acme/toy", sha=sha, label="x") as tree:
            raise RuntimeError
    assert not tree.path.exists()

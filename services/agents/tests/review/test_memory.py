"""A large change and a large repository take no more memory than one file does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Files of the change, their size, and that of one more which the change does not touch.
FILES, FILE_BYTES, UNTOUCHED_BYTES = 16, 2 << 20, 48 << 20
#: Most that comparing and laying out may take: some ten times a file's size; both trees have 160 MiB.
MOST_BYTES = 24 << 20

#: Compares and lays out in a process of its own, and prints by how much its memory grew at most.
CHILD = """
import asyncio, resource, sys
from pathlib import Path
from miyabi_agents.analysers.changed.exhibits import lay_out
from miyabi_agents.workspace import GitWorkspaces
from miyabi_agents.workspace.pulls.refs import PullRequestRefs

async def main(folder, head):
    workspaces = GitWorkspaces(f"file://{folder}/remote", Path(folder) / "data")
    async with workspaces.compare(PullRequestRefs("acme/toy", 7, head, "main")) as found:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        laid = lay_out(found.files, found.base, Path(folder) / "exhibits")
    print(len(laid.subject.files), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(folder: Path, name: str, size: int, line: str) -> None:
    """Write a file of so many bytes, made of lines of 1,000."""
    with (folder / name).open("w") as file:
        for number in range(size // 1000):
            file.write(f"{number:09} {line}".ljust(999) + "\n")


@pytest.mark.slow("git writes, packs and reads 160 MiB")
def test_one_file_at_a_time_is_held(tmp_path: Path) -> None:
    """Both versions of 16 files of 2 MiB are compared and laid out, beside one of 48 MiB that is not touched."""
    remote = tmp_path / "remote/acme/toy.git"
    remote.mkdir(parents=True)
    git(remote, "init", "-q", "-b", "main")
    # Packing is none of what is measured: big files are sent as they are.
    for key, value in (("core.bigFileThreshold", "1m"), ("core.compression", "0"), ("pack.window", "0")):
        git(remote, "config", key, value)
    write(remote, "untouched.txt", UNTOUCHED_BYTES, "same")
    for number in range(FILES):
        write(remote, f"n{number}.txt", FILE_BYTES, f"before {number}")
    git(remote, "add", ".")
    git(remote, "commit", "-q", "-m", "base")
    git(remote, "checkout", "-q", "-b", "change")
    for number in range(FILES):
        write(remote, f"n{number}.txt", FILE_BYTES, f"after {number}")
    git(remote, "commit", "-q", "-a", "-m", "change")
    arguments = [sys.executable, "-c", CHILD, str(tmp_path), git(remote, "rev-parse", "HEAD")]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    laid, grown = map(int, done.stdout.split())
    assert laid == FILES
    assert grown < MOST_BYTES

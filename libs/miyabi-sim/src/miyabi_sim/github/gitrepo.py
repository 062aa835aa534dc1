"""The bare git repositories behind the simulated GitHub, made and read by the real git."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

#: Who makes the first commit, and when: fixed, so that the same files give the same commit id.
SEED_IDENTITY = {
    "GIT_AUTHOR_NAME": "Simulated GitHub",
    "GIT_AUTHOR_EMAIL": "seed@simulated.invalid",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00 +0000",
    "GIT_COMMITTER_NAME": "Simulated GitHub",
    "GIT_COMMITTER_EMAIL": "seed@simulated.invalid",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00 +0000",
}

#: What a bare repository is set to: pushes come in over HTTP, partial clones and any object by id go out.
BARE_SETTINGS = {
    "http.receivepack": "true",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "receive.advertisePushOptions": "true",
    "receive.hideRefs": "refs/pull",
    "core.logAllRefUpdates": "true",
    "gc.auto": "0",
}


class GitFailedError(Exception):
    """Git ended with an error; the message is what it said."""


def git_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which no setting of the user or the machine reaches git."""
    base = {key: os.environ[key] for key in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if key in os.environ}
    fixed = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "HOME": os.devnull,
        "LC_ALL": "C",
    }
    return base | fixed | dict(extra or {})


def run_git(git_dir: Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Run git to its end, blocking, and return its output without the last newline.

    Raises:
        GitFailedError: if git ends with an error.
    """
    done = subprocess.run(
        ["git", f"--git-dir={git_dir}", *arguments],
        env=git_environment(env),
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise GitFailedError(done.stderr.decode(errors="replace").strip())
    return done.stdout.decode(errors="replace").rstrip("\n")


async def read_git(git_dir: Path, *arguments: str) -> str:
    """Run git without blocking and return its output without the last newline.

    Raises:
        GitFailedError: if git ends with an error.
    """
    process = await asyncio.create_subprocess_exec(
        "git",
        f"--git-dir={git_dir}",
        *arguments,
        env=git_environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise GitFailedError(complaint.decode(errors="replace").strip())
    return output.decode(errors="replace").rstrip("\n")


def create_bare(target: Path, *, branch: str, source: Path | None) -> None:
    """Make a bare repository whose first commit holds the files of `source`; without one it stays empty.

    It is built beside its place and renamed into it, so a crash leaves nothing half made.

    Raises:
        GitFailedError: if git refuses, for example because `branch` is no branch name.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=target.parent, prefix=".making-"))
    try:
        run_git(building, "init", "--quiet", "--bare", f"--initial-branch={branch}", str(building))
        for key, value in BARE_SETTINGS.items():
            run_git(building, "config", key, value)
        if source is not None:
            _commit_tree(building, source, branch=branch)
        building.rename(target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _commit_tree(git_dir: Path, source: Path, *, branch: str) -> None:
    with tempfile.TemporaryDirectory(dir=git_dir) as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        run_git(git_dir, f"--work-tree={source}", "add", "--all", "--", str(source), env=index)
        tree = run_git(git_dir, "write-tree", env=index)
    commit = run_git(git_dir, "commit-tree", tree, "-m", "First commit", env=SEED_IDENTITY)
    run_git(git_dir, "update-ref", f"refs/heads/{branch}", commit)


async def heads(git_dir: Path) -> dict[str, str]:
    """Return every branch with its commit."""
    lines = await read_git(git_dir, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/")
    pairs = (line.split(" ", 1) for line in lines.split("\n") if line)
    return {ref.removeprefix("refs/heads/"): sha for sha, ref in pairs}


#: A whole object name.
_SHA = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
#: Pairs of commits that are remembered; more than a demonstration has.
MAX_COUNTED = 10_000
_COUNTED: dict[tuple[Path, str, str], int] = {}


async def resolve_ref(git_dir: Path, ref: str) -> str | None:
    """Return the object that a full ref name (`refs/...`) names, or None where there is no such ref."""
    loose = _loose(git_dir, ref)
    if loose:
        return loose
    try:
        lines = await read_git(git_dir, "for-each-ref", "--format=%(objectname) %(refname)", ref)
    except GitFailedError:
        return None
    # The pattern also matches what lies below it: `refs/heads/a` finds `refs/heads/a/b`.
    return next((sha for sha, _, name in (line.partition(" ") for line in lines.split("\n")) if name == ref), None)


def _loose(git_dir: Path, ref: str) -> str:
    """Return what a ref's own file names; empty where git has packed the ref, or there is none."""
    path = git_dir / ref
    if not path.resolve().is_relative_to((git_dir / "refs").resolve()) or not path.is_file():
        return ""
    text = path.read_text().strip()
    return text if _SHA.fullmatch(text) else ""


async def commits_between(git_dir: Path, base: str, head: str) -> int:
    """Return how many commits `head` has that `base` has not; between two commits that never changes.

    Raises:
        GitFailedError: if one of the two is no commit.
    """
    key = (git_dir, base, head)
    if key not in _COUNTED:
        if len(_COUNTED) >= MAX_COUNTED:
            _COUNTED.clear()
        _COUNTED[key] = int(await read_git(git_dir, "rev-list", "--count", f"{base}..{head}", "--"))
    return _COUNTED[key]


async def has_common_history(git_dir: Path, one: str, other: str) -> bool:
    """Return whether two commits have an ancestor in common."""
    try:
        return bool(await read_git(git_dir, "merge-base", one, other))
    except GitFailedError:
        return False


async def contains(git_dir: Path, branch_head: str, commit: str) -> bool:
    """Return whether a commit is the head of a branch, or lies behind it."""
    try:
        await read_git(git_dir, "merge-base", "--is-ancestor", commit, branch_head)
    except GitFailedError:
        return False
    return True


async def bring(git_dir: Path, commit: str, *, source: Path) -> None:
    """Bring a commit with its history from another repository; from the same one nothing has to come.

    Raises:
        GitFailedError: if *source* has no such commit.
    """
    if source != git_dir:
        await read_git(git_dir, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(source), commit)


async def keep_pull(git_dir: Path, number: int, commit: str, *, source: Path) -> None:
    """Let `refs/pull/N/head` name a commit, which is brought from the repository of the head.

    Raises:
        GitFailedError: if *source* has no such commit.
    """
    await bring(git_dir, commit, source=source)
    await read_git(git_dir, "update-ref", f"refs/pull/{number}/head", commit)

"""Stock git as agents run it, without any configuration of the machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path


async def git(*arguments: str, cwd: Path | None = None, **variables: str) -> tuple[int, str]:
    """Run stock git to its end; returns its exit code and what it printed."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
        **variables,
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        "git", *arguments, cwd=cwd, env=environment, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace").strip()


async def done(*arguments: str, cwd: Path | None = None, **variables: str) -> str:
    """Run stock git, which must succeed; returns what it printed."""
    code, said = await git(*arguments, cwd=cwd, **variables)
    assert code == 0, said
    return said


async def failed(*arguments: str, cwd: Path | None = None, **variables: str) -> str:
    """Run stock git, which must fail; returns what a person reads."""
    code, said = await git(*arguments, cwd=cwd, **variables)
    assert code != 0, said
    return said


async def commit(folder: Path, text: str, *, name: str = "new.txt") -> str:
    """Commit a file and return the commit."""
    (folder / name).write_text(text)
    await done("add", "--all", cwd=folder)
    await done("commit", "--quiet", "-m", "change", cwd=folder)
    return await done("rev-parse", "HEAD", cwd=folder)

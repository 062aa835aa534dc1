"""Runs git with nothing of the machine's, the user's or a repository's configuration, and never leaves it behind."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from miyabi_github_gateway.adapters.git.bodies import CHUNK

#: Switches off every way in which configuration could run something, and keeps git small, since many run at once.
_SAFE = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.attributesFile=/dev/null",
    "-c", "credential.helper=", "-c", "protocol.allow=never", "-c", "protocol.http.allow=always",
    "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "transfer.fsckObjects=false",
    "-c", "fetch.unpackLimit=1", "-c", "pack.threads=1", "-c", "pack.windowMemory=64m",
    "-c", "uploadpack.allowFilter=true", "-c", "uploadpack.allowAnySHA1InWant=true",
    "-c", "http.followRedirects=false", "-c", "safe.bareRepository=all",
)  # fmt: skip
#: What is kept of a git's complaints.
_COMPLAINT_BYTES = 4096


class GitFailedError(Exception):
    """Git ended with an error; the message is what it said."""


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment that git gets: no credential, no home, no prompt."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        **(more or {}),
    }


@asynccontextmanager
async def started(
    *arguments: str, variables: Mapping[str, str] | None = None, largest_file: int = 0
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run git with pipes for the length of the block; at its end git and all that it has started are gone.

    Args:
        arguments: Of git; never a secret, since everyone on the machine sees them.
        variables: Added to its environment.
        largest_file: Bytes that a file of its making may have; 0: no limit (Linux only).
    """
    # With SIGXFSZ ignored, as Python has it, git says that a file is too large rather than dying of it.
    process = await asyncio.create_subprocess_exec(
        "git", *_SAFE, *arguments, env=environment(variables), limit=CHUNK, start_new_session=True,
        restore_signals=not largest_file,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        if largest_file and sys.platform == "linux":
            with suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest_file, largest_file))
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of a git's session, take what its pipes hold, and reap it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdin is not None
    process.stdin.close()
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        while await pipe.read(CHUNK):
            pass
    await process.wait()


async def complaint(process: asyncio.subprocess.Process) -> str:
    """Read what git complains of, to its end; only the beginning is kept."""
    assert process.stderr is not None
    kept = b""
    while chunk := await process.stderr.read(CHUNK):
        kept += chunk[: _COMPLAINT_BYTES - len(kept)]
    return kept.decode("utf-8", "replace").strip()


async def output_of(
    *arguments: str,
    git_dir: Path,
    variables: Mapping[str, str] | None = None,
    largest_file: int = 0,
    feed: bytes = b"",
) -> str:
    """Run git on a repository to its end, fed with some bytes, and return its output without the last newline.

    Raises:
        GitFailedError: git ended with an error.
    """
    own = {"GIT_DIR": str(git_dir), **(variables or {})}
    async with started(*arguments, variables=own, largest_file=largest_file) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(feed)
        process.stdin.close()
        async with asyncio.TaskGroup() as tasks:
            complaining = tasks.create_task(complaint(process))
            output = await process.stdout.read()
        code = await process.wait()
    if code:
        raise GitFailedError(complaining.result() or f"git ended with {code}")
    return output.decode("utf-8", "replace").rstrip("\n")

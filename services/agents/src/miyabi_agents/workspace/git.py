"""Runs git so that nothing of the machine's or a repository's configuration takes effect."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from miyabi_agents.errors import WorkspaceError
from miyabi_core.text import ending

#: A clone of a large repository through the proxy.
NETWORK_TIMEOUT = timedelta(minutes=10)
#: Everything that stays on this machine.
LOCAL_TIMEOUT = timedelta(minutes=2)

#: How long the proxy may be away before a command fails: a pod's start, with room for one that has to be scheduled.
AWAY = timedelta(seconds=60)
#: Pause before a command is run again; it doubles to the limit below.
FIRST_PAUSE = timedelta(milliseconds=500)
#: Longest pause: a proxy that is back is found within this time.
LONGEST_PAUSE = timedelta(seconds=4)

#: Waits for so many seconds.
Pause = Callable[[float], Awaitable[None]]

#: Switches off every way in which a repository's content could run something; names are shown as they are.
SAFE = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.attributesFile=/dev/null",
    "-c", "core.symlinks=false", "-c", "protocol.ext.allow=never", "-c", "protocol.file.allow=user",
    "-c", "submodule.recurse=false", "-c", "core.autocrlf=false", "-c", "gc.auto=0", "-c", "diff.external=",
    "-c", "credential.helper=", "-c", "commit.gpgSign=false", "-c", "advice.detachedHead=false",
    "-c", "core.quotePath=false",
)  # fmt: skip
#: What git says when the other side cannot be reached.
_UNAVAILABLE = (
    "Could not resolve host",
    "Failed to connect",
    "The requested URL returned error: 5",
    "early EOF",
    "reset by peer",
    "timed out",
)


def environment(**more: str) -> dict[str, str]:
    """Return the whole environment that git gets."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ASKPASS": "/bin/false",
        **more,
    }


async def git(
    *arguments: str,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: timedelta = LOCAL_TIMEOUT,
    file_bytes: int = 0,
) -> bytes:
    """Run git and return its output; it is ended with the task.

    *file_bytes* is the largest file that it may write, as a pack; 0 sets no limit.

    Raises:
        WorkspaceError: git failed; REMOTE_UNAVAILABLE where the other side was out of reach, DISK_FULL, or GIT_FAILED.
    """
    process = await asyncio.create_subprocess_exec(
        "git",
        *SAFE,
        *arguments,
        cwd=cwd,
        env=environment(**(variables or {})),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    if file_bytes:
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            output, errors = await process.communicate(stdin)
    except TimeoutError as error:
        raise WorkspaceError(f"git {arguments[0]} took longer than {timeout}", code="REMOTE_UNAVAILABLE") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise _failure(arguments, errors.decode(errors="replace").strip())
    return output


async def git_beginning(*arguments: str, most: int, variables: Mapping[str, str]) -> bytes:
    """Run git and return the first bytes of its output; it is ended where it says more, which is never held.

    Raises:
        WorkspaceError: it took longer than is allowed on this machine (`GIT_FAILED`).
    """
    process = await asyncio.create_subprocess_exec(
        "git",
        *SAFE,
        *arguments,
        env=environment(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    found = bytearray()
    try:
        async with asyncio.timeout(LOCAL_TIMEOUT.total_seconds()):
            while len(found) < most and (piece := await process.stdout.read(most - len(found))):
                found += piece
    except TimeoutError as error:
        raise WorkspaceError(f"git {arguments[0]} took longer than {LOCAL_TIMEOUT}", code="GIT_FAILED") from error
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return bytes(found)


async def git_network(
    *arguments: str,
    cwd: Path | None = None,
    variables: Mapping[str, str] | None = None,
    file_bytes: int = 0,
    away: timedelta = AWAY,
    pause: Pause = asyncio.sleep,
) -> bytes:
    """Run a command of git that talks to the proxy; while the proxy is away it is run again.

    A gateway's only pod that is replaced is away for some seconds: no reason for a task to fail. Each such command says
    the same when it is repeated, a push too.

    Args:
        arguments: As for `git`.
        cwd: As for `git`.
        variables: As for `git`.
        file_bytes: As for `git`.
        away: For how long; 60 s by default.
        pause: Waits for so many seconds.

    Raises:
        WorkspaceError: as `git`; REMOTE_UNAVAILABLE where the proxy stayed away.
    """
    seconds, end = FIRST_PAUSE.total_seconds(), asyncio.get_running_loop().time() + away.total_seconds()
    while True:
        try:
            return await git(*arguments, cwd=cwd, variables=variables, timeout=NETWORK_TIMEOUT, file_bytes=file_bytes)
        except WorkspaceError as error:
            if error.code != "REMOTE_UNAVAILABLE" or asyncio.get_running_loop().time() > end:
                raise
        await pause(seconds)
        seconds = min(2 * seconds, LONGEST_PAUSE.total_seconds())


def _failure(arguments: tuple[str, ...], text: str) -> WorkspaceError:
    """Say what went wrong."""
    code = "GIT_FAILED"
    if "No space left" in text:
        code = "DISK_FULL"
    elif any(words in text for words in _UNAVAILABLE):
        code = "REMOTE_UNAVAILABLE"
    return WorkspaceError(f"git {arguments[0]} failed: {ending(text, 500)}", code=code)

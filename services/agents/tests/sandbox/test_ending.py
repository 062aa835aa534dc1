"""Whatever happens, nothing of a command survives it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from miyabi_agents.sandbox.zygote import ZYGOTE

#: Starts a daemon that leaves session, parent and output, and holds a pipe open as long as it lives.
DAEMON = """
import os, time
told, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1); os.close(2)
        open('alive', 'wb', buffering=0).write(b'+')
        held = os.open('alive', os.O_WRONLY)
        os.write(held, b'+')
        os.write(tell, b'+')
        time.sleep(60)
    os._exit(0)
os.wait()
os.read(told, 1)
{then}
"""


class Alive:
    """A pipe in the file system that a process holds open."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def began(self) -> None:
        """Wait until the process holds it."""
        async with asyncio.timeout(20):
            await self._reader.readexactly(2)

    async def ended(self) -> None:
        """Wait until nobody does."""
        async with asyncio.timeout(20):
            assert not await self._reader.read()


@asynccontextmanager
async def alive_pipe(folder: Path) -> AsyncIterator[Alive]:
    """Make the pipe; our own end for writing is closed once the process has the other."""
    pipe = folder / "alive"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    held = os.open(pipe, os.O_WRONLY)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
    )
    try:
        alive = Alive(reader)
        began = alive.began

        async def begin() -> None:
            await began()
            os.close(held)

        alive.began = begin  # type: ignore[method-assign]
        yield alive
    finally:
        transport.close()


@pytest.mark.parametrize("then", ["pass", "os.abort()", "time.sleep(60)"])
async def test_daemon_does_not_outlive_it(any_box: Any, then: str) -> None:
    """A process that left session and parent is ended before the result is given, however the command ended."""
    async with alive_pipe(any_box.tree) as alive:
        task = asyncio.create_task(any_box.python(DAEMON.format(then=then), wall=timedelta(seconds=3)))
        await alive.began()
        await task
        await alive.ended()


async def test_cancelled_task_leaves_nothing(any_box: Any) -> None:
    """When the task is cancelled the command dies with it, and a daemon of its too."""
    async with alive_pipe(any_box.tree) as alive:
        task = asyncio.create_task(any_box.python(DAEMON.format(then="time.sleep(60)")))
        await alive.began()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await alive.ended()


#: An agent in miniature: runs a command in the sandbox.
_AGENT = """
import asyncio, pathlib, sys
from miyabi_agents.ports import SandboxJob
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.sandbox.probe import layers_of
folder, code, mode = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
readable = [pathlib.Path(sys.prefix), pathlib.Path(sys.base_prefix)]
job = SandboxJob([sys.executable, '-c', code], folder, writable=[folder], readable=readable)
asyncio.run(ProcessSandbox(layers=layers_of(mode)).run(job))
"""


async def test_daemon_does_not_outlive_a_killed_agent(any_box: Any) -> None:
    """When the process that has asked for the command is killed, what the command started ends too."""
    async with alive_pipe(any_box.tree) as alive:
        agent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _AGENT, str(any_box.tree), DAEMON.format(then="time.sleep(60)"), any_box.mode
        )
        await alive.began()
        agent.kill()
        await agent.wait()
        await alive.ended()


async def test_daemon_does_not_outlive_a_killed_keeper(any_box: Any) -> None:
    """When what watches the command is killed from outside, the command ends, and so does its daemon."""
    async with alive_pipe(any_box.tree) as alive:
        task = asyncio.create_task(any_box.python(DAEMON.format(then="time.sleep(60)")))
        await alive.began()
        for keeper in _children(ZYGOTE.pid):
            os.kill(keeper, signal.SIGKILL)
        await alive.ended()
        result = await task
    assert result.exit_code == -9


async def test_after_its_parent_was_killed_commands_run_again(any_box: Any) -> None:
    """The process that forks keepers is started anew."""
    assert (await any_box.python("print(1)")).output == "1\n"
    assert ZYGOTE.pid is not None
    os.kill(ZYGOTE.pid, signal.SIGKILL)
    assert (await any_box.python("print(2)")).output == "2\n"


def _children(parent: int | None) -> list[int]:
    """Return the children of a process (proc(5), stat)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


async def test_the_keeper_cannot_be_harmed_and_nothing_stays(any_box: Any) -> None:
    """A command that goes for the limits and the life of what watches it gains nothing: its stray ends with it."""
    code = """
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
for pid in {1, os.getppid()} - {0}:
    libc.prlimit(pid, 7, (ctypes.c_long * 2)(0, 0), None)
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
        try: os.kill(pid, number)
        except OSError: pass
""" + DAEMON.format(then="pass")
    async with alive_pipe(any_box.tree) as alive:
        task = asyncio.create_task(any_box.python(code, wall=timedelta(seconds=10)))
        await alive.began()
        result = await task
        await alive.ended()
    assert (result.exit_code, result.timed_out) == (0, False)


async def test_words_of_the_launcher_are_words(any_box: Any) -> None:
    """A command that prints what a launcher might say, and ends as one might, has run all the same."""
    result = await any_box.python("print('miyabi-launcher: no'); raise SystemExit(125)")
    assert (result.exit_code, result.output) == (125, "miyabi-launcher: no\n")


async def test_exit_codes_are_told(any_box: Any) -> None:
    """Codes and signals come through as they were."""
    assert (await any_box.python("raise SystemExit(3)")).exit_code == 3
    assert (await any_box.python("import os; os.kill(os.getpid(), 11)")).exit_code == -11

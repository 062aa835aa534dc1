"""What code in the sandbox tries, and does not get."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from miyabi_agents.ports import SandboxJob, SandboxLimits, SandboxResult
from miyabi_agents.sandbox import ProcessSandbox

PREFIXES = [Path(sys.prefix), Path(sys.base_prefix)]


async def run(code: str, cwd: Path, **limits: object) -> SandboxResult:
    """Run Python code in the sandbox, in a folder that it may write to."""
    chosen = SandboxLimits(**{"wall": timedelta(seconds=20), **limits})  # type: ignore[arg-type]
    command = [sys.executable, "-c", code]
    return await ProcessSandbox().run(SandboxJob(command, cwd, writable=[cwd], readable=PREFIXES, limits=chosen))


async def test_ordinary_work_is_possible(tmp_path: Path) -> None:
    """Code runs, reads and writes its own folder, starts processes and uses an event loop."""
    code = """
import asyncio, pathlib, subprocess, sys, tempfile, threading
pathlib.Path("x").write_text("1")
with tempfile.TemporaryDirectory() as d: pathlib.Path(d, "y").write_text("2")
async def main(): await asyncio.sleep(0)
asyncio.run(main())
t = threading.Thread(target=print, args=("thread",)); t.start(); t.join()
print(subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True).stdout)
"""
    result = await run(code, tmp_path)
    assert result.exit_code == 0, result.output
    assert {"thread", "child"} <= set(result.output.split())
    assert (tmp_path / "x").read_text() == "1"
    assert {"landlock", "seccomp", "rlimits", "no_new_privs"} <= set(result.layers)


@pytest.mark.parametrize(
    "attempt",
    [
        "open('{secret}').read()",
        "open('{outside}/new', 'w')",
        "open('/proc/{pid}/environ', 'rb').read()",
        "__import__('os').listdir('/root')",
        "__import__('os').symlink('{secret}', 'link') or open('link').read()",
        "__import__('socket').socket()",
        "__import__('socket').socket(__import__('socket').AF_INET6)",
        "__import__('socket').socket(__import__('socket').AF_INET, __import__('socket').SOCK_DGRAM)",
        "__import__('socket').socket(__import__('socket').AF_NETLINK, 3, 0)",
        "__import__('os').kill({pid}, 15)",
        "__import__('os').unshare(0x10000000) if hasattr(__import__('os'), 'unshare') else 1 / 0",
        "__import__('ctypes').CDLL(None).ptrace(16, {pid}, 0, 0) == 0 or 1 / 0",
        "__import__('ctypes').CDLL(None).shmget(1, 4096, 0o1600) > 0 or 1 / 0",
    ],
)
async def test_attempt_fails(tmp_path: Path, attempt: str) -> None:
    """Files, processes and networks outside are out of reach."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    secret = outside / "secret"
    secret.write_text(secrets.token_hex(8))
    code = attempt.format(secret=secret, outside=outside, pid=os.getpid())
    result = await run(code, inside)
    assert result.exit_code != 0, result.output
    assert secret.read_text() not in result.output
    assert [secret] == list(outside.iterdir())


async def test_environment_holds_nothing_of_ours(tmp_path: Path) -> None:
    """The command sees only what it was given."""
    result = await run("import os; print(sorted(os.environ))", tmp_path)
    names = set(eval(result.output))
    assert names <= {"HOME", "LANG", "PATH", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "LC_CTYPE"}


async def test_wall_time_ends_it(tmp_path: Path) -> None:
    """A command that sleeps on is ended, and the result says so."""
    result = await run("import time; print('before', flush=True); time.sleep(60)", tmp_path, wall=timedelta(seconds=1))
    assert (result.timed_out, result.output) == (True, "before\n")


async def test_output_is_cut(tmp_path: Path) -> None:
    """A flood is read and thrown away beyond the limit."""
    result = await run("print('x' * 3_000_000)", tmp_path, output_bytes=1000)
    assert (result.output_cut, len(result.output)) == (True, 1000)


async def test_memory_is_limited(tmp_path: Path) -> None:
    """A hog fails by itself."""
    result = await run("x = bytearray(2_000_000_000)", tmp_path, memory_bytes=500 << 20)
    assert "MemoryError" in result.output


async def test_file_size_is_limited(tmp_path: Path) -> None:
    """A file cannot grow beyond its limit."""
    result = await run("open('big', 'wb').write(b'x' * 5_000_000)", tmp_path, file_bytes=1 << 20)
    assert result.exit_code != 0
    assert (tmp_path / "big").stat().st_size <= 1 << 20


async def test_fork_bomb_is_ended(tmp_path: Path) -> None:
    """Too many processes are killed together."""
    code = "import os, time\nfor _ in range(200):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)"
    result = await run(code, tmp_path, processes=50)
    assert not result.timed_out
    assert result.exit_code != 0


#: Starts a daemon that leaves session, parent and output, says its id on a pipe, and goes on as told.
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1); os.close(2)
        open('pid', 'w').write(str(os.getpid()))
        time.sleep(60)
    os._exit(0)
os.wait()
{then}
"""


@contextmanager
def pid_pipe(folder: Path) -> Iterator[Path]:
    """Make a pipe in the file system that a command writes its id to, and hold it open."""
    pipe = folder / "pid"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR)
    try:
        yield pipe
    finally:
        os.close(held)


async def watched(pipe: Path) -> asyncio.Event:
    """Return what is set when the process whose id comes through a pipe has ended."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    with pipe.open("rb", buffering=0) as said:
        pid = int(await asyncio.to_thread(said.read, 20))
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        ended.set()
        return ended

    def told() -> None:
        loop.remove_reader(watch)
        os.close(watch)
        ended.set()

    loop.add_reader(watch, told)
    return ended


@pytest.mark.parametrize("then", ["pass", "os.abort()", "time.sleep(60)"])
async def test_daemon_does_not_outlive_it(tmp_path: Path, then: str) -> None:
    """A process that left session and parent is ended before the result is given, however the command ended."""
    with pid_pipe(tmp_path) as pipe:
        task = asyncio.create_task(run(DAEMON.format(then=then), tmp_path, wall=timedelta(seconds=2)))
        ended = await watched(pipe)
        await task
        async with asyncio.timeout(20):
            await ended.wait()


async def test_daemon_does_not_outlive_a_killed_agent(tmp_path: Path) -> None:
    """When the process that has asked for the command is killed, what the command started ends too."""
    with pid_pipe(tmp_path) as pipe:
        agent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _AGENT, str(tmp_path), DAEMON.format(then="time.sleep(60)")
        )
        ended = await watched(pipe)
        agent.kill()
        await agent.wait()
        async with asyncio.timeout(20):
            await ended.wait()


#: An agent in miniature: runs a command in the sandbox.
_AGENT = """
import asyncio, pathlib, sys
from miyabi_agents.ports import SandboxJob
from miyabi_agents.sandbox import ProcessSandbox
folder, code = pathlib.Path(sys.argv[1]), sys.argv[2]
readable = [pathlib.Path(sys.prefix), pathlib.Path(sys.base_prefix)]
asyncio.run(ProcessSandbox().run(SandboxJob([sys.executable, '-c', code], folder, writable=[folder], readable=readable)))
"""


async def test_cancelled_task_leaves_nothing(tmp_path: Path) -> None:
    """When the task is cancelled the command dies with it, and a daemon of its too."""
    with pid_pipe(tmp_path) as pipe:
        task = asyncio.create_task(run(DAEMON.format(then="time.sleep(60)"), tmp_path))
        ended = await watched(pipe)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            await ended.wait()

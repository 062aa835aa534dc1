"""What code in the sandbox tries, and does not get."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from miyabi_agents.ports import SandboxLimits, SandboxResult
from miyabi_agents.sandbox import ProcessSandbox

PREFIXES = [Path(sys.prefix), Path(sys.base_prefix)]


async def run(code: str, cwd: Path, **limits: object) -> SandboxResult:
    """Run Python code in the sandbox, in a folder that it may write to."""
    chosen = SandboxLimits(**{"wall": timedelta(seconds=20), **limits})  # type: ignore[arg-type]
    command = [sys.executable, "-c", code]
    return await ProcessSandbox().run(command, cwd=cwd, writable=[cwd], readable=PREFIXES, limits=chosen)


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


async def test_daemon_does_not_outlive_it(tmp_path: Path) -> None:
    """A child that stays behind is killed before the result is given."""
    code = "import os, time\nif os.fork() == 0:\n    open('pid', 'w').write(str(os.getpid())); time.sleep(60)\ntime.sleep(0.5)"
    await run(code, tmp_path)
    pid = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


async def test_cancelled_task_leaves_nothing(tmp_path: Path) -> None:
    """When the task is cancelled the command dies with it."""
    code = "import os, time\nopen('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(run(code, tmp_path))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()

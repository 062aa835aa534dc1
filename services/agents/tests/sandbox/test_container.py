"""The sandbox as a process of its own behind a Unix socket: who is served, and what a command leaves behind."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import SandboxJob, SandboxLimits, SandboxResult
from miyabi_agents.sandbox import ContainerSandbox

PREFIXES = [Path(sys.prefix), Path(sys.base_prefix)]
LIMITS = SandboxLimits(wall=timedelta(seconds=20))


@asynccontextmanager
async def serving(folder: Path, *, agent_uid: int) -> AsyncIterator[ContainerSandbox]:
    """Run the sandbox as the container does."""
    workspace = folder / "workspace"
    (workspace / "worktrees/task").mkdir(parents=True)
    socket = workspace / "control/sandbox.sock"
    environment = {
        **os.environ,
        "MIYABI_SANDBOX_SOCKET": str(socket),
        "MIYABI_SANDBOX_AGENT_UID": str(agent_uid),
        "MIYABI_SANDBOX_WORKSPACE": str(workspace),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "miyabi_agents.sandbox", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield ContainerSandbox(socket)
    finally:
        process.terminate()
        await process.wait()


async def run(sandbox: ContainerSandbox, tree: Path, code: str, *more: str) -> SandboxResult:
    """Run Python code in a worktree."""
    command = [sys.executable, "-c", code, *more]
    return await sandbox.run(SandboxJob(command, tree, writable=[tree], readable=PREFIXES, limits=LIMITS))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[ContainerSandbox, Path]]:
    """Give a sandbox that serves this user, and a worktree."""
    async with serving(tmp_path, agent_uid=os.getuid()) as sandbox:
        yield sandbox, tmp_path / "workspace/worktrees/task"


async def test_command_runs_and_its_output_comes_back(served: tuple[ContainerSandbox, Path]) -> None:
    """A command's exit code, output and layers are those of the other side."""
    result = await run(*served, "print('hello'); raise SystemExit(3)")
    assert (result.exit_code, result.output) == (3, "hello\n")
    assert {"landlock", "seccomp"} <= set(result.layers)


async def test_another_user_is_refused(tmp_path: Path) -> None:
    """Whoever has not the agent's uid gets no command run."""
    async with serving(tmp_path, agent_uid=os.getuid() + 1) as sandbox:
        with pytest.raises(SandboxError) as caught:
            await run(sandbox, tmp_path / "workspace/worktrees/task", "print('ran')")
    assert caught.value.code == "REFUSED"


@pytest.mark.parametrize("writable", ["/tmp", "..", "../../control", "relative"])
async def test_what_is_no_worktree_is_refused(served: tuple[ContainerSandbox, Path], writable: str) -> None:
    """Not even the agent can give a command anything but worktrees to write to."""
    sandbox, tree = served
    path = Path(writable) if writable == "relative" else tree / writable
    with pytest.raises(SandboxError) as caught:
        await sandbox.run(SandboxJob(["/bin/true"], tree, writable=[path], limits=LIMITS))
    assert caught.value.code == "REFUSED"


async def test_a_planted_link_does_not_widen_what_may_be_written(served: tuple[ContainerSandbox, Path]) -> None:
    """A worktree's name that is a link to elsewhere is refused."""
    sandbox, tree = served
    link = tree.parent / "link"
    link.symlink_to("/etc")
    with pytest.raises(SandboxError) as caught:
        await sandbox.run(SandboxJob(["/bin/true"], tree, writable=[link], limits=LIMITS))
    assert caught.value.code == "REFUSED"


async def test_shared_memory_is_out_of_reach(served: tuple[ContainerSandbox, Path]) -> None:
    """Containers of a pod share /dev/shm, so a command gets none of it."""
    result = await run(*served, "open('/dev/shm/x', 'w')")
    assert result.exit_code != 0
    assert "PermissionError" in result.output


async def test_a_process_that_left_its_session_ends_with_the_command(served: tuple[ContainerSandbox, Path]) -> None:
    """A daemon of the double fork is killed before the result is given."""
    code = """
import os, sys
read_end, write_end = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1); os.close(2)
        os.write(write_end, str(os.getpid()).encode())
        while True: __import__('time').sleep(60)
    os._exit(0)
os.wait()
print(os.read(read_end, 20).decode())
"""
    result = await run(*served, code)
    assert not Path(f"/proc/{int(result.output)}").exists()


async def test_what_a_command_wrote_is_gone_afterwards(served: tuple[ContainerSandbox, Path]) -> None:
    """Files, links and locked folders of a command are removed by the user that made them."""
    code = """
import os
os.mkdir('made'); open('made/file', 'w').write('x'); os.symlink('/proc/self/environ', 'link')
os.mkdir('made/locked'); open('made/locked/x', 'w').write('x'); os.chmod('made/locked', 0); os.chmod('made', 0)
print('done')
"""
    result = await run(*served, code)
    assert (result.exit_code, result.output) == (0, "done\n")
    assert not list(served[1].iterdir())


async def test_hanging_up_ends_the_command(served: tuple[ContainerSandbox, Path]) -> None:
    """When the task is cancelled, the command dies on the other side."""
    sandbox, tree = served
    fifo = tree / "pid"
    os.mkfifo(fifo)
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(run(sandbox, tree, code))
    pid = int(await asyncio.to_thread(fifo.read_text))
    watch = os.pidfd_open(pid)
    try:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(watch, ended.set)
        async with asyncio.timeout(20):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(watch)
        os.close(watch)


async def test_a_sandbox_that_is_gone_is_worth_a_retry(tmp_path: Path) -> None:
    """A container that is being started again is waited for, and then the task may be tried elsewhere."""
    async with serving(tmp_path, agent_uid=os.getuid()) as sandbox:
        tree = tmp_path / "workspace/worktrees/task"
        os.mkfifo(tree / "began")
        task = asyncio.create_task(run(sandbox, tree, "open('began', 'w').write('x'); __import__('time').sleep(60)"))
        await asyncio.to_thread((tree / "began").read_text)
    with pytest.raises(SandboxError) as caught:
        await task
    assert (caught.value.code, caught.value.retryable) == ("AWAY", True)

"""The sandbox as a process of its own behind a Unix socket: who is served, and what a command leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from miyabi_agents.errors import SandboxError
from miyabi_agents.ports import SandboxJob, SandboxLimits, SandboxResult
from miyabi_agents.sandbox import ContainerSandbox, ProcessSandbox
from miyabi_agents.sandbox.probe import layers_of, probe_layers
from miyabi_agents.sandbox.server import SandboxServer
from miyabi_agents.settings import SandboxSettings

PREFIXES = [Path(sys.prefix), Path(sys.base_prefix)]
LIMITS = SandboxLimits(wall=timedelta(seconds=20))


@asynccontextmanager
async def serving(folder: Path, *, agent_uid: int, mode: str = "") -> AsyncIterator[ContainerSandbox]:
    """Run the sandbox as the container does; *mode* is how commands are kept apart, else the best way is taken."""
    workspace = folder / "workspace"
    for name in ("worktrees/task", "worktrees/other", "environments/e", "caches/c"):
        (workspace / name).mkdir(parents=True)
    settings = SandboxSettings(socket=workspace / "control/sandbox.sock", agent_uid=agent_uid, workspace=workspace)
    sandbox = ProcessSandbox(layers=layers_of(mode)) if mode else None
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(SandboxServer(settings, sandbox).serve(stop))
        yield ContainerSandbox(settings.socket)
        stop.set()


async def run(sandbox: ContainerSandbox, tree: Path, code: str, *more: str, **fields: Any) -> SandboxResult:
    """Run Python code in a worktree."""
    command = [sys.executable, "-c", code, *more]
    job = SandboxJob(command, tree, **{"writable": [tree], "readable": PREFIXES, "limits": LIMITS, **fields})
    return await sandbox.run(job)


@pytest.fixture(params=[probe_layers().mode, "plain"])
async def served(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[ContainerSandbox, Path]]:
    """Give a sandbox that serves this user, with namespaces and without, and a worktree."""
    async with serving(tmp_path, agent_uid=os.getuid(), mode=request.param) as sandbox:
        yield sandbox, tmp_path / "workspace/worktrees/task"


@asynccontextmanager
async def serving_process(folder: Path) -> AsyncIterator[ContainerSandbox]:
    """Run the sandbox as a process of its own, which ends with the block."""
    workspace = folder / "workspace"
    (workspace / "worktrees/task").mkdir(parents=True)
    socket = workspace / "control/sandbox.sock"
    environment = {
        **os.environ,
        "MIYABI_SANDBOX_SOCKET": str(socket),
        "MIYABI_SANDBOX_AGENT_UID": str(os.getuid()),
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


@pytest.mark.parametrize("readable", ["..", "../..", "../../..", "../../control"])
async def test_the_workspace_is_not_read_as_a_whole(served: tuple[ContainerSandbox, Path], readable: str) -> None:
    """Neither other worktrees nor the sandbox's own socket can be made readable."""
    with pytest.raises(SandboxError) as caught:
        await run(*served, "print('ran')", readable=[served[1] / readable])
    assert caught.value.code == "REFUSED"


async def test_other_worktrees_are_out_of_reach(served: tuple[ContainerSandbox, Path]) -> None:
    """A command sees its own worktree only, and the socket of the sandbox it cannot open."""
    code = """
import os, socket
for attempt in (lambda: os.listdir('../other'), lambda: open('../other/x', 'w'),
                lambda: socket.socket(socket.AF_UNIX).connect('../../control/sandbox.sock')):
    try: attempt(); print('GOT')
    except OSError: print('refused')
"""
    assert (await run(*served, code)).output == "refused\n" * 3


async def test_shared_memory_is_its_own_or_none(tmp_path: Path) -> None:
    """Containers of a pod share /dev/shm, so a command gets none of it: one of its own, or none at all."""
    for number, mode in enumerate((probe_layers().mode, "plain")):
        async with serving(tmp_path / str(number), agent_uid=os.getuid(), mode=mode) as sandbox:
            tree = tmp_path / str(number) / "workspace/worktrees/task"
            result = await run(sandbox, tree, "open('/dev/shm/miyabi-x', 'w'); print('written')")
            assert (result.output == "written\n") == (mode != "plain"), result.output
            assert not Path("/dev/shm/miyabi-x").exists()


async def test_a_process_that_left_its_session_ends_with_the_command(served: tuple[ContainerSandbox, Path]) -> None:
    """A daemon of the double fork is killed before the result is given."""
    code = """
import os, time
told, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1); os.close(2)
        held = os.open('alive', os.O_WRONLY)
        os.write(held, b'+'); os.write(tell, b'+')
        while True: time.sleep(60)
    os._exit(0)
os.wait(); os.read(told, 1)
"""
    os.mkfifo(served[1] / "alive")
    reading = os.open(served[1] / "alive", os.O_RDONLY | os.O_NONBLOCK)
    await run(*served, code)
    assert (os.read(reading, 1), os.read(reading, 1)) == (b"+", b"")
    os.close(reading)


async def test_a_report_and_a_limit_come_back(served: tuple[ContainerSandbox, Path]) -> None:
    """Whatever a result holds comes over the socket, bytes too."""
    code = "import os, time; open(os.environ['MIYABI_REPORT'] + '/r', 'wb').write(b'\\x00\\xff'); x = bytearray(b'1' * (300 << 20)); time.sleep(30)"
    result = await run(*served, code, limits=SandboxLimits(memory_bytes=200 << 20))
    assert (dict(result.report), result.report_cut, result.limit_hit) == ({"r": b"\x00\xff"}, False, "memory")


async def test_what_is_to_be_kept_is_kept(served: tuple[ContainerSandbox, Path]) -> None:
    """An environment that was built stays, a worktree is cleaned."""
    sandbox, tree = served
    kept = tree.parent.parent / "environments/e"
    code = "import sys; open('left', 'w'); open(sys.argv[1] + '/built', 'w')"
    await run(sandbox, tree, code, str(kept), writable=[tree, kept], keep=[kept])
    assert (list(tree.iterdir()), [path.name for path in kept.iterdir()]) == ([], ["built"])


@pytest.mark.parametrize("keep", ["/tmp", "..", "../../control"])
async def test_what_is_kept_lies_in_the_workspace(served: tuple[ContainerSandbox, Path], keep: str) -> None:
    """So does what may be written and what is run in."""
    with pytest.raises(SandboxError) as caught:
        await run(*served, "", keep=[served[1] / keep])
    assert caught.value.code == "REFUSED"


async def test_three_thousand_folders_are_no_burden(served: tuple[ContainerSandbox, Path]) -> None:
    """What a command nested is gone, and the next one runs."""
    code = "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    await run(*served, code)
    assert not list(served[1].iterdir())
    assert (await run(*served, "print('next')")).output == "next\n"


@pytest.mark.parametrize("line", [b"[]", b"{}", b"1", b"null", b"[" * 50_000, b'{"limits": {"wall": "x"}}', b"\xff"])
async def test_what_is_no_request_is_said(served: tuple[ContainerSandbox, Path], tmp_path: Path, line: bytes) -> None:
    """Nonsense on the socket gets an answer, and ends nothing."""
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "workspace/control/sandbox.sock"))
    writer.write(line + b"\n")
    assert json.loads(await reader.readline())["error"]["code"] == "BAD_REQUEST"
    writer.close()
    assert (await run(*served, "print('next')")).output == "next\n"


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
    os.mkfifo(tree / "alive")
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader),
        os.fdopen(os.open(tree / "alive", os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0),
    )
    held = os.open(tree / "alive", os.O_WRONLY)
    code = "import os, time; pipe = os.open('alive', os.O_WRONLY); os.write(pipe, b'+'); time.sleep(60)"
    task = asyncio.create_task(run(sandbox, tree, code))
    async with asyncio.timeout(20):
        assert await reader.readexactly(1) == b"+"
        os.close(held)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await reader.read() == b""
    transport.close()


async def test_a_sandbox_that_is_gone_is_worth_a_retry(tmp_path: Path) -> None:
    """A container that is being started again is waited for, and then the task may be tried elsewhere."""
    async with serving_process(tmp_path) as sandbox:
        tree = tmp_path / "workspace/worktrees/task"
        os.mkfifo(tree / "began")
        task = asyncio.create_task(run(sandbox, tree, "open('began', 'w').write('x'); __import__('time').sleep(60)"))
        await asyncio.to_thread((tree / "began").read_text)
    with pytest.raises(SandboxError) as caught:
        await task
    assert (caught.value.code, caught.value.retryable) == ("AWAY", True)

"""Large and broken transfers through a gateway that is a process of its own."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from gateway_process import GatewayProcess, gateway_process, git_processes
from running_gateway import REPOSITORY, simulated
from stock_git import done

from miyabi_github_gateway.adapters.git import pktline
from miyabi_sim.github import SimulatedGitHub

pytestmark = pytest.mark.slow(reason="packs of 24 and 200 MB go through git's own checks")

MIB = 1 << 20
#: What no compression makes smaller.
LARGE, MEDIUM = 200, 24


async def add_random(git_dir: Path, megabytes: int, *, ref: str) -> str:
    """Commit random files of 8 MB to a repository, neither compressed nor compared; returns the commit."""
    for name in ("core.compression", "pack.compression", "pack.window"):
        await done(f"--git-dir={git_dir}", "config", name, "0")
    import_ = ("fast-import", "--quiet", "--force", "--big-file-threshold=1k")
    options = ("-c", "fastimport.unpackLimit=0", f"--git-dir={git_dir}")
    process = await asyncio.create_subprocess_exec("git", *options, *import_, stdin=asyncio.subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(
        f"commit {ref}\ncommitter a <a@b> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n".encode()
    )
    for number in range(megabytes // 8):
        process.stdin.write(f"M 100644 inline random/{number}.bin\ndata {8 * MIB}\n".encode())
        process.stdin.write(secrets.token_bytes(8 * MIB))
        process.stdin.write(b"\n")
        await process.stdin.drain()
    process.stdin.write(b"done\n")
    process.stdin.close()
    assert await process.wait() == 0
    return await done(f"--git-dir={git_dir}", "rev-parse", ref)


@asynccontextmanager
async def running(
    tmp_path: Path, redis_url: str, megabytes: int, **settings: str
) -> AsyncIterator[tuple[GatewayProcess, SimulatedGitHub, str]]:
    """Run a gateway before a repository with so many megabytes on main; yields also main's commit."""
    async with simulated(tmp_path) as (github, token):
        git_dir = github.store.git_dir(github.store.repository("acme", "toy"))
        sha = await add_random(git_dir, megabytes, ref="refs/heads/main") if megabytes else ""
        async with gateway_process(github, redis_url, tmp_path, token=token, **settings) as gateway:
            yield gateway, github, sha


def forget_peak(gateway: GatewayProcess) -> int:
    """Begin a new peak and return where memory stands."""
    Path(f"/proc/{gateway.pid}/clear_refs").write_text("5")
    return gateway.memory("VmRSS")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mirrors", [str(1 << 30), "0"])
async def test_large_clone_is_not_held_in_memory(tmp_path: Path, redis_url: str, mirrors: str) -> None:
    """A pack of 200 MB goes to the mirror and to the agent, or straight through, in at most 64 MB of memory."""
    async with running(tmp_path, redis_url, LARGE, mirror_bytes=mirrors) as (gateway, _, sha):
        baseline, size = forget_peak(gateway), 0
        async with half_a_clone(gateway, sha) as answer:
            async for chunk in answer.content.iter_any():
                size += len(chunk)
        grown = gateway.memory("VmHWM") - baseline
    assert size > LARGE * MIB
    assert grown <= 64 * MIB


@pytest.mark.timeout(240)
async def test_large_push_is_not_held_in_memory(tmp_path: Path, redis_url: str) -> None:
    """A push of 200 MB goes through in at most 64 MB of memory."""
    async with running(tmp_path, redis_url, 0) as (gateway, github, _):
        clone = tmp_path / "clone"
        await done("clone", "--quiet", "--bare", gateway.git(REPOSITORY), str(clone))
        sha = await add_random(clone, LARGE, ref="refs/heads/miyabi/large")
        baseline = forget_peak(gateway)
        await done("push", "--quiet", gateway.git(REPOSITORY), "refs/heads/miyabi/large", cwd=clone)
        grown = gateway.memory("VmHWM") - baseline
        git_dir = github.store.git_dir(github.store.repository("acme", "toy"))
        assert sha == await done(f"--git-dir={git_dir}", "rev-parse", "refs/heads/miyabi/large")
    assert grown <= 64 * MIB


@asynccontextmanager
async def half_a_clone(gateway: GatewayProcess, sha: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask for a clone as git does, and read the first bytes of the pack only."""
    headers = {"git-protocol": "version=2", "content-type": "application/x-git-upload-pack-request"}
    url = gateway.git(REPOSITORY)
    async with aiohttp.ClientSession(headers=headers, read_bufsize=1 << 14) as session:
        async with session.get(f"{url}/info/refs?service=git-upload-pack") as answer:
            await answer.read()
        body = pktline.request("fetch", arguments=(f"want {sha}", "done"))
        async with session.post(f"{url}/git-upload-pack", data=body) as answer:
            assert await answer.content.readexactly(1 << 12)
            yield answer


async def test_transfer_under_way_ends_after_sigterm(tmp_path: Path, redis_url: str) -> None:
    """A clone that has begun is finished after SIGTERM; then the process ends well and leaves nothing running."""
    async with running(tmp_path, redis_url, MEDIUM) as (gateway, _, sha):
        async with half_a_clone(gateway, sha) as answer:
            gateway.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                while await accepts(gateway.http_port):
                    await asyncio.sleep(0.02)
                rest = await answer.read()
        assert rest.endswith(pktline.FLUSH)
        assert len(rest) > MEDIUM * MIB
        async with asyncio.timeout(30):
            assert await gateway.process.wait() == 0
        assert git_processes(gateway.mirrors) == []


async def accepts(port: int) -> bool:
    """Tell whether new connections are let in."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.mark.parametrize("mirrors", [str(1 << 30), "0"])
async def test_agent_that_hangs_up_leaves_nothing_running(tmp_path: Path, redis_url: str, mirrors: str) -> None:
    """When an agent goes away in the middle, git and the transfer from GitHub end, and no zombie stays."""
    async with running(tmp_path, redis_url, MEDIUM, mirror_bytes=mirrors) as (gateway, github, sha):
        # Without mirrors it is GitHub's own git that has to end.
        place = gateway.mirrors if mirrors != "0" else github.store.git_root.resolve()
        async with half_a_clone(gateway, sha) as answer:
            assert git_processes(place) != []
            answer.close()
        async with asyncio.timeout(30):
            while git_processes(place) or list(gateway.descendants()):
                await asyncio.sleep(0.02)
        assert gateway.process.returncode is None
        await done("ls-remote", gateway.git(REPOSITORY))

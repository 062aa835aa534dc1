"""The gateway as a process of its own, as it runs in production, before a simulated GitHub of the test's."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from miyabi_core.free_ports import free_ports
from miyabi_sim.github import SimulatedGitHub


@dataclass
class GatewayProcess:
    """A running gateway."""

    process: asyncio.subprocess.Process
    log: Path
    grpc_port: int
    http_port: int
    metrics_port: int
    mirrors: Path

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def git(self, repository: str) -> str:
        """Return the address of a repository at the proxy."""
        return f"http://127.0.0.1:{self.http_port}/git/{repository}.git"

    def memory(self, name: str) -> int:
        """Return a line of its status in bytes: VmRSS, or VmHWM, its peak."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise KeyError(name)

    def descendants(self) -> Iterator[int]:
        """Yield the processes that it, or one of them, has started."""
        found = {self.pid}
        for pid, parent in sorted(_parents().items()):
            if parent in found:
                found.add(pid)
                yield pid


def _parents() -> dict[int, int]:
    """Return each process's parent."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    return parents


@asynccontextmanager
async def gateway_process(
    github: SimulatedGitHub, redis_url: str, folder: Path, **settings: str
) -> AsyncIterator[GatewayProcess]:
    """Run a gateway until the end of the block; *settings* are variables without the prefix, in any case."""
    grpc_port, http_port, metrics_port = free_ports(3)
    own = {
        "ADDRESS": f"127.0.0.1:{grpc_port}", "HTTP_ADDRESS": f"127.0.0.1:{http_port}",
        "METRICS_ADDRESS": f"127.0.0.1:{metrics_port}", "API_URL": github.url, "GRAPHQL_URL": f"{github.url}/graphql",
        "GIT_URL": github.url, "SIMULATED": "true", "PACING_SCALE": "0", "LOG_JSON": "true", "LOG_LEVEL": "DEBUG",
        "MIRROR_DIR": str(folder / "mirrors"),
    }  # fmt: skip
    variables = {**own, **{name.upper(): value for name, value in settings.items()}}
    environment = {"PATH": os.environ["PATH"], "MIYABI_REDIS_URL": redis_url}
    environment |= {f"MIYABI_GITHUB_GATEWAY_{name}": value for name, value in variables.items()}
    log = folder / "gateway.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "miyabi_github_gateway", env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while not await _is_healthy(http_port):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        yield GatewayProcess(process, log, grpc_port, http_port, metrics_port, folder / "mirrors")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _is_healthy(port: int) -> bool:
    """Ask whether it serves."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def git_processes(path: Path) -> list[str]:
    """Return the command lines of running processes that name a folder, zombies too."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                line = (folder / "cmdline").read_bytes()
                places = line + (folder / "environ").read_bytes()
            except OSError:
                continue
            # The gateway names the folder too; git is what it is called.
            if str(path).encode() in places and line.partition(b"\0")[0].rpartition(b"/")[2].startswith(b"git"):
                found.append(line.replace(b"\0", b" ").decode())
    return found

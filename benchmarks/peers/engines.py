"""Runs a peer once: a worker process, a client process, one answer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import environment

HERE = Path(__file__).resolve().parent
#: Engines of the folder that `--peers` names, with the pinned requirements of each.
FURTHER = {
    "arq-fastpoll": "-arq",
    "taskiq-fastpoll": "",
    "dramatiq": "",
}
#: A peer that hangs is ended.
LIMIT_SECONDS = 120.0


@dataclass(frozen=True)
class PeerResult:
    """What one repeat of a peer measured."""

    tasks_per_s: float
    p50_ms: float
    p99_ms: float


async def saq(url: str, *, tasks: int, trips: int) -> PeerResult | None:
    """Run our own driver of saq once; None where it failed."""
    python = str(await asyncio.to_thread(environment, "saq", HERE / "requirements-saq.txt") / "python")
    script = str(HERE / "saq_peer.py")
    quiet = asyncio.subprocess.DEVNULL
    worker = await asyncio.create_subprocess_exec(
        python, script, "worker", "--url", url, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        sizes = ("--tasks", str(tasks), "--trips", str(trips))
        answer = await _output(python, script, "client", "--url", url, *sizes)
    finally:
        await _end(worker)
    if answer is None:
        return None
    return PeerResult(answer["tasks_per_s"], answer["rtt_p50_ms"], answer["rtt_p99_ms"])


async def further(folder: Path, engine: str, url: str, *, tasks: int, trips: int) -> PeerResult | None:
    """Run an engine of a folder of drivers once; None where it failed.

    The folder has `run.py` and pinned requirements; `run.py --engine NAME` prints one JSON object.
    """
    suffix = FURTHER[engine]
    requirements = folder / f"requirements{suffix}.txt"
    programs = await asyncio.to_thread(environment, f"further{suffix}", requirements)
    main = await asyncio.to_thread(environment, "further", folder / "requirements.txt")
    variables = {
        **os.environ,
        "REDIS_URL": url,
        "PYTHONDONTWRITEBYTECODE": "1",
        f"PEERS_PYTHON_{engine.partition('-')[0].upper()}": str(programs / "python"),
    }
    sizes = ("--jobs", str(tasks), "--rtt", str(trips), "--naps", "50", "--repeats", "1")
    command = (str(main / "python"), str(folder / "run.py"), "--engine", engine, *sizes)
    answer = await _output(*command, variables=variables)
    if answer is None or answer["failed"]:
        return None
    return PeerResult(answer["jobs_per_s"][0], answer["rtt_p50_ms"][0], answer["rtt_p99_ms"][0])


async def _output(*command: str, variables: dict[str, str] | None = None) -> dict[str, Any] | None:
    """Run a command and return the JSON object that it printed; None where it failed or took too long."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=variables, stdout=pipe, start_new_session=True)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            printed, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        await _end(process)
    return json.loads(printed) if process.returncode == 0 else None


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process that we started, with all that it started: each leads a group of its own."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        os.killpg(process.pid, signal_number)
        try:
            async with asyncio.timeout(15):
                await process.wait()
        except TimeoutError:
            continue

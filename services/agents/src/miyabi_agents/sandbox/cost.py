"""Measures what the sandbox adds to the start of a command."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from miyabi_agents.ports import SandboxJob
from miyabi_agents.sandbox.process import ProcessSandbox

#: A program that does nothing.
_NOTHING = "/bin/true"


@dataclass(frozen=True)
class StartCost:
    """Medians, in seconds, from asking for a command to having its result."""

    sandboxed: float
    bare: float

    @property
    def over(self) -> float:
        """What the sandbox adds."""
        return self.sandboxed - self.bare


async def start_cost(folder: Path, *, times: int = 30) -> StartCost:
    """Run a program that does nothing, in the sandbox and bare by turns.

    Args:
        folder: An empty one, for the command to write to.
        times: How often each.

    Raises:
        SandboxError: it could not be run.
    """
    sandbox = ProcessSandbox()
    job = SandboxJob([_NOTHING], folder, writable=[folder])
    sandboxed, bare = [], []
    for _ in range(times):
        sandboxed.append(await _seconds(lambda: sandbox.run(job)))
        bare.append(await _seconds(_bare))
    return StartCost(statistics.median(sandboxed), statistics.median(bare))


async def _bare() -> None:
    """Run it without a sandbox."""
    process = await asyncio.create_subprocess_exec(_NOTHING, stdout=asyncio.subprocess.PIPE)
    await process.communicate()


async def _seconds(action: Callable[[], Awaitable[object]]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    await action()
    return time.perf_counter() - began

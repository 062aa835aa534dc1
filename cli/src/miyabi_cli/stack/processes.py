"""Starts child processes that end with us, writes their output to files, and stops them in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from miyabi_cli.errors import StackError
from miyabi_core.parent_death import ends_with_parent

#: A child that has not ended this long after SIGTERM is killed.
STOP_GRACE = timedelta(seconds=15)
#: A child must say that it is ready within this time; a first start imports and warms up.
START_TIMEOUT = timedelta(seconds=60)
#: How much of a failed child's log is shown.
LOG_TAIL_LINES = 15


@dataclass(frozen=True)
class ProcessSpec:
    """What to start."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    #: True where the child prints one JSON line on stdout when it is ready.
    announces: bool = False


@dataclass
class ChildProcess:
    """A started child."""

    spec: ProcessSpec
    process: asyncio.subprocess.Process
    announcement: dict[str, Any] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        text = self.spec.log.read_text(errors="replace") if self.spec.log.exists() else ""
        return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])

    def ended_early(self) -> StackError:
        """Describe why it is not there any more."""
        return StackError(
            f"{self.spec.name} ended with {self.process.returncode} while it was needed:\n{self.log_tail()}",
            hint=f"its whole log is {self.spec.log}",
        )

    async def stop(self) -> None:
        """End it with SIGTERM, and with SIGKILL where that does not help in time; no error where it has ended."""
        if not self.running:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(STOP_GRACE.total_seconds()):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def start(spec: ProcessSpec) -> ChildProcess:
    """Start a child in a process group of its own; where it announces itself, wait until it has.

    Raises:
        StackError: it could not be started, ended at once or was not ready in time.
    """
    spec.log.parent.mkdir(parents=True, exist_ok=True)
    with spec.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *ends_with_parent(spec.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if spec.announces else log,
            stderr=log,
            env=dict(spec.environment),
            start_new_session=True,
        )
    child = ChildProcess(spec, process)
    if spec.announces:
        child.announcement = await _read_announcement(child)
    return child


async def _read_announcement(child: ChildProcess) -> dict[str, Any]:
    """Read the one JSON line that says that a child is ready."""
    assert child.process.stdout is not None
    try:
        async with asyncio.timeout(START_TIMEOUT.total_seconds()):
            line = await child.process.stdout.readline()
    except TimeoutError as error:
        await child.stop()
        raise StackError(f"{child.spec.name} was not ready within {START_TIMEOUT.total_seconds():.0f} s") from error
    if not line:
        await child.process.wait()
        raise child.ended_early()
    announcement: dict[str, Any] = json.loads(line)
    return announcement

"""Starts a process of the local stack again when it ends by itself, as Kubernetes would."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from miyabi_cli.stack.local import LocalStack

#: A process that ended this often within the window is broken: starting it again does not help.
MOST_RESTARTS = 5
#: Window of the count above.
RESTART_WINDOW = timedelta(minutes=1)
#: Pause before a restart, so that a process that fails at once does not take a whole core.
RESTART_DELAY = timedelta(milliseconds=300)

#: Says what happened, for a person.
Announce = Callable[[str], None]


async def supervise(stack: LocalStack, *, announce: Announce) -> None:
    """Watch every process until cancelled.

    Raises:
        StackError: a process ended too often.
    """
    async with asyncio.TaskGroup() as tasks:
        for name in list(stack.children):
            tasks.create_task(_keep_running(stack, name, announce), name=f"supervise-{name}")


async def _keep_running(stack: LocalStack, name: str, announce: Announce) -> None:
    """Start *name* again whenever it ends."""
    ends: deque[float] = deque(maxlen=MOST_RESTARTS)
    while True:
        child = stack.children[name]
        code = await child.process.wait()
        now = time.monotonic()
        if len(ends) == MOST_RESTARTS and now - ends[0] < RESTART_WINDOW.total_seconds():
            raise child.ended_early()
        ends.append(now)
        announce(f"{name} ended with {code}; starting it again")
        await asyncio.sleep(RESTART_DELAY.total_seconds())
        await stack.restart(name)

"""Runs a service until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

#: Conventional exit code of a process that SIGINT ended.
EXIT_INTERRUPTED = 130


async def run_until_signal(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run *main* with an event that SIGTERM or SIGINT sets; a second SIGINT ends the process at once.

    Args:
        main: Serves until the event is set, then drains and returns.
    """
    stop = asyncio.Event()

    def interrupted() -> None:
        if stop.is_set():
            os._exit(EXIT_INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        await main(stop)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)

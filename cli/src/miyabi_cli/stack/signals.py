"""Waits for Ctrl-C or SIGTERM without an exception."""

from __future__ import annotations

import asyncio
import signal


async def until_interrupted() -> None:
    """Return at the first SIGINT or SIGTERM; the handlers that were there before come back."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    previous = signal.getsignal(signal.SIGINT)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, previous)

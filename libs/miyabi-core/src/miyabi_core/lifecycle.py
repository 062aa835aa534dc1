"""Runs a service until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger

#: Conventional exit code of a process that SIGINT ended.
EXIT_INTERRUPTED = 130
#: Exit code of a process that cannot start with the settings that it has.
EXIT_REFUSED = 2

#: New objects between two looks of the garbage collector: a message of 200 outcomes makes thousands that live shortly.
GARBAGE_THRESHOLD = 10_000

_LOG = get_logger(__name__)
_T = TypeVar("_T")


def run_service(serve: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a service until SIGTERM or SIGINT; where it cannot start it ends with one line in the log.

    Args:
        serve: Serves until the event is set, then drains and returns.

    Raises:
        SystemExit: with EXIT_REFUSED; a setting, an address or a file cannot be used.
    """
    refused: list[BaseException] = []
    # What was imported stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        asyncio.run(run_until_signal(serve))
    except* MiyabiError as group:
        refused.extend(group.exceptions)
    for error in refused:
        _LOG.error("service.refused", problem=str(error))
    if refused:
        raise SystemExit(EXIT_REFUSED)


async def ending_when_cancelled(work: Coroutine[Any, Any, _T]) -> _T:
    """Await *work* for a loop that goes on after its failures, so that the loop ends when it is cancelled.

    A task group whose member fails in the moment in which its task is cancelled raises the failure alone, and the
    task's count of cancellations cannot be trusted after that (CPython before 3.13, python/cpython#116720).
    So *work* has a task of its own, and the caller's count is looked at.

    Raises:
        asyncio.CancelledError: the caller was cancelled, whatever *work* made of it.
        Exception: *work* failed by itself.
    """
    caller = asyncio.current_task()
    before = caller.cancelling() if caller else 0
    try:
        return await asyncio.create_task(work)
    finally:
        # Work that takes the failure for the whole story may even end well.
        if caller and caller.cancelling() > before:
            raise asyncio.CancelledError from None


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

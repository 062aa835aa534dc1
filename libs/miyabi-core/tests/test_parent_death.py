"""Children that end with their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from miyabi_core.parent_death import ends_with_parent

#: A parent that starts a child which sleeps, says its id, and waits.
_PARENT = """
import subprocess, sys, time
from miyabi_core.parent_death import ends_with_parent
child = subprocess.Popen(ends_with_parent([sys.executable, "-c", "print('up', flush=True); import time; time.sleep(600)"]),
                         stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's promise is Linux's")
async def test_parent_killed() -> None:
    """A child is ended when its parent is killed and could not do it itself."""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", _PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    descriptor = os.pidfd_open(child)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    try:
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


async def test_process_id_is_the_commands_own() -> None:
    """The started process becomes the command: its id is the command's, and so is its exit code."""
    script = "import os, sys; print(os.getpid()); sys.exit(7)"
    process = await asyncio.create_subprocess_exec(
        *ends_with_parent([sys.executable, "-c", script]), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.pid == int(printed)
    assert process.returncode == 7

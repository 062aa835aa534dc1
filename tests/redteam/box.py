"""Runs one program in the sandbox and prints the result as JSON; a process of its own, so that it may be another user's.

box.py FOLDER PROGRAM[:PART…] WORLD [SOCKET]     with SOCKET the sandbox is that of a container, listening there
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import site
import sys
import types
from datetime import timedelta
from pathlib import Path

if os.environ.get("REDTEAM_PACKAGES"):
    site.addsitedir(os.environ["REDTEAM_PACKAGES"])
    # A package of the system's own would go before ours, which is spread over several folders (PEP 420).
    google = types.ModuleType("google")
    google.__path__ = [f"{os.environ['REDTEAM_PACKAGES']}/google"]
    sys.modules["google"] = google

from miyabi_agents.ports import SandboxJob, SandboxLimits
from miyabi_agents.sandbox import ContainerSandbox, ProcessSandbox

#: Attempts take some seconds together; a machine with other work on it takes longer.
_WALL = timedelta(seconds=45)


async def main() -> None:
    """Run it."""
    folder, program, world, *socket = sys.argv[1:]
    sandbox = ContainerSandbox(Path(socket[0])) if socket else ProcessSandbox()
    found = json.loads(Path(world).read_text())
    job = SandboxJob(
        [sys.executable, "-c", "".join(Path(part).read_text() for part in program.split(os.pathsep)), json.dumps({**found, "agent": os.getpid()})],
        Path(folder), writable=[Path(folder)], readable=[Path(sys.prefix), Path(sys.base_prefix)],
        limits=SandboxLimits(wall=_WALL),
    )  # fmt: skip
    result = await sandbox.run(job)
    print(json.dumps({  # noqa: T201 - that is how it answers
        "exit_code": result.exit_code, "output": result.output, "layers": result.layers,
        "missing_layers": result.missing_layers, "limit_hit": result.limit_hit, "timed_out": result.timed_out,
    }))  # fmt: skip


if sys.argv[1:] == ["serve"]:
    runpy.run_module("miyabi_agents.sandbox", run_name="__main__")
else:
    asyncio.run(main())

"""Runs the sandbox of an agent pod until SIGTERM: `python -m miyabi_agents.sandbox`; `--probe`: does it answer?"""

from __future__ import annotations

import asyncio
import json
import sys

from miyabi_agents.sandbox.server import SandboxServer
from miyabi_agents.settings import SandboxSettings
from miyabi_core.configuration.environment import read_settings
from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import configure_logging


async def _probe(settings: SandboxSettings) -> int:
    """Return 0 where the sandbox answers: whoever is not the agent is refused, which is an answer."""
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_unix_connection(str(settings.socket))
        answer = json.loads(await reader.readline())
        writer.close()
    return 0 if answer["error"]["code"] == "REFUSED" else 1


def main() -> int:
    """Serve, or ask."""
    settings = read_settings(SandboxSettings, service="sandbox")
    if sys.argv[1:] == ["--probe"]:
        return asyncio.run(_probe(settings))
    configure_logging(service="sandbox", json=settings.log_json, level=settings.log_level)
    asyncio.run(run_until_signal(SandboxServer(settings).serve))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs the coordinator: `python -m miyabi_coordinator`."""

from __future__ import annotations

import asyncio

from miyabi_coordinator.app import serve
from miyabi_coordinator.settings import CoordinatorSettings
from miyabi_core.logging import configure_logging


def main() -> None:
    """Read the environment and serve."""
    settings = CoordinatorSettings()
    configure_logging(service="coordinator", json=settings.log_json, level=settings.log_level)
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()

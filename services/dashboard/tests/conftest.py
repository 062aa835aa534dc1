"""The dashboard on a real Valkey, before a coordinator that is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest_asyncio
from pydantic import SecretStr

from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_dashboard.app import Dashboard, running
from miyabi_dashboard.settings import DashboardSettings


@dataclass
class Page:
    """A running dashboard with a browser's view of it."""

    dashboard: Dashboard
    http: aiohttp.ClientSession


@pytest_asyncio.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A dashboard that has just started."""
    async with EmbeddedValkey(tmp_path, appendfsync="no") as valkey:
        settings = DashboardSettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator="127.0.0.1:1", simulated=True,
            redis_url=SecretStr(valkey.url), max_body_bytes=64 * 1024,
        )  # fmt: skip
        async with running(settings) as dashboard:
            base = f"http://127.0.0.1:{dashboard.http_port}"
            async with aiohttp.ClientSession(base) as http:
                yield Page(dashboard, http)

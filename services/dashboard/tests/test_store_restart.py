"""The dashboard lives on while its state store dies and comes back."""

from __future__ import annotations

from pathlib import Path

import aiohttp
from pydantic import SecretStr

from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_dashboard.app import running
from miyabi_dashboard.settings import DashboardSettings

EVENT = {"eventType": "progress", "agentId": "a", "issueNumber": 7, "progress": 40}


async def test_intake_goes_on_after_a_restart_of_the_store(tmp_path: Path) -> None:
    """Without a store an event is refused as UNAVAILABLE; with it again events are taken, the old ones are there."""
    async with EmbeddedValkey(tmp_path, appendfsync="always") as valkey:
        settings = DashboardSettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator="127.0.0.1:1",
            redis_url=SecretStr(valkey.url),
        )  # fmt: skip
        async with running(settings) as dashboard:
            base = f"http://127.0.0.1:{dashboard.http_port}"
            async with aiohttp.ClientSession(base) as http:
                first = await (await http.post("/api/agent-event", json=EVENT)).json()
                await valkey.kill()
                refused = await http.post("/api/agent-event", json=EVENT)
                unread = await http.get("/api/events")
                assert (refused.status, unread.status) == (503, 503)
                await valkey.start()
                second = await (await http.post("/api/agent-event", json=EVENT)).json()
                stored = (await (await http.get("/api/events")).json())["events"]
    assert [event["id"] for event in stored] == [first["id"], second["id"]]
    assert first["id"] < second["id"]

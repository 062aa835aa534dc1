"""The dashboard lives on while its state store dies and comes back."""

from __future__ import annotations

from pathlib import Path

import aiohttp
from pydantic import SecretStr

from miyabi_core.store.redis import connect
from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_dashboard.app import running
from miyabi_dashboard.intake.store import INTAKE_KEY
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


async def test_a_list_that_the_store_cannot_hold_is_refused_as_a_whole(tmp_path: Path) -> None:
    """A store that is full in the middle of a list keeps none of it, and takes all of it when there is room again."""
    async with EmbeddedValkey(tmp_path, appendfsync="no") as valkey:
        settings = DashboardSettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator="127.0.0.1:1",
            redis_url=SecretStr(valkey.url),
        )  # fmt: skip
        events = [{**EVENT, "message": "m" * 500, "eventId": str(number)} for number in range(500)]
        async with running(settings) as dashboard, connect(valkey.url, max_connections=2) as client:
            base = f"http://127.0.0.1:{dashboard.http_port}"
            async with aiohttp.ClientSession(base) as http:
                used = int((await client.info("memory"))["used_memory"])
                await client.config_set("maxmemory", used + 200_000)
                refused = await http.post("/api/events", json=events)
                assert (refused.status, await client.xlen(INTAKE_KEY)) == (503, 0)
                await client.config_set("maxmemory", 0)
                taken = await (await http.post("/api/events", json=events)).json()
                assert (taken["repeated"], await client.xlen(INTAKE_KEY)) == (0, 500)

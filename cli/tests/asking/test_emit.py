"""`miyabi emit` against the real dashboard: an event arrives whole, and what is wrong with it is named."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pydantic import SecretStr
from test_commands import miyabi

from miyabi_core.store.valkey import EmbeddedValkey
from miyabi_dashboard.app import running
from miyabi_dashboard.settings import DashboardSettings


@pytest_asyncio.fixture
async def page(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a dashboard that has just started."""
    async with EmbeddedValkey(tmp_path / "valkey", appendfsync="no") as valkey:
        settings = DashboardSettings(
            address="127.0.0.1:0", http_address="127.0.0.1:0", coordinator="127.0.0.1:1", simulated=True,
            redis_url=SecretStr(valkey.url),
        )  # fmt: skip
        async with running(settings) as dashboard:
            yield f"http://127.0.0.1:{dashboard.http_port}"


async def stored(page: str) -> list[dict[str, object]]:
    """Return the events that the dashboard keeps, without what it adds."""
    async with aiohttp.ClientSession() as http, http.get(f"{page}/api/events") as answer:
        events = (await answer.json())["events"]
    return [event for event in events if event.get("agentId") == "ci"]


async def test_an_event_arrives_whole(page: str) -> None:
    """Options, fields of the type, objects, numbers and texts; the answer names it."""
    code, output, errors = await miyabi(
        "emit", "completed", "--agent", "ci", "--issue", "60", "--repository", "acme/shop",
        "--set", "result.success=true", "--set", "result.durationMs=12.5", "--set", "result.outputSummary=all green",
        "--json", MIYABI_DASHBOARD_URL=page,
    )  # fmt: skip
    assert (code, errors) == (0, "")
    assert json.loads(output)["success"] is True
    (event,) = await stored(page)
    expected = {"success": True, "durationMs": 12.5, "outputSummary": "all green"}
    assert (event["eventType"], event["issueNumber"], event["repository"]) == ("completed", 60, "acme/shop")
    assert event["result"] == expected
    assert event["id"] == json.loads(output)["id"]


async def test_an_event_from_a_file_is_taken_as_it_stands(page: str, tmp_path: Path) -> None:
    """Options come before its fields."""
    file = tmp_path / "event.yaml"
    file.write_text("eventType: progress\nagentId: ci\nissueNumber: 60\nprogress: 40\n")
    code, output, errors = await miyabi("emit", "--from-file", str(file), "--issue", "61", MIYABI_DASHBOARD_URL=page)
    assert (code, errors) == (0, "")
    (event,) = await stored(page)
    assert (event["progress"], event["issueNumber"]) == (40, 61)
    assert output == f"taken as event {event['id']}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["progress", "--agent", "ci", "--issue", "60", "--set", "progress=140"], "progress: "),
        (["started", "--issue", "60"], "agentId: "),
        ([], "TYPE: which event?"),
        (["unheard-of", "--agent", "ci", "--issue", "60"], "eventType: "),
        (["started", "--agent", "ci", "--issue", "60", "--set", "sequence=1"], "sequence: "),
        (["started", "--set", "progress"], "NAME=VALUE"),
        (["started", "--set", "a=1", "--set", "a.b=1"], "no object"),
    ],
)
async def test_what_is_wrong_is_named(page: str, arguments: list[str], said: str) -> None:
    """By its field, with what to do; nothing is stored."""
    code, output, errors = await miyabi("emit", *arguments, MIYABI_DASHBOARD_URL=page)
    assert (code, output) == (2, "")
    assert said in errors
    assert "Traceback" not in errors
    assert await stored(page) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
async def test_a_dashboard_that_is_away_is_exit_code_3(url: str) -> None:
    """With where it was looked for, and how to start one."""
    code, output, errors = await miyabi("emit", "started", "--agent", "ci", MIYABI_DASHBOARD_URL=url)
    assert (code, output) == (3, "")
    assert url in errors
    assert "miyabi up" in errors


async def test_a_token_does_not_cross_a_network_in_plain_text(tmp_path: Path) -> None:
    """It is refused before anything is sent."""
    file = tmp_path / "token"
    file.write_text("mybt_secret")
    code, output, errors = await miyabi(
        "--token-file", str(file), "emit", "started", "--agent", "ci", MIYABI_DASHBOARD_URL="http://192.0.2.1"
    )
    assert (code, output) == (2, "")
    assert "plain text" in errors
    assert "mybt_secret" not in errors

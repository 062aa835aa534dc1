"""The simulators let in whom the services let in: programs of this machine, and nobody's page."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from miyabi_sim.github import SimulatedGitHub
from miyabi_sim.model.scenarios import Scenarios
from miyabi_sim.model.server import SimulatedModel

MARKS: list[tuple[dict[str, str], int]] = [
    ({}, 0), ({"host": "localhost"}, 0), ({"host": "github.test"}, 0), ({"host": "evil.example"}, 421), ({"host": "github.test.evil.example"}, 421),
    ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403), ({"sec-fetch-site": "cross-site"}, 403),
]  # fmt: skip


@pytest.mark.parametrize(("marks", "refused"), MARKS)
async def test_pages_of_others_turn_no_dials(tmp_path: Path, marks: dict[str, str], refused: int) -> None:
    """Whoever asks the simulated GitHub or model for anything does so by a name of theirs and from no other page."""
    github = SimulatedGitHub(tmp_path, url="http://github.test:1")
    async with github, SimulatedModel(Scenarios(), names=["github.test"]) as model, aiohttp.ClientSession() as http:
        found = [
            (await http.post(f"http://127.0.0.1:{github.port}/_sim/reset", headers=marks)).status,
            (await http.get(f"http://127.0.0.1:{github.port}/_sim/state", headers=marks)).status,
            (await http.get(f"{model.url}/_sim/requests", headers=marks)).status,
        ]
    assert found == ([refused] * 3 if refused else [204, 200, 200])

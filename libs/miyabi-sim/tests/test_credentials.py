"""Both simulators tell which credentials were shown, so that a rotation can be proven, and never the credentials."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

import aiohttp

from miyabi_sim.github import SimulatedGitHub
from miyabi_sim.model import Scenarios, SimulatedModel


def digest(secret: str) -> str:
    """Return what a secret is called."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


async def test_the_model_counts_each_key() -> None:
    """Two keys are two digests with the number of their calls, in either header; a call without one counts nowhere."""
    old, new = secrets.token_hex(16), secrets.token_hex(16)
    body = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}
    async with SimulatedModel(Scenarios()) as model, aiohttp.ClientSession(model.url) as http:
        for headers in ({"x-api-key": old}, {"x-api-key": new}, {"Authorization": f"Bearer {new}"}, {}):
            async with http.post("/v1/messages", json=body, headers=headers) as answer:
                assert answer.status == (200 if headers else 401)
        async with http.get("/_sim/credentials") as answer:
            text = await answer.text()
            assert await answer.json() == {digest(old): 1, digest(new): 2}
    assert old not in text
    assert new not in text


async def test_github_counts_each_token_however_it_is_shown(tmp_path: Path) -> None:
    """A bearer and the password of git's basic authentication are the same token."""
    token = secrets.token_hex(16)
    agent = {"User-Agent": "test"}
    async with SimulatedGitHub(tmp_path) as github, aiohttp.ClientSession(github.url) as http:
        for how in (
            {"Authorization": f"Bearer {token}"},
            {"Authorization": aiohttp.encode_basic_auth("git", token)},
            {},
        ):
            async with http.get("/rate_limit", headers=agent | how) as answer:
                assert answer.status == 200
        async with http.get("/_sim/credentials") as answer:
            assert await answer.json() == {digest(token): 2}

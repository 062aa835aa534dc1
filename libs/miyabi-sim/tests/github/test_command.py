"""The command: its one line, its end, and what survives a kill."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

ISSUES = "/repos/acme/shop/issues"


@asynccontextmanager
async def running(data: Path, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, object]]]:
    """Start the command, hand out the process and its line, and leave no process behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "miyabi_sim.github", "--data", str(data), *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        assert await process.stdout.read() == b""
        await process.wait()


async def test_the_command_prints_one_line_and_stops_on_sigterm(tmp_path: Path, seed: Path) -> None:
    """The line says where the server is, the server answers there, and SIGTERM ends it well with nothing more said."""
    async with running(tmp_path / "data", "--seed", str(seed)) as (process, ready):
        assert ready == {
            "service": "simulated-github",
            "url": f"http://127.0.0.1:{ready['port']}",
            "port": ready["port"],
        }
        async with aiohttp.ClientSession(str(ready["url"])) as client, client.get(f"{ISSUES}/1") as answer:
            assert answer.status == 200
        process.terminate()
        assert await process.wait() == 0


async def test_what_was_answered_survives_a_kill(tmp_path: Path, seed: Path) -> None:
    """An issue and a comment whose answers arrived are there after SIGKILL and a restart on the same port."""
    data = tmp_path / "data"
    async with running(data, "--seed", str(seed)) as (process, ready):
        async with aiohttp.ClientSession(str(ready["url"])) as client:
            async with client.post(ISSUES, json={"title": "Last words"}) as answer:
                number = (await answer.json())["number"]
            async with client.post(f"{ISSUES}/{number}/comments", json={"body": "heard"}) as answer:
                assert answer.status == 201
        process.kill()
        await process.wait()
    async with running(data, "--seed", str(seed), "--port", str(ready["port"])) as (_, again):
        assert again == ready
        async with aiohttp.ClientSession(str(again["url"])) as client, client.get(f"{ISSUES}/{number}") as answer:
            issue = await answer.json()
    assert (issue["title"], issue["comments"]) == ("Last words", 1)


async def test_a_bad_seed_ends_the_command(tmp_path: Path) -> None:
    """The reason goes to standard error and the exit code is 2; no line promises a server."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "miyabi_sim.github",
        "--data",
        str(tmp_path / "data"),
        "--seed",
        str(tmp_path / "none.json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate()
    assert (process.returncode, output) == (2, b"")
    assert b"none.json is no seed" in complaint

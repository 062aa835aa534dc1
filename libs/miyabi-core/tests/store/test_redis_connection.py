"""Calls to a real Valkey that are cancelled end, whenever the cancellation comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from miyabi_core.store.connection import CancellableConnection, CancellableSSLConnection
from miyabi_core.store.redis import connect
from miyabi_core.store.valkey import EmbeddedValkey

#: Turns of the event loop within which a call is over: each of them is cancelled once.
TURNS = 40


@asynccontextmanager
async def call_forever(url: str) -> AsyncIterator[asyncio.Task[None]]:
    """Run a task that calls the server without end; it has a connection already."""
    async with connect(url) as client:
        await client.ping()

        async def forever() -> None:
            while True:
                await client.set("a", "b")

        task = asyncio.create_task(forever())
        try:
            yield task
        finally:
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=0.1)


@pytest.mark.parametrize("kind", ["redis", "rediss"])
def test_pool_makes_connections_that_can_be_cancelled(kind: str) -> None:
    """Plain or over TLS, as the URL says."""
    made = connect(f"{kind}://127.0.0.1:1").connection_pool.make_connection()
    assert type(made) is {"redis": CancellableConnection, "rediss": CancellableSSLConnection}[kind]


async def test_cancelled_call_ends_at_every_turn(tmp_path: Path) -> None:
    """However many turns of the loop after its start a call is cancelled, its task ends with the first cancellation."""
    async with EmbeddedValkey(tmp_path / "valkey", appendfsync="no") as valkey:
        survived = []
        for turns in range(TURNS):
            async with call_forever(valkey.url) as task:
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                ended, _ = await asyncio.wait([task], timeout=1)
                survived += [] if ended else [turns]
        assert survived == []

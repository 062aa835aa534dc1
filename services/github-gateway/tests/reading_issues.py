"""Reading through running gateways, as tests do it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from running_gateway import REPOSITORY, Running, gateway_before, simulated

from miyabi_github_gateway.models import Answer, Issue, IssueField, Kind, Read, Shape

BODY = Shape(Kind.ISSUE, frozenset({IssueField.BODY}))
LABELS = Shape(Kind.ISSUE, frozenset({IssueField.LABELS}))


@asynccontextmanager
async def two_gateways(tmp_path: Path, redis_url: str, **overrides: Any) -> AsyncIterator[tuple[Running, Running]]:
    """Run two replicas before one GitHub."""
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, **overrides) as first,
        gateway_before(github, token, redis_url, **overrides) as second,
    ):
        yield first, second


async def one(gateway: Running, number: int, shape: Shape = BODY, **options: Any) -> Answer:
    """Read one issue."""
    return await gateway.gateway.reading.reads.one(Read(REPOSITORY, shape, number), **options)


async def title(gateway: Running, number: int, **options: Any) -> str:
    """Read one issue's title."""
    found = (await one(gateway, number, **options)).value
    assert isinstance(found, Issue)
    return found.title


async def landed(gateway: Running) -> None:
    """Wait until no read is under way: one that comes before a value is kept would join the read of it."""
    async with asyncio.timeout(10):
        while gateway.gateway.reading.reads._flights:
            await asyncio.sleep(0)


def change(gateway: Running, number: int, text: str) -> None:
    """Change an issue's title behind the gateway's back."""
    issue = gateway.github.store.repository("acme", "toy").items[number]
    issue.title = text

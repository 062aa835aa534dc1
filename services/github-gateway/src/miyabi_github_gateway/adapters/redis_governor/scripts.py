"""Calls the governor's Lua scripts by their digest and loads them where the server does not know them yet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

_FOLDER = resources.files("miyabi_github_gateway.adapters.redis_governor") / "lua"


@cache
def source(*names: str) -> tuple[str, str]:
    """Return the text and digest of scripts that are run as one."""
    text = "".join((_FOLDER / f"{name}.lua").read_text() for name in names)
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


async def call(client: Redis, names: tuple[str, ...], *, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    """Run a script.

    Raises:
        RedisError: the server is away or refuses.
    """
    text, digest = source(*names)
    try:
        return await client.evalsha(digest, len(keys), *keys, *arguments)
    except NoScriptError:
        # A server that was restarted, or a new primary after a failover.
        return await client.eval(text, len(keys), *keys, *arguments)

"""Remembers, on all replicas, the newest lease of each task that has written: an older one's holder was replaced."""

from __future__ import annotations

from datetime import timedelta

import redis.asyncio
from redis.exceptions import RedisError

from miyabi_core.errors import UnavailableError

#: Longer than the grant of a lease that was lost can still hold: tasks have minutes.
KEPT = timedelta(days=1)
#: Passes where nobody newer has passed; the newest stays.
_SCRIPT = """
local newest = tonumber(redis.call('GET', KEYS[1]) or '0')
local mine = tonumber(ARGV[1])
if mine < newest then return 0 end
if mine > newest then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return 1
"""


class RedisFences:
    """Implements `ports.Fences` with one script.

    Source: M. Kleppmann, "How to do distributed locking", on fencing tokens.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._pass = client.register_script(_SCRIPT)

    async def pass_through(self, task: str, fencing_token: int) -> bool:
        """Tell whether no newer lease of the task has passed, and remember this one.

        Raises:
            UnavailableError: the state store does not answer.
        """
        try:
            found = await self._pass(keys=[f"gateway:fence:{task}"], args=[fencing_token, int(KEPT.total_seconds())])
        except RedisError as error:
            raise UnavailableError("the state store does not answer", reason="STORE_UNAVAILABLE") from error
        return bool(found)

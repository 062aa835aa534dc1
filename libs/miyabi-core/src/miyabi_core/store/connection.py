"""Connections to Redis whose commands can be cancelled at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    _Base = redis.asyncio.Connection
else:
    _Base = object


class _Cancellable(_Base):
    """Sends with `asyncio.timeout`.

    redis-py 8 sends with `asyncio.wait_for`, which before Python 3.12 forgets a cancellation that arrives in the turn
    of the event loop in which the bytes have left (github.com/python/cpython/issues/86296): a task that is told to end
    goes on then, and who waits for its end waits for ever.
    """

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,
    ) -> None:
        """Send; see `redis.asyncio.Connection.send_packed_command`."""
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health:
            await self.check_health()  # type: ignore[no-untyped-call]
        if isinstance(command, str):
            command = command.encode()
        try:
            async with asyncio.timeout(self.socket_timeout or None):
                await self._send_packed_command([command] if isinstance(command, bytes) else command)
        except BaseException as error:
            # Part of the command may have left: nothing that comes back on this connection can be told apart.
            await self.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise RedisTimeoutError("Timeout writing to socket") from None
            if isinstance(error, OSError):
                raise RedisConnectionError(f"Error while writing to socket: {error}") from error
            raise


class CancellableConnection(_Cancellable, redis.asyncio.Connection):
    """A plain connection."""


class CancellableSSLConnection(_Cancellable, redis.asyncio.SSLConnection):
    """A connection over TLS."""


def cancellable(pool: redis.asyncio.ConnectionPool) -> redis.asyncio.ConnectionPool:
    """Let a pool that has made no connection yet make those of this module, plain or over TLS as its URL says."""
    over_tls = issubclass(pool.connection_class, redis.asyncio.SSLConnection)
    pool.connection_class = CancellableSSLConnection if over_tls else CancellableConnection
    return pool

"""One HTTP server of the gateway: listens, and at the end lets what is under way end."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import timedelta

from aiohttp import web
from aiohttp.typedefs import Middleware

from miyabi_core.edge import HttpDoor, ServedHosts
from miyabi_core.errors import UnavailableError


class Listener:
    """An aiohttp server that hands bodies over as they came, and ends a handler whose client has hung up.

    Args:
        address: host:port; port 0 takes a free one.
        routes: What is served.
        largest_body: Bytes of a body that a handler reads at once; streams have no limit.
        grace: How long handlers under way may take after `stop`.
        middlewares: Run before the handlers, behind the door.
        tls: Encrypts; None: plain text.
        names: Of hosts that it serves as, beside loopback's names and addresses.
        programs: Beginnings of paths where no browser is served; default: everywhere.
    """

    def __init__(
        self, address: str, routes: Sequence[web.RouteDef], *, largest_body: int, grace: timedelta,
        middlewares: Sequence[Middleware] = (), tls: ssl.SSLContext | None = None,
        names: Sequence[str] = (), programs: Sequence[str] = ("/",),
    ) -> None:  # fmt: skip
        self._address = address
        self._routes = routes
        self._largest_body = largest_body
        self._grace = grace
        door = HttpDoor(ServedHosts(address, names), programs=programs)
        self._middlewares = [door.middleware(), *middlewares]
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            UnavailableError: the address is taken.
        """
        application = web.Application(client_max_size=self._largest_body, middlewares=self._middlewares)
        application.add_routes(self._routes)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,
            shutdown_timeout=self._grace.total_seconds(),
        )
        await self._runner.setup()
        host, _, port = self._address.rpartition(":")
        try:
            await web.TCPSite(self._runner, host, int(port), ssl_context=self._tls).start()
        except OSError as error:
            raise UnavailableError(f"cannot listen on {self._address}", reason="ADDRESS_IN_USE") from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Refuse new connections, let handlers under way end within the grace, then end them; twice does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

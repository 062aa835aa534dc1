"""Real servers on loopback for tests: what production runs, on a free port, for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from miyabi_core.access.security import LOCAL_ONLY, ServerSecurity
from miyabi_core.interceptors import Policy
from miyabi_core.server import GrpcServer

#: A servicer with its generated registrar and the proto's full name.
Registration = tuple[Callable[[Any, Any], object], Any, str]


@asynccontextmanager
async def running_server(
    *registrations: Registration,
    service: str = "test",
    security: ServerSecurity = LOCAL_ONLY,
    policy: Policy | None = None,
) -> AsyncIterator[str]:
    """Serve the registrations with every common interceptor; yields host:port, ends all calls at the end."""
    server = GrpcServer(service=service, address="127.0.0.1:0", security=security, policy=policy)
    for registrar, servicer, full_name in registrations:
        server.add(registrar, servicer, full_name=full_name)
    port = await server.start()
    await server.set_ready(ready=True)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=timedelta(0))

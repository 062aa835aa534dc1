"""Writes one canonical line and the metrics of every RPC."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from miyabi_core import metrics
from miyabi_core.interceptors.calls import Call, CallInterceptor
from miyabi_core.logging import get_logger

_LOG = get_logger(__name__)


class TelemetryInterceptor(CallInterceptor):
    """Measures every call from its first byte to its end."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Count the call as active, then log and observe it with the code that it ended with."""
        began = time.perf_counter()
        cancelled = True
        with metrics.RPC_ACTIVE.labels(call.service, call.method).track_inprogress():
            try:
                yield
                cancelled = False
            except Exception:
                cancelled = False
                raise
            finally:
                seconds = time.perf_counter() - began
                code = "CANCELLED" if cancelled else code_of(call.context)
                metrics.RPC_SECONDS.labels(call.service, call.method, code).observe(seconds)
                _LOG.info("rpc.ended", method=call.method, code=code, seconds=round(seconds, 6))

    async def on_request(self, call: Call, request: Any) -> None:
        """Count a message that came in."""
        del request
        metrics.RPC_MESSAGES.labels(call.service, call.method, "received").inc()

    async def on_response(self, call: Call, response: Any) -> None:
        """Count a message that goes out."""
        del response
        metrics.RPC_MESSAGES.labels(call.service, call.method, "sent").inc()


def code_of(context: Any) -> str:
    """Return the name of the code that the handler set; gRPC keeps it as a name, a number, or nothing for OK."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code.name
    by_number = {member.value[0]: member.name for member in grpc.StatusCode}
    return by_number.get(code or 0, "UNKNOWN")

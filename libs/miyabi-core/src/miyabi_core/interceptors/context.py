"""Puts the call's name, trace and deadline into the context that logs and outgoing calls read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from opentelemetry import context as otel_context
from opentelemetry import trace

from miyabi_core import deadlines, tracing
from miyabi_core.interceptors.calls import Call, CallInterceptor


class ContextInterceptor(CallInterceptor):
    """Binds `rpc` and `trace_id` and goes on with the caller's trace.

    gRPC runs each call in a task of its own, so nothing has to be taken back at the end.
    """

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Bind, start a server span, run the call."""
        deadlines.bind(call.context)
        otel_context.attach(tracing.extract(call.metadata))
        named = {"rpc.system": "grpc", "rpc.service": call.service, "rpc.method": call.method}
        span = trace.get_tracer("miyabi").start_span(
            f"{call.service}/{call.method}", kind=trace.SpanKind.SERVER, attributes=named
        )
        otel_context.attach(trace.set_span_in_context(span))
        identifier = trace.format_trace_id(span.get_span_context().trace_id)
        structlog.contextvars.bind_contextvars(rpc=call.method, trace_id=identifier)
        try:
            yield
        finally:
            span.end()

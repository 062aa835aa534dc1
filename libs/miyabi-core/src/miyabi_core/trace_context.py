"""Carries the trace context over a hop as W3C `traceparent` (w3.org/TR/trace-context); records and exports nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


@cache
def _propagator() -> TraceContextTextMapPropagator:
    """Return what reads and writes `traceparent` and `tracestate`, nothing else: callers' baggage is not passed on."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - see _carrier

    return TraceContextTextMapPropagator()


def _carrier() -> dict[str, str]:
    """Return what is going on now, as headers.

    A process that imported nothing of OpenTelemetry has begun no trace, and does without: it takes 30 ms to import.
    """
    carrier: dict[str, str] = {}
    if "opentelemetry.context" in sys.modules:
        _propagator().inject(carrier)
    return carrier


def current_traceparent() -> str:
    """Return the `traceparent` of what is going on now; empty where there is no trace."""
    return _carrier().get("traceparent", "")


def inject(metadata: Sequence[tuple[str, str | bytes]] | None) -> list[tuple[str, str | bytes]]:
    """Return call metadata with the current trace context added."""
    carrier = _carrier()
    kept = [(key, value) for key, value in (metadata or ()) if key not in carrier]
    return [*kept, *carrier.items()]


def extract(metadata: Mapping[str, str]) -> Context:
    """Return the trace context that *metadata* carries; a malformed one counts as none."""
    return _propagator().extract(dict(metadata))


def continue_trace(traceparent: str) -> None:
    """Make what the current task does from here on part of the trace of *traceparent*."""
    from opentelemetry import context as otel_context  # noqa: PLC0415 - see _carrier

    otel_context.attach(extract({"traceparent": traceparent} if traceparent else {}))

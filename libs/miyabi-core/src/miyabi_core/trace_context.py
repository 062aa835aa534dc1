"""Carries the trace context over a hop as W3C `traceparent` (w3.org/TR/trace-context); records and exports nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry import context as otel_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

#: Reads and writes `traceparent` and `tracestate`, nothing else: baggage of callers is not passed on.
_PROPAGATOR = TraceContextTextMapPropagator()


def current_traceparent() -> str:
    """Return the `traceparent` of what is going on now; empty where there is no trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")


def inject(metadata: Sequence[tuple[str, str | bytes]] | None) -> list[tuple[str, str | bytes]]:
    """Return call metadata with the current trace context added."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    kept = [(key, value) for key, value in (metadata or ()) if key not in carrier]
    return [*kept, *carrier.items()]


def extract(metadata: Mapping[str, str]) -> otel_context.Context:
    """Return the trace context that *metadata* carries; a malformed one counts as none."""
    return _PROPAGATOR.extract(dict(metadata))


def continue_trace(traceparent: str) -> None:
    """Make what the current task does from here on part of the trace of *traceparent*."""
    otel_context.attach(extract({"traceparent": traceparent} if traceparent else {}))

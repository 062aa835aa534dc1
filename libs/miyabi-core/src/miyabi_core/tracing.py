"""Carries the trace context over every hop as W3C `traceparent` (w3.org/TR/trace-context)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from miyabi_core.environment import read_settings
from miyabi_core.telemetry.exporting import start_exporting
from miyabi_core.telemetry.settings import OtlpSettings

#: Reads and writes `traceparent` and `tracestate`, nothing else: baggage of callers is not passed on.
_PROPAGATOR = TraceContextTextMapPropagator()


def configure_tracing(*, service: str) -> None:
    """Make the process create real trace ids and export what it records; call once, from `__main__`.

    Raises:
        SystemExit: one of OpenTelemetry's variables cannot be used; the log says which.
    """
    start_exporting(read_settings(OtlpSettings, service=service), service=service)


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


@contextmanager
def start_span(name: str, **attributes: str | float | bool) -> Iterator[trace.Span]:
    """Record a span for the length of the block, as child of the current one."""
    tracer = trace.get_tracer("miyabi")
    with tracer.start_as_current_span(name, attributes=attributes) as span:
        yield span

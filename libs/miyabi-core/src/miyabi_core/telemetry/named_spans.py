"""Spans whose ids follow from their names, so that one process records what others hang their own spans below.

A run of an issue lives longer than any process: whichever replica commits its end records its span, and agents have
by then recorded theirs below it. Their parent's id is known to all of them, since it is a digest of its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

#: Nanoseconds of a second.
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class NamedSpan:
    """A span, found again by its names.

    Args:
        trace: Name of the trace, the same for all its spans.
        name: Name of the span in it.
    """

    trace: str
    name: str

    @property
    def context(self) -> SpanContext:
        """Its ids: digests of the names, cut to what W3C's trace context has room for; never 0."""
        trace_id = int.from_bytes(hashlib.sha256(self.trace.encode()).digest()[:16]) or 1
        span_id = int.from_bytes(hashlib.sha256(f"{self.trace}|{self.name}".encode()).digest()[:8]) or 1
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=_flags(trace_id))


def _flags(trace_id: int) -> TraceFlags:
    """Return whether a trace is kept: what the sampler says of its root counts for all that hangs below."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        return TraceFlags(TraceFlags.DEFAULT)
    is_kept = provider.sampler.should_sample(None, trace_id, "").decision is Decision.RECORD_AND_SAMPLE
    return TraceFlags(TraceFlags.SAMPLED if is_kept else TraceFlags.DEFAULT)


#: The span that is being recorded with ids of its own.
_CHOSEN: ContextVar[NamedSpan | None] = ContextVar("named_span", default=None)


class NamedIds(RandomIdGenerator):
    """Random ids, except for a span that has a name."""

    def generate_span_id(self) -> int:
        """Return the id of the span that is being recorded, or a random one."""
        chosen = _CHOSEN.get()
        return chosen.context.span_id if chosen else super().generate_span_id()

    def generate_trace_id(self) -> int:
        """Return the id of the trace of the span that is being recorded, or a random one."""
        chosen = _CHOSEN.get()
        return chosen.context.trace_id if chosen else super().generate_trace_id()


class Recording:
    """Whether anybody gets the spans; where not, there is no need to make them."""

    is_on = False


def traceparent_of(span: NamedSpan) -> str:
    """Return the W3C `traceparent` below which others record their spans."""
    ids = span.context
    return f"00-{trace.format_trace_id(ids.trace_id)}-{trace.format_span_id(ids.span_id)}-{ids.trace_flags:02x}"


def record(
    title: str,
    span: NamedSpan,
    *,
    start: float,
    end: float,
    parent: NamedSpan | None = None,
    caused_by: str = "",
    failed: str = "",
    attributes: Mapping[str, str | int | float | bool] | None = None,
) -> None:
    """Record a span that is over.

    Args:
        title: What it is shown as.
        span: Its names.
        start: When it began, in seconds since 1970.
        end: When it ended, in seconds since 1970; not before *start*.
        parent: The span around it; without one it is the root of its trace.
        caused_by: `traceparent` of another trace that led to it; a link.
        failed: Why it did not go well; empty where it did.
        attributes: What else is known of it.
    """
    around = trace.set_span_in_context(NonRecordingSpan(parent.context), Context()) if parent else Context()
    links = [trace.Link(cause)] if (cause := _context_of(caused_by)) else []
    chosen = _CHOSEN.set(span)
    try:
        made = trace.get_tracer("miyabi").start_span(
            title, around, SpanKind.INTERNAL, dict(attributes or {}), links, start_time=int(start * _NANOSECONDS)
        )
    finally:
        _CHOSEN.reset(chosen)
    if failed:
        made.set_status(Status(StatusCode.ERROR, failed))
    made.end(end_time=int(max(start, end) * _NANOSECONDS))


def _context_of(traceparent: str) -> SpanContext | None:
    """Read a `traceparent`; None where it is none."""
    pieces = traceparent.split("-")
    if len(pieces) != 4:
        return None
    context = SpanContext(int(pieces[1], 16), int(pieces[2], 16), is_remote=True, trace_flags=TraceFlags(1))
    return context if context.is_valid else None

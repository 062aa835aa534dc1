"""Records the spans of tools and model calls, named as OpenTelemetry's conventions for generative AI name them.

Source: OpenTelemetry semantic conventions, "Semantic conventions for generative client AI spans" and "… agent spans".
"""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from miyabi.coordinator.v1.event_pb2 import ToolInvocation
from miyabi_core.telemetry import Recording

#: Whose model API is spoken.
PROVIDER = "anthropic"


def record_call(call: ToolInvocation) -> None:
    """Record a call that is over, below the lease that it was made for."""
    if not Recording.is_on:
        return
    start = call.start_time.ToNanoseconds()
    is_model = call.HasField("usage")
    span = trace.get_tracer("miyabi").start_span(
        f"chat {call.model}" if is_model else f"execute_tool {call.tool}",
        kind=SpanKind.CLIENT if is_model else SpanKind.INTERNAL,
        attributes=_of_model(call) if is_model else _of_tool(call),
        start_time=start,
    )
    if not call.succeeded:
        span.set_status(status_of(call))
        span.set_attribute("error.type", "call_failed")
    span.end(end_time=start + call.duration.ToNanoseconds())


def status_of(call: ToolInvocation) -> Status:
    """Return how a failed call ended; why a tool failed quotes files and tests, which stays in the events too."""
    return Status(StatusCode.ERROR, call.error if call.HasField("usage") else None)


def _of_model(call: ToolInvocation) -> dict[str, str | int | float]:
    """Return what a model call's span says."""
    used = call.usage
    attributes: dict[str, str | int | float] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": call.model,
        # The convention counts what is read from the cache, and written to it, as input.
        "gen_ai.usage.input_tokens": used.input_tokens + used.cache_read_tokens + used.cache_write_tokens,
        "gen_ai.usage.output_tokens": used.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": used.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": used.cache_write_tokens,
        "miyabi.cost_usd": used.cost_usd_micros / 1_000_000,
        "miyabi.step": call.detail,
    }
    if call.HasField("time_to_first_text"):
        first = call.time_to_first_text.ToTimedelta().total_seconds()
        attributes["gen_ai.response.time_to_first_chunk"] = first
    return attributes


def _of_tool(call: ToolInvocation) -> dict[str, str | int | float]:
    """Return what a tool's span says; what it was asked stays in the events, which are guarded."""
    return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": call.tool}

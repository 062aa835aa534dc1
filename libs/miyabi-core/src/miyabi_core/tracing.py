"""Carries the trace context over every hop as W3C `traceparent` (w3.org/TR/trace-context)."""

from __future__ import annotations

from miyabi_core.configuration.environment import read_settings
from miyabi_core.telemetry.exporting import start_exporting
from miyabi_core.telemetry.settings import OtlpSettings
from miyabi_core.trace_context import continue_trace, current_traceparent, extract, inject

__all__ = ["configure_tracing", "continue_trace", "current_traceparent", "extract", "inject"]


def configure_tracing(*, service: str) -> None:
    """Make the process create real trace ids and export what it records; call once, from `__main__`.

    Raises:
        SystemExit: one of OpenTelemetry's variables cannot be used; the log says which.
    """
    start_exporting(read_settings(OtlpSettings, service=service), service=service)

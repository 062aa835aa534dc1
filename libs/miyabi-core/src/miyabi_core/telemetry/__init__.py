"""Where traces and metrics go: to whoever collects them by OTLP, named by OpenTelemetry's standard variables."""

from __future__ import annotations

from miyabi_core.telemetry.exporting import start_exporting
from miyabi_core.telemetry.named_spans import NamedSpan, Recording, record, traceparent_of

__all__ = ["NamedSpan", "Recording", "record", "start_exporting", "traceparent_of"]

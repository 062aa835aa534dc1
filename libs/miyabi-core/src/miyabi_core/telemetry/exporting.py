"""Starts the exporters of a process: spans in batches, metrics at an interval."""

from __future__ import annotations

import os
import uuid

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from miyabi_core.metrics import REGISTRY
from miyabi_core.telemetry.named_spans import NamedIds, Recording
from miyabi_core.telemetry.prometheus_export import PrometheusExport
from miyabi_core.telemetry.settings import OtlpSettings, Protocol


def start_exporting(settings: OtlpSettings, *, service: str) -> None:
    """Make the process create real trace ids, and export what the settings say; call once, from `__main__`.

    What is not sent yet is sent when the process ends, for as long as the exporter's timeout
    (`OTEL_EXPORTER_OTLP_TIMEOUT`, 10 s). A collector that is away costs nothing but its telemetry: spans are dropped
    where the queue (`OTEL_BSP_MAX_QUEUE_SIZE`, 2,048) is full.

    Args:
        settings: What is exported.
        service: Name without `miyabi-`.
    """
    resource = _resource(settings, service=service)
    provider = TracerProvider(resource=resource, id_generator=NamedIds())
    if settings.sends_traces:
        provider.add_span_processor(BatchSpanProcessor(_span_exporter(settings.traces_protocol)))
        Recording.is_on = True
    trace.set_tracer_provider(provider)
    if settings.sends_metrics:
        exporter = _metric_exporter(settings.metrics_protocol)
        PrometheusExport(REGISTRY, exporter, resource, interval_seconds=settings.metric_export_interval / 1000).start()


def _resource(settings: OtlpSettings, *, service: str) -> Resource:
    """Return who the telemetry comes from; `OTEL_RESOURCE_ATTRIBUTES` adds to it."""
    return Resource.create(
        {
            "service.name": settings.service_name or f"miyabi-{service}",
            "service.namespace": "miyabi",
            "service.instance.id": str(uuid.uuid4()),
            "process.pid": os.getpid(),
        }
    )


def _span_exporter(protocol: Protocol) -> SpanExporter:
    """Return the exporter of spans."""
    return GrpcSpanExporter() if protocol == "grpc" else HttpSpanExporter()


def _metric_exporter(protocol: Protocol) -> MetricExporter:
    """Return the exporter of metrics."""
    return GrpcMetricExporter() if protocol == "grpc" else HttpMetricExporter()

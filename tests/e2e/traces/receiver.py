"""Takes what services export by OTLP: spans by gRPC, metrics by HTTP, both with the protocol's own published stubs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)


@dataclass(frozen=True)
class ReceivedSpan:
    """A span, with the service that recorded it."""

    service: str
    name: str
    trace: bytes
    span: bytes
    parent: bytes
    start: int
    end: int
    attributes: dict[str, Any]


@dataclass
class Received:
    """What has come in, and where it is sent."""

    traces_port: int = 0
    metrics_port: int = 0
    spans: list[ReceivedSpan] = field(default_factory=list)
    #: Names of metrics by service.
    metrics: dict[str, set[str]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """The standard variables that make services export here."""
        return settings_for(self.traces_port, self.metrics_port)


def settings_for(traces_port: int, metrics_port: int) -> dict[str, str]:
    """Return the standard variables that make services export to these ports of this machine."""
    return {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{traces_port}",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://127.0.0.1:{metrics_port}/v1/metrics",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
    }


class _Traces(TraceServiceServicer):
    """Keeps spans."""

    def __init__(self, received: Received) -> None:
        self._received = received

    async def Export(self, request: Any, context: Any) -> ExportTraceServiceResponse:  # noqa: N802 - the proto's name
        """Keep spans."""
        del context
        for group in request.resource_spans:
            service = _plain(group.resource.attributes)["service.name"]
            for span in (span for scope in group.scope_spans for span in scope.spans):
                ids = (span.trace_id, span.span_id, span.parent_span_id)
                times = (span.start_time_unix_nano, span.end_time_unix_nano)
                self._received.spans.append(ReceivedSpan(service, span.name, *ids, *times, _plain(span.attributes)))
        return ExportTraceServiceResponse()


@asynccontextmanager
async def telemetry_receiver() -> AsyncIterator[Received]:
    """Listen on free ports for the length of the block."""
    received = Received()
    server = grpc.aio.server()
    add_TraceServiceServicer_to_server(_Traces(received), server)
    received.traces_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def take(request: web.Request) -> web.Response:
        message = ExportMetricsServiceRequest.FromString(await request.read())
        for group in message.resource_metrics:
            names = received.metrics.setdefault(_plain(group.resource.attributes)["service.name"], set())
            names.update(metric.name for scope in group.scope_metrics for metric in scope.metrics)
        body = ExportMetricsServiceResponse().SerializeToString()
        return web.Response(body=body, content_type="application/x-protobuf")

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/metrics", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        received.metrics_port = runner.addresses[0][1]
        yield received
    finally:
        await runner.cleanup()
        await server.stop(1)


def _plain(attributes: Any) -> dict[str, Any]:
    """Return attributes as plain values."""
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value") or "string_value") for entry in attributes}

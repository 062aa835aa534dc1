"""OpenTelemetry's standard variables, as far as they decide what is exported and how."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from miyabi_core.configuration.environment import EnvironmentSettings

#: What a kind of telemetry is sent by.
Exporter = Literal["otlp", "none"]
#: How OTLP travels.
Protocol = Literal["grpc", "http/protobuf"]


class OtlpSettings(EnvironmentSettings):
    """What is exported; headers, certificates, timeouts, batches and limits are read by the SDK itself.

    Nothing is exported unless an endpoint is named, or an exporter asked for. Source: OpenTelemetry specification,
    "Environment Variable Specification" and "OpenTelemetry Protocol Exporter".
    """

    model_config = SettingsConfigDict(env_prefix="OTEL_", frozen=True, extra="ignore", env_ignore_empty=True)

    #: True: no telemetry at all; trace ids are made all the same.
    sdk_disabled: bool = False
    #: What traces are sent by; unset: OTLP where an endpoint is named.
    traces_exporter: Exporter | None = None
    #: What metrics are sent by; unset: OTLP where an endpoint is named.
    metrics_exporter: Exporter | None = None
    #: Where the collector is; `/v1/traces` and `/v1/metrics` are added for HTTP.
    exporter_otlp_endpoint: str = ""
    #: Where traces alone go.
    exporter_otlp_traces_endpoint: str = ""
    #: Where metrics alone go.
    exporter_otlp_metrics_endpoint: str = ""
    #: How they travel, unless a kind has its own.
    exporter_otlp_protocol: Protocol = "http/protobuf"
    #: How traces travel.
    exporter_otlp_traces_protocol: Protocol | None = None
    #: How metrics travel.
    exporter_otlp_metrics_protocol: Protocol | None = None
    #: Milliseconds between two exports of metrics.
    metric_export_interval: int = Field(default=60_000, ge=100)
    #: Name that telemetry carries rather than the service's own.
    service_name: str = ""

    @field_validator("exporter_otlp_endpoint", "exporter_otlp_traces_endpoint", "exporter_otlp_metrics_endpoint")
    @classmethod
    def _is_somewhere(cls, endpoint: str) -> str:
        """Refuse what is no address of a collector.

        Raises:
            ValueError: it is neither a URL nor, for gRPC, host:port.
        """
        parts = urlsplit(endpoint)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
        if endpoint and not is_url and not re.fullmatch(r"[A-Za-z0-9._-]+:[0-9]{1,5}", endpoint):
            raise ValueError("it is no URL of a collector")
        return endpoint

    @property
    def sends_traces(self) -> bool:
        """Tell whether traces are exported."""
        return self._sends(self.traces_exporter, self.exporter_otlp_traces_endpoint)

    @property
    def sends_metrics(self) -> bool:
        """Tell whether metrics are exported."""
        return self._sends(self.metrics_exporter, self.exporter_otlp_metrics_endpoint)

    @property
    def traces_protocol(self) -> Protocol:
        """How traces travel."""
        return self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol

    @property
    def metrics_protocol(self) -> Protocol:
        """How metrics travel."""
        return self.exporter_otlp_metrics_protocol or self.exporter_otlp_protocol

    def _sends(self, exporter: Exporter | None, own_endpoint: str) -> bool:
        """Tell whether a kind of telemetry is exported."""
        is_wanted = bool(self.exporter_otlp_endpoint or own_endpoint) if exporter is None else exporter == "otlp"
        return is_wanted and not self.sdk_disabled

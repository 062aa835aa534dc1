"""Prometheus metrics that every service has; the names are listed in docs/telemetry.md."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: Bounds in seconds: from a memory hit to a long poll.
SECONDS_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)

#: The process's own registry, so that tests and libraries do not mix theirs in.
REGISTRY = CollectorRegistry()

RPC_SECONDS = Histogram(
    "rpc_server_duration_seconds",
    "Wall time of RPCs that this server answered; streams count to their end.",
    ["rpc_service", "rpc_method", "rpc_grpc_status_code"],
    buckets=SECONDS_BUCKETS,
    registry=REGISTRY,
)
RPC_ACTIVE = Gauge(
    "rpc_server_active", "RPCs that are being answered now.", ["rpc_service", "rpc_method"], registry=REGISTRY
)
RPC_MESSAGES = Counter(
    "rpc_server_messages_total",
    "Messages of RPCs, by direction: received or sent.",
    ["rpc_service", "rpc_method", "direction"],
    registry=REGISTRY,
)

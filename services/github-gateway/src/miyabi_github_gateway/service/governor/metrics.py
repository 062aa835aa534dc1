"""The governor's metrics; the names are listed in docs/telemetry.md."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from miyabi_core.metrics import REGISTRY

#: Bounds in seconds: from none to the hour that GitHub's longest window has.
WAIT_BUCKETS = (0.001, 0.01, 0.1, 0.5, 1, 3, 10, 30, 60, 300, 900, 3600)

WAIT_SECONDS = Histogram(
    "miyabi_github_wait_seconds",
    "Time that requests to GitHub waited for leave to be sent.",
    ["gate", "lane"],
    buckets=WAIT_BUCKETS,
    registry=REGISTRY,
)
WAITING = Gauge("miyabi_github_waiting", "Requests that wait now.", ["gate", "lane"], registry=REGISTRY)
REFUSALS = Counter(
    "miyabi_github_refusals_total",
    "Requests that were not sent because a limit would have made them too late.",
    ["gate", "lane", "limit"],
    registry=REGISTRY,
)
LIMITED = Counter(
    "miyabi_github_limited_total",
    "Answers of GitHub that a limit was passed; there should be none.",
    ["resource", "kind"],
    registry=REGISTRY,
)
REMAINING = Gauge(
    "miyabi_github_remaining", "Points left of the hour, as last heard.", ["scope", "resource"], registry=REGISTRY
)
SHARED = Gauge(
    "miyabi_github_budget_shared",
    "1 where the budget of all replicas decides, 0 where this process decides with its part of the limits.",
    ["scope"],
    registry=REGISTRY,
)
REQUESTS = Counter(
    "miyabi_github_requests_total",
    "Requests sent to GitHub, by how they ended.",
    ["resource", "cost", "outcome"],
    registry=REGISTRY,
)
FAULTS = Counter(
    "miyabi_github_faults_total",
    "Requests to GitHub that went wrong, by what went wrong.",
    ["resource", "reason"],
    registry=REGISTRY,
)
CIRCUIT = Gauge(
    "miyabi_github_circuit_open", "1 while a host is left alone after failures in a row.", ["host"], registry=REGISTRY
)

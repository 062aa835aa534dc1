"""Counters of git transfers and mirrors; the names are listed in docs/telemetry.md."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from miyabi_core.metrics import REGISTRY

TRANSFERS = Counter(
    "miyabi_gateway_git_transfers_total",
    "Git requests of agents that were answered, by service and result: ok, refused, unavailable or ended early.",
    ["service", "result"],
    registry=REGISTRY,
)
UPSTREAM_REQUESTS = Counter(
    "miyabi_gateway_git_upstream_requests_total",
    "Git requests sent to GitHub, by kind: refs (what branches there are), info_refs, upload_pack, receive_pack.",
    ["kind"],
    registry=REGISTRY,
)
UPSTREAM_BYTES = Counter(
    "miyabi_gateway_git_upstream_received_bytes_total", "Bytes of git that came from GitHub.", registry=REGISTRY
)
MIRROR_FETCHES = Counter(
    "miyabi_gateway_mirror_fetches_total",
    "Looks at GitHub before a mirror served, by result: current, fetched, full or failed.",
    ["result"],
    registry=REGISTRY,
)
MIRROR_EVICTIONS = Counter("miyabi_gateway_mirror_evictions_total", "Mirrors removed for room.", registry=REGISTRY)
MIRROR_BYTES = Gauge("miyabi_gateway_mirror_bytes", "Bytes that the mirrors take on disk.", registry=REGISTRY)

"""Where strangers' requests come in over HTTP: for whom they are, who may send them, and JSON that is JSON."""

from __future__ import annotations

from miyabi_core.edge.door import HttpDoor, Refusal
from miyabi_core.edge.hosts import Authority, BadHostError, ServedHosts, names_of, parse_authority, parse_origin
from miyabi_core.edge.metrics_server import serve_metrics
from miyabi_core.edge.strict_json import InvalidJsonError

__all__ = [
    "Authority",
    "BadHostError",
    "HttpDoor",
    "InvalidJsonError",
    "Refusal",
    "ServedHosts",
    "names_of",
    "parse_authority",
    "parse_origin",
    "serve_metrics",
]

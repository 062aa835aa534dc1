"""A simulated GitHub: a real server on loopback with GitHub's own shapes, limits and failures."""

from __future__ import annotations

from miyabi_sim.github.apps import SimulatedApp
from miyabi_sim.github.server import SimulatedGitHub, fast_clock
from miyabi_sim.github.strictness.dials import Dials, Fault, LimitNumbers
from miyabi_sim.github.strictness.middleware import RequestRecord
from miyabi_sim.github.webhooks import WebhookTarget

__all__ = [
    "Dials",
    "Fault",
    "LimitNumbers",
    "RequestRecord",
    "SimulatedApp",
    "SimulatedGitHub",
    "WebhookTarget",
    "fast_clock",
]

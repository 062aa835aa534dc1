"""The rate governor: one budget a credential, shared by all replicas, asked before every request to GitHub."""

from __future__ import annotations

from miyabi_github_gateway.service.governor.governor import Governor
from miyabi_github_gateway.service.governor.governors import Governors
from miyabi_github_gateway.service.governor.local import Timing
from miyabi_github_gateway.service.governor.model import (
    NOTIFY_GAP_MS,
    WRITE_GAP_MS,
    Ask,
    Cost,
    Heard,
    Lane,
    Limits,
    Outcome,
)

__all__ = [
    "NOTIFY_GAP_MS",
    "WRITE_GAP_MS",
    "Ask",
    "Cost",
    "Governor",
    "Governors",
    "Heard",
    "Lane",
    "Limits",
    "Outcome",
    "Timing",
]

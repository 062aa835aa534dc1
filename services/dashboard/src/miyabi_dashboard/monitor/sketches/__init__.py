"""Durations in little memory, with quantiles that are right within a known share."""

from __future__ import annotations

from miyabi_dashboard.monitor.sketches.durations import Durations
from miyabi_dashboard.monitor.sketches.exact import Exact
from miyabi_dashboard.monitor.sketches.sketch import ACCURACY, Sketch

__all__ = ["ACCURACY", "Durations", "Exact", "Sketch"]

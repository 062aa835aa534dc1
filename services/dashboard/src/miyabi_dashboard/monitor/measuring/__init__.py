"""What an event means: which durations it ends, and what it counts."""

from __future__ import annotations

from miyabi_dashboard.monitor.measuring.measurements import Count, CountKey, Family, Measurement, SeriesKey
from miyabi_dashboard.monitor.measuring.reading import Reader

__all__ = ["Count", "CountKey", "Family", "Measurement", "Reader", "SeriesKey"]

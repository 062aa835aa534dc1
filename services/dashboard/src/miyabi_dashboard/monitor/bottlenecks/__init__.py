"""What takes long, by its seconds, by its share of the critical path, and beside its own last weeks."""

from __future__ import annotations

from miyabi_dashboard.monitor.bottlenecks.finding import Candidate, found_among
from miyabi_dashboard.monitor.bottlenecks.slower import Slower, slower_than_usual

__all__ = ["Candidate", "Slower", "found_among", "slower_than_usual"]

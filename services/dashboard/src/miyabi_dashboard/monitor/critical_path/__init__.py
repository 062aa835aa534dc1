"""Which seconds of a batch would have to be gone for it to end sooner, and by how much."""

from __future__ import annotations

from miyabi_dashboard.monitor.critical_path.history import History, read_history
from miyabi_dashboard.monitor.critical_path.paths import Stretch, path_of_batch, path_of_run
from miyabi_dashboard.monitor.critical_path.planning import plan_of
from miyabi_dashboard.monitor.critical_path.schedule import makespan
from miyabi_dashboard.monitor.critical_path.what_if import Change, gain

__all__ = [
    "Change",
    "History",
    "Stretch",
    "gain",
    "makespan",
    "path_of_batch",
    "path_of_run",
    "plan_of",
    "read_history",
]

"""Pure business rules: no clock, no network, no store."""

from __future__ import annotations

from miyabi_coordinator.decide.core import decide, record_progress
from miyabi_coordinator.decide.effects import COUNTER_OF_STATE, SPENT_COUNTERS, effects_of
from miyabi_coordinator.decide.pipeline import kind_of_task, new_run
from miyabi_coordinator.decide.retrying import retry_order, retry_waits

__all__ = [
    "COUNTER_OF_STATE",
    "SPENT_COUNTERS",
    "decide",
    "effects_of",
    "kind_of_task",
    "new_run",
    "record_progress",
    "retry_order",
    "retry_waits",
]

"""Pure business rules: no clock, no network, no store."""

from __future__ import annotations

from miyabi_coordinator.decide.core import decide, record_progress
from miyabi_coordinator.decide.duplicates import duplicates_of, suspects_of
from miyabi_coordinator.decide.effects import COUNTER_OF_STATE, SPENT_COUNTERS, effects_of
from miyabi_coordinator.decide.outcomes import closing_state
from miyabi_coordinator.decide.pipeline import kind_of_task, new_run
from miyabi_coordinator.decide.retrying import retried_by_default, retry_order, retry_waits

__all__ = [
    "COUNTER_OF_STATE",
    "SPENT_COUNTERS",
    "closing_state",
    "decide",
    "duplicates_of",
    "effects_of",
    "kind_of_task",
    "new_run",
    "record_progress",
    "retried_by_default",
    "retry_order",
    "retry_waits",
    "suspects_of",
]

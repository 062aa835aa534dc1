"""Counts for Prometheus what runs and tasks come to, and what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from miyabi_coordinator.models.enums import TaskKind, TaskState
from miyabi_coordinator.models.facts import BudgetWarned, IssueFinished, TaskChanged
from miyabi_coordinator.ports.store import Commit, Store
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger
from miyabi_core.metrics import REGISTRY

#: Seconds between two looks at the queues: a scrape of Prometheus is three times as far from the next one.
INTERVAL_SECONDS = 5.0
#: Bounds in seconds: from a label to a whole test suite.
TASK_BUCKETS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1200, 3600)

RUNS = Counter("miyabi_runs_ended", "Runs that ended, by how and why.", ["state", "reason"], registry=REGISTRY)
TASK_SECONDS = Histogram(
    "miyabi_task_seconds",
    "Time from the lease of a task to the end of the attempt.",
    ["kind", "state"],
    buckets=TASK_BUCKETS,
    registry=REGISTRY,
)
BUDGET_WARNINGS = Counter(
    "miyabi_budget_warnings", "Budgets of which 80 % is spent, by whose: batch, issue.", ["scope"], registry=REGISTRY
)
QUEUE = Gauge(
    "miyabi_queue_tasks",
    "Tasks ready in batches that are not paused, or leased; every replica tells the same.",
    ["kind"],
    registry=REGISTRY,
)
# A counter that begins above 0 has not grown, for Prometheus.
for _scope in ("batch", "issue"):
    BUDGET_WARNINGS.labels(_scope)

_LOG = get_logger(__name__)


def count(commit: Commit, *, now: float) -> None:
    """Count what a commit ended.

    Args:
        commit: Is written.
        now: Seconds since 1970.
    """
    for fact in commit.decision.facts:
        if isinstance(fact, IssueFinished):
            RUNS.labels(fact.run.state.name, fact.run.reason.name).inc()
        elif isinstance(fact, BudgetWarned):
            BUDGET_WARNINGS.labels("issue").inc()
        elif isinstance(fact, TaskChanged) and fact.before is TaskState.LEASED:
            task = fact.task
            TASK_SECONDS.labels(task.kind.name, task.state.name).observe(max(0.0, now - task.started))


async def show_queues(stores: Sequence[Store]) -> None:
    """Show how long the queues are, until it is cancelled; while a store is away the last look stands."""
    while True:
        try:
            sizes = await asyncio.gather(*(store.queue_sizes() for store in stores))
            for kind in TaskKind:
                QUEUE.labels(kind.name).set(sum(shard.get(int(kind), 0) for shard in sizes))
        except MiyabiError as error:
            _LOG.warning("queues.store_unavailable", error=str(error))
        await asyncio.sleep(INTERVAL_SECONDS)

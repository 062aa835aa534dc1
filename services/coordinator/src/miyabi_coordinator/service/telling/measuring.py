"""Notes how long tasks took and what they cost, and says from it when a batch will end."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence

from miyabi_coordinator.decide.eta import eta, rough_eta
from miyabi_coordinator.models import Batch, Decision, FailureReason, Run, Spec, TaskChanged, TaskState
from miyabi_coordinator.models.measured import bucket_of, field_of
from miyabi_coordinator.ports.keeper import Keeper
from miyabi_coordinator.ports.store import Commit, Store
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger

#: Seconds between writes: a second of measurements is lost with its replica, and nothing but an estimate misses it.
INTERVAL_SECONDS = 1.0

_LOG = get_logger(__name__)


class Measuring:
    """Measurements of one shard, gathered in memory and added to those of all replicas every second."""

    def __init__(self, store: Store, keeper: Keeper, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._keeper = keeper
        self._clock = clock
        self._noted: dict[str, Counter[str]] = {}

    def note(self, commit: Commit, _due: bool = False) -> None:
        """Count what a committed transition measured."""
        counts = measured_in(commit.decision)
        if counts:
            self._noted.setdefault(commit.decision.run.batch, Counter()).update(counts)

    async def run(self) -> None:
        """Write until it is cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.flush()
            except MiyabiError as error:
                _LOG.warning("measuring.store_unavailable", error=str(error))

    async def flush(self) -> None:
        """Write what was noted.

        Raises:
            UnavailableError: the store did not answer; what was not written is kept for the next time.
        """
        for batch in list(self._noted):
            spec = await self._store.load_spec(batch)
            if spec is not None and (counts := self._noted.get(batch)):
                await self._keeper.add_measured(scope_of(spec), dict(counts))
            self._noted.pop(batch, None)

    async def eta(self, batch: Batch, runs: Sequence[Run], *, slots: int = 0) -> float | None:
        """Return the seconds to a batch's end; None while that was not measured. *slots* are those of all agents."""
        if batch.ended:
            return None
        measured = await self._keeper.load_measured(scope_of(batch.spec))
        return eta(batch, runs, measured, now=self._clock(), slots=slots)

    async def rough_etas(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Return the seconds to the end of batches from their counters alone; those unknown are left out."""
        scopes = {scope_of(batch.spec) for batch in batches if not batch.ended}
        measured = {scope: await self._keeper.load_measured(scope) for scope in scopes}
        found = {batch.id: rough_eta(batch, measured[scope_of(batch.spec)]) for batch in batches if not batch.ended}
        return {batch: seconds for batch, seconds in found.items() if seconds is not None}


def scope_of(spec: Spec) -> str:
    """Return what measurements are kept by: the same step takes as long on the same repository."""
    return f"{spec.repository}|{int(spec.pipeline)}"


def measured_in(decision: Decision) -> Counter[str]:
    """Return what a transition measured: each task that ended under a lease, with its duration and its cost."""
    counts: Counter[str] = Counter()
    for fact in decision.facts:
        if not isinstance(fact, TaskChanged) or fact.before is not TaskState.LEASED:
            continue
        task = fact.task
        if task.state not in {TaskState.SUCCEEDED, TaskState.FAILED} or not task.ended:
            continue
        kind, seconds = int(task.kind), max(0.0, task.ended - task.started)
        counts[field_of("d", kind, bucket_of(seconds * 1000))] += 1
        # What a budget cut short says nothing of what the step costs.
        if fact.spent is not None and task.reason is not FailureReason.BUDGET_EXHAUSTED:
            counts[field_of("c", kind, bucket_of(fact.spent.cost_usd_micros))] += 1
            counts[field_of("t", kind, bucket_of(fact.spent.tokens))] += 1
    return counts

"""Random batches on the coordinator's own simulation: its decisions, its queues, its events."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.result_pb2 import PlanResult
from miyabi_coordinator.decide import new_run
from miyabi_coordinator.decide.outcomes import RESULT_FIELDS
from miyabi_coordinator.models import (
    Batch,
    Counters,
    Decision,
    Done,
    Failed,
    FailureReason,
    Pipeline,
    PlannedStep,
    Run,
    Spec,
    Task,
    TaskKind,
)
from miyabi_coordinator.reference.simulation import Simulation
from miyabi_coordinator.translate.events import accepted, encode

#: The batch of every simulation.
BATCH = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#: Typical seconds of each kind of task.
USUAL = {
    TaskKind.TRIAGE: 4.0,
    TaskKind.PLAN: 8.0,
    TaskKind.IMPLEMENT: 40.0,
    TaskKind.VERIFY: 25.0,
    TaskKind.REVIEW: 6.0,
    TaskKind.DOCUMENT: 5.0,
    TaskKind.PULL_REQUEST: 3.0,
}


@dataclass(frozen=True)
class Batchful:
    """A batch to simulate; the same one always goes the same way.

    Args:
        seed: Decides durations and failures.
        issues: How many.
        slots: Of all agents together.
        concurrency: Issues in flight at once.
        parallel: Leased tasks at once.
        pipeline: Steps.
        flaky: Share of attempts that fail and are repeated.
        unproven: Share of verifications that send the change back.
        dying: Share of attempts whose agent dies with them.
        chained: Share of issues that wait for the one before.
        asks: A person approves each pull request, at once.
        files: So many files there are, of which each plan names one; 0: plans name none, and no issue is ordered by it.
        factors: Share of the time that a kind of task takes; others take all of it.
    """

    seed: int
    issues: int
    slots: int
    concurrency: int
    parallel: int
    pipeline: Pipeline = Pipeline.FIX
    flaky: float = 0.0
    unproven: float = 0.0
    dying: float = 0.0
    chained: float = 0.0
    asks: bool = False
    files: int = 0
    factors: tuple[tuple[TaskKind, float], ...] = ()

    def changed(self, **fields: object) -> Batchful:
        """Return the batch with other limits or factors, and the same chance."""
        return replace(self, **fields)  # type: ignore[arg-type]


def random_batch(seed: int) -> Batchful:
    """Return a batch; one of two is short of slots, one of two of concurrency, most meet failures.

    No review sends a change back: the documentation beside it is then stopped, and a simulated agent, unlike a real one,
    keeps its slot for as long as it had taken, which no log tells.
    """
    chance = random.Random(seed)
    concurrency = chance.randint(1, 10)
    return Batchful(
        seed,
        issues=chance.randint(2, 30),
        slots=chance.randint(1, 12),
        concurrency=concurrency,
        parallel=concurrency if chance.random() < 0.7 else chance.randint(1, 12),
        pipeline=Pipeline.FIX if chance.random() < 0.8 else Pipeline.TRIAGE,
        flaky=chance.choice((0.0, 0.03, 0.1)),
        unproven=chance.choice((0.0, 0.2, 0.4)),
        chained=chance.choice((0.0, 0.0, 0.3)),
        dying=chance.choice((0.0, 0.0, 0.03)),
        asks=chance.random() < 0.2,
        files=chance.choice((0, 0, 0, 5, 20)),
    )


def work_of(batch: Batchful) -> Callable[[Run, Task], tuple[float, Done | Failed | None]]:
    """Return the agents' work: what becomes of an attempt hangs on its own name alone, whenever it is made."""
    factors = dict(batch.factors)

    def work(run: Run, task: Task) -> tuple[float, Done | Failed | None]:
        chance = random.Random(f"{batch.seed}|{run.issue}|{task.id}|{task.attempt}")
        seconds = USUAL[task.kind] * chance.lognormvariate(0, 0.5) * factors.get(task.kind, 1.0)
        if task.attempt == 1 and chance.random() < batch.flaky:
            return seconds, Failed(FailureReason.MODEL_UNAVAILABLE, retryable=True)
        if chance.random() < batch.dying:
            return seconds, None
        passed = task.kind is not TaskKind.VERIFY or chance.random() >= batch.unproven
        touches = (f"{chance.randrange(batch.files)}.py",) if batch.files and task.kind is TaskKind.PLAN else ()
        value = PlanResult(files=touches).SerializeToString() if touches else b""
        field = RESULT_FIELDS[task.kind]
        return seconds, Done(field, value, files=1, passed=passed, steps=(PlannedStep("a"),), touches=touches)

    return work


def simulate(batch: Batchful) -> tuple[float, list[BatchEvent]]:
    """Return the seconds that a batch took, and its log."""
    numbers = tuple(range(1, batch.issues + 1))
    spec = Spec("acme/forms", numbers, pipeline=batch.pipeline, concurrency=batch.concurrency,
                max_parallel_tasks=batch.parallel, max_fix_rounds=2,
                require_approval=batch.asks, grouping=batch.files > 0)  # fmt: skip
    events: list[BatchEvent] = []
    sequence = iter(range(2, 1 << 30))

    def see(decision: Decision, now: float) -> None:
        for fact in decision.facts:
            event = BatchEvent.FromString(encode(fact, run=decision.run, actor="agent", traceparent="", now=now))
            event.sequence = next(sequence)
            events.append(event)

    simulation = Simulation(batch.slots, work_of(batch), on_decision=see)
    chance = random.Random(batch.seed)
    after = {n: (n - 1,) for n in numbers[1:] if chance.random() < batch.chained}
    runs = [
        new_run(BATCH, n, spec=spec, title="", url="", depends_on=after.get(n, ()),
                dependents=tuple(other for other, before in after.items() if n in before))
        for n in numbers
    ]  # fmt: skip
    record = Batch(BATCH, spec, counters=Counters(pending=len(numbers)))
    first = accepted(record, runs)
    first.sequence = 1
    simulation.submit(record, runs)
    simulation.run()
    return simulation.seen[BATCH].ended, [first, *events]

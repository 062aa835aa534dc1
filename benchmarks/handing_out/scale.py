"""Row scale: 100,000 issues on 1,000 agents: the real decision function and scheduling rules on a simulated clock."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator

from benchmarks.measuring.report import Row
from miyabi_coordinator.decide import new_run
from miyabi_coordinator.decide.outcomes import RESULT_FIELDS
from miyabi_coordinator.models import (
    Batch,
    Counters,
    Done,
    Failed,
    FailureReason,
    Pipeline,
    PlannedStep,
    Released,
    Run,
    Spec,
    Task,
    TaskKind,
)
from miyabi_coordinator.reference.simulation import Simulation, Work
from miyabi_coordinator.shards import new_batch_id

#: Issues and agents of the simulation, slots of each agent.
ISSUES, AGENTS, SLOTS_EACH = 100_000, 1_000, 2
#: Weights of the large batches that all want more slots than there are.
WEIGHTS = (1, 1, 2, 2, 4, 4, 1, 1)
#: Small batches of three issues, handed over one after the other while the large ones wait for slots.
SMALL_BATCHES, SMALL_ISSUES = 200, 3
#: Mean seconds of each kind of task; each takes half to one and a half times that.
MEANS = dict(zip(TaskKind, (8.0, 20.0, 90.0, 40.0, 30.0, 20.0, 5.0), strict=True))
#: Share of attempts that fail in a way that a repeat may mend, that fail for good, whose agent dies.
FLAKY, BROKEN, DYING = 0.03, 0.005, 0.002
#: Share of verifications and reviews that send the change back.
SENT_BACK = 0.15
#: Pull requests an hour: what a few hundred installations may open together, 500 each.
PULLS_PER_HOUR = 20_000
#: Share of the large batches' issues that go through the whole pipeline; the others are triaged.
FIX_BATCHES = 2
#: When shares are looked at, in simulated seconds: all large batches have work for every slot they get.
WINDOW = (60.0, 200.0)


def agents(seed: int) -> Work:
    """Return what agents make of tasks."""
    chance = random.Random(seed)

    def work(_run: Run, task: Task) -> tuple[float, Done | Failed | Released | None]:
        seconds = MEANS[task.kind] * chance.uniform(0.5, 1.5)
        dice = chance.random()
        if dice < DYING:
            return seconds, None
        if dice < DYING + FLAKY:
            return seconds / 2, Failed(FailureReason.MODEL_UNAVAILABLE, "Busy.", retryable=True)
        if dice < DYING + FLAKY + BROKEN:
            return seconds / 2, Failed(FailureReason.AGENT_ERROR, "Broken.")
        passed = task.kind not in {TaskKind.VERIFY, TaskKind.REVIEW} or chance.random() > SENT_BACK
        return seconds, Done(RESULT_FIELDS[task.kind], b"", passed=passed, files=1, steps=(PlannedStep("Mend it"),))

    return work


def hand_over(simulation: Simulation, issues: int, *, pipeline: Pipeline, weight: int, concurrency: int) -> str:
    """Submit a batch now; returns its id."""
    identifier = new_batch_id(0)
    numbers = tuple(range(1, issues + 1))
    spec = Spec(
        "acme/forms",
        numbers,
        pipeline=pipeline,
        concurrency=concurrency,
        max_parallel_tasks=concurrency,
        weight=weight,
    )
    runs = [
        new_run(identifier, number, spec=spec, title="", url="", depends_on=(), dependents=()) for number in numbers
    ]
    simulation.submit(Batch(identifier, spec, counters=Counters(pending=issues), created=simulation.now), runs)
    return identifier


def jain(values: list[float]) -> float:
    """Return Jain's fairness index: 1 where all are alike, 1/n where one has everything."""
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values))


async def rows() -> AsyncIterator[Row]:
    """Simulate once; the seed makes it the same each time."""
    began = time.perf_counter()
    slots = AGENTS * SLOTS_EACH
    simulation = Simulation(slots, agents(20_26), pulls_per_hour=PULLS_PER_HOUR)
    each = (ISSUES - SMALL_BATCHES * SMALL_ISSUES) // len(WEIGHTS)
    large = [
        hand_over(
            simulation,
            each,
            pipeline=Pipeline.FIX if number < FIX_BATCHES else Pipeline.TRIAGE,
            weight=weight,
            concurrency=1000,
        )
        for number, weight in enumerate(WEIGHTS)
    ]
    small: list[str] = []
    for number in range(SMALL_BATCHES):
        simulation.at(
            30.0 + number,
            lambda: small.append(
                hand_over(simulation, SMALL_ISSUES, pipeline=Pipeline.TRIAGE, weight=1, concurrency=SMALL_ISSUES)
            ),
        )
    simulation.run(until=WINDOW[0])
    before = [simulation.seen[batch].leases for batch in large]
    simulation.run(until=WINDOW[1])
    shares = [simulation.seen[batch].leases - first for batch, first in zip(large, before, strict=True)]
    simulation.run()
    yield _throughput(simulation, slots=slots, took=time.perf_counter() - began)
    yield _fairness(simulation, shares, small)


def _throughput(simulation: Simulation, *, slots: int, took: float) -> Row:
    """Return how well the slots were used, that everything ended, and how fast the rules themselves are."""
    ended = [facts for facts in simulation.shard.batches.values() if facts.state.terminal]
    runs = [run for facts in ended for run in facts.runs.values()]
    open_runs = sum(facts.open for facts in simulation.shard.batches.values())
    busy = sum(seen.busy_seconds for seen in simulation.seen.values())
    last = max(seen.ended for seen in simulation.seen.values())
    usage = busy / (slots * last)
    return Row(
        "scale",
        {
            "simulated_hours": round(last / 3600, 3),
            "issues_per_simulated_hour": round(len(runs) * 3600 / last),
            "slot_usage": round(usage, 4),
            "decisions": simulation.decisions,
            "decisions_per_second": round(simulation.decisions / took),
            "wall_s": round(took, 1),
            "succeeded": sum(run.state.name == "SUCCEEDED" for run in runs),
        },
        {"slots": slots, "issues": ISSUES},
        open_runs,
        "every issue of every batch ended: nothing is open",
        open_runs == 0 and len(runs) == ISSUES,
        ISSUES,
    )


def _fairness(simulation: Simulation, shares: list[int], small: list[str]) -> Row:
    """Return how well leases follow weights, and how long small batches wait behind the large ones."""
    per_weight = [share / weight for share, weight in zip(shares, WEIGHTS, strict=True)]
    total, weights = sum(shares), sum(WEIGHTS)
    wanted = [total * weight / weights for weight in WEIGHTS]
    error = max(abs(share - aim) / aim for share, aim in zip(shares, wanted, strict=True))
    waits = sorted(seen.first_lease - seen.submitted for seen in (simulation.seen[batch] for batch in small))
    index = jain(per_weight)
    return Row(
        "scale",
        {
            "jain": round(index, 5),
            "worst_share_error": round(error, 4),
            "small_batch_first_lease_p50_s": round(waits[len(waits) // 2], 3),
            "small_batch_first_lease_max_s": round(waits[-1], 3),
        },
        {"triage_mean_s": MEANS[TaskKind.TRIAGE]},
        waits[-1] / MEANS[TaskKind.TRIAGE],
        "shares of leases within 10 % of the weights; a small batch's first lease within one task's time",
        error <= 0.10 and waits[-1] <= MEANS[TaskKind.TRIAGE],
        ISSUES,
    )

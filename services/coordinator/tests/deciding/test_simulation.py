"""The simulation: the rules on a clock that is turned."""

from __future__ import annotations

import random
from collections import Counter

from miyabi_coordinator.decide import new_run
from miyabi_coordinator.decide.outcomes import RESULT_FIELDS
from miyabi_coordinator.models import (
    Batch,
    BatchState,
    Counters,
    Done,
    Failed,
    FailureReason,
    Pipeline,
    PlannedStep,
    Spec,
    TaskKind,
)
from miyabi_coordinator.reference.simulation import HOUR, Simulation


def hand_over(simulation, name, issues, *, pipeline=Pipeline.TRIAGE, weight=1):
    numbers = tuple(range(1, issues + 1))
    spec = Spec("acme/forms", numbers, pipeline=pipeline, concurrency=100, max_parallel_tasks=100, weight=weight)
    runs = [new_run(name, n, spec=spec, title="", url="", depends_on=(), dependents=()) for n in numbers]
    simulation.submit(Batch(name, spec, counters=Counters(pending=issues)), runs)


def agents(seed, *, flaky=0.0, dying=0.0):
    chance = random.Random(seed)

    def work(_run, task):
        dice = chance.random()
        if dice < dying:
            return 0.0, None
        if dice < dying + flaky:
            return 1.0, Failed(FailureReason.MODEL_UNAVAILABLE, retryable=True)
        return chance.uniform(5, 15), Done(RESULT_FIELDS[task.kind], b"", files=1, steps=(PlannedStep("a"),))

    return work


def test_leases_follow_weights_and_small_batches_do_not_wait():
    """While four batches want more than there is, each gets its weight's share; three issues begin within a task's time."""
    simulation = Simulation(20, agents(1))
    weights = {"a": 1, "b": 1, "c": 2, "d": 4}
    for name, weight in weights.items():
        hand_over(simulation, name, 300, weight=weight)
    simulation.run(until=100)
    hand_over(simulation, "small", 3)
    simulation.run(until=200)
    leases = {name: simulation.seen[name].leases for name in weights}
    for name, weight in weights.items():
        assert abs(leases[name] / sum(leases.values()) - weight / 8) <= 0.1 * weight / 8
    assert simulation.seen["small"].first_lease - 100 <= 10


def test_everything_ends_whatever_agents_do_and_the_quota_is_kept():
    """Agents fail and die; every issue ends, no hour sees more pull requests than allowed, and none is wasted."""
    pulls = Counter()

    def see(decision, now):
        for task in decision.effects.leases_set:
            if task.kind is TaskKind.PULL_REQUEST:
                pulls[int(now // HOUR)] += 1

    simulation = Simulation(30, agents(2, flaky=0.05, dying=0.01), pulls_per_hour=20, on_decision=see)
    hand_over(simulation, "fix", 70, pipeline=Pipeline.FIX)
    hand_over(simulation, "triage", 100)
    simulation.run()
    states = {name: simulation.facts(name).state for name in ("fix", "triage")}
    assert all(state in {BatchState.SUCCEEDED, BatchState.FAILED} for state in states.values())
    assert all(simulation.facts(name).open == 0 for name in states)
    assert max(pulls.values()) == 20
    assert sum(pulls.values()) >= simulation.facts("fix").counters["succeeded"] > 60
    assert simulation.facts("fix").counters["leased"] == 0

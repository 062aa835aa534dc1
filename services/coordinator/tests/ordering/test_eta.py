"""The expected end of a batch, from measured durations."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from miyabi_coordinator.decide import new_run
from miyabi_coordinator.decide.eta import eta, rough_eta
from miyabi_coordinator.decide.outcomes import RESULT_FIELDS
from miyabi_coordinator.models import Batch, Counters, Done, Pipeline, PlannedStep, Spec, TaskKind
from miyabi_coordinator.models.measured import Measured, bucket_of, measured_of, middle_of
from miyabi_coordinator.reference.simulation import Simulation
from miyabi_coordinator.service.submitting.dependencies import dependents_of
from miyabi_coordinator.service.telling.measuring import measured_in


def steady(pipeline, *, issues=60, concurrency=5, edges=()):
    """Return a simulation of a batch whose tasks take half to one and a half times their mean, and what it measured."""
    random_ = random.Random(7)
    means = dict(zip(TaskKind, (4, 10, 30, 12, 8, 6, 3), strict=True))
    counts = Counter()

    def work(_run, task):
        result = Done(RESULT_FIELDS[task.kind], b"", files=1, steps=(PlannedStep("a"),))
        return means[task.kind] * random_.uniform(0.5, 1.5), result

    simulation = Simulation(50, work, on_decision=lambda decision, _now: counts.update(measured_in(decision)))
    numbers = tuple(range(1, issues + 1))
    spec = Spec("acme/forms", numbers, pipeline=pipeline, concurrency=concurrency, max_parallel_tasks=concurrency)
    before = {n: tuple(a for a, b in edges if b == n) for n in numbers}
    after = dependents_of(before)
    runs = [new_run("B", n, spec=spec, title="", url="", depends_on=before[n], dependents=after[n]) for n in numbers]
    batch = Batch("B", spec, counters=Counters(pending=issues))
    simulation.submit(batch, runs)
    return simulation, counts


def view(simulation):
    """Return the batch as it is in a simulation."""
    facts = simulation.facts("B")
    names = ("pending", "running", "awaiting_approval", "succeeded", "failed", "skipped", "cancelled")
    counters = Counters(**{name: facts.counters[name] for name in names})
    return Batch("B", facts.spec, state=facts.state, counters=counters), list(facts.runs.values())


@pytest.mark.parametrize("pipeline", [Pipeline.TRIAGE, Pipeline.FIX])
@pytest.mark.parametrize("edges", [(), ((1, 2), (2, 3), (1, 60))])
def test_half_way_the_estimate_is_right_within_a_quarter(pipeline, edges):
    """At half of a steady batch's time, what is left is told within 25 %, from the counters alone as well."""
    whole, _ = steady(pipeline, edges=edges)
    whole.run()
    total = whole.seen["B"].ended
    half, counts = steady(pipeline, edges=edges)
    half.run(until=total / 2)
    batch, runs = view(half)
    measured = measured_of(counts)
    left = eta(batch, runs, measured, now=half.now)
    assert left == pytest.approx(total / 2, rel=0.25)
    assert rough_eta(batch, measured) == pytest.approx(total / 2, rel=0.25)


def test_nothing_is_told_before_it_was_measured():
    """Without measurements, or with a step that is left and was never measured, there is no estimate."""
    simulation, _ = steady(Pipeline.FIX)
    batch, runs = view(simulation)
    assert eta(batch, runs, Measured(), now=0.0) is None
    partly = dict.fromkeys((TaskKind.TRIAGE, TaskKind.PLAN), 1.0)
    assert eta(batch, runs, partly, now=0.0) is None
    assert rough_eta(batch, Measured()) is None


def test_critical_path_of_dependent_issues_counts():
    """Three issues in a row take three times as long, however many slots there are."""
    simulation, _ = steady(Pipeline.TRIAGE, issues=3, concurrency=3, edges=((1, 2), (2, 3)))
    batch, runs = view(simulation)
    assert eta(batch, runs, {TaskKind.TRIAGE: 10.0}, now=0.0) == 30.0
    free, _ = steady(Pipeline.TRIAGE, issues=3, concurrency=3)
    batch, runs = view(free)
    assert eta(batch, runs, {TaskKind.TRIAGE: 10.0}, now=0.0) == 10.0
    assert eta(batch, runs, {TaskKind.TRIAGE: 10.0}, now=0.0, slots=1) == 30.0


@pytest.mark.parametrize("value", [1, 2, 17, 1000, 123_456, 10**9])
def test_buckets_are_right_within_a_twentieth(value):
    """A bucket's middle is at most 5 % off what fell into it."""
    assert middle_of(bucket_of(value)) == pytest.approx(value, rel=0.05)


def test_quantiles_of_counts():
    """Half of the values lie below the median, nine tenths below the ninth decile."""
    counts = Counter(f"d|1|{bucket_of(milliseconds)}" for milliseconds in range(1, 1001))
    measured = measured_of(counts)
    assert measured.seconds(TaskKind.TRIAGE, 0.5) == pytest.approx(0.5, rel=0.06)
    assert measured.seconds(TaskKind.TRIAGE, 0.9) == pytest.approx(0.9, rel=0.06)
    assert measured.seconds(TaskKind.TRIAGE) == pytest.approx(0.5, rel=0.06)
    assert measured.cost(TaskKind.TRIAGE, 0.9) is None

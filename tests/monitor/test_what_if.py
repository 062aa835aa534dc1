"""What the monitor predicts of a change against the coordinator's simulation that is run with it."""

from __future__ import annotations

import random

import pytest

from miyabi_coordinator.models import TaskKind
from miyabi_dashboard.monitor.critical_path import Change, gain, makespan, plan_of, read_history
from tests.monitor.simulated_batches import Batchful, random_batch, simulate

#: Batches of the whole property.
BATCHES = 200
#: Batches of one test, which is then over in some seconds.
TOGETHER = 10
#: Largest error of a predicted gain, as a share of the gain when the change is made.
ERROR = 0.1
#: Seconds that are no gain: timestamps have microseconds, and there are thousands of them.
NOISE_SECONDS = 0.001
#: A quarter of the seeds in every run, the rest in `make test-slow`: each batch is simulated four times.
SEEDS = [
    pytest.param(first, marks=[pytest.mark.slow] if first >= BATCHES // 4 else [], id=f"from_{first}")
    for first in range(0, BATCHES, TOGETHER)
]


def changes_of(batch: Batchful) -> list[tuple[Change, Batchful]]:
    """Return changes as they are predicted, and as they are made."""
    kind = random.Random(batch.seed).choice((TaskKind.IMPLEMENT, TaskKind.VERIFY, TaskKind.TRIAGE))
    parallel = batch.parallel + (batch.parallel == batch.concurrency)
    return [
        (Change(kind=kind.name.lower(), factor=0.5), batch.changed(factors=((kind, 0.5),))),
        (Change(slots=1), batch.changed(slots=batch.slots + 1)),
        (Change(concurrency=1), batch.changed(concurrency=batch.concurrency + 1, parallel=parallel)),
    ]


@pytest.mark.parametrize("first", SEEDS)
def test_a_predicted_gain_is_the_gain_when_the_change_is_made(first: int) -> None:
    """Half of a kind's time, a slot more, concurrency by one more: on random batches each gains what was said, within 10 %."""
    wrong = []
    for seed in range(first, first + TOGETHER):
        batch = random_batch(seed)
        took, events = simulate(batch)
        plan = plan_of(read_history(events), slots=batch.slots)
        base = makespan(plan)
        for change, changed in changes_of(batch):
            made, predicted = took - simulate(changed)[0], gain(plan, change, base=base)
            if abs(predicted - made) > ERROR * abs(made) + NOISE_SECONDS:
                wrong.append((seed, change, predicted, made))
    assert wrong == []

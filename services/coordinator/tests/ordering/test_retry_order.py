"""Which runs run again together, and that those that wait are written first."""

from __future__ import annotations

import pytest

from miyabi_coordinator.decide import retry_order, retry_waits
from miyabi_coordinator.models import Run, RunState

#: 1 failed, so that 2 was skipped, so that 3 was, which also waits for 4, which failed; 5 succeeded and waits for nobody.
RUNS = {
    run.issue: run
    for run in (
        Run("B", 1, state=RunState.FAILED, dependents=(2,)),
        Run("B", 2, state=RunState.SKIPPED, depends_on=(1, 5), dependents=(3,)),
        Run("B", 3, state=RunState.SKIPPED, depends_on=(2, 4)),
        Run("B", 4, state=RunState.FAILED, dependents=(3,)),
        Run("B", 5, state=RunState.SUCCEEDED, dependents=(2,)),
    )
}


@pytest.mark.parametrize(
    ("chosen", "again"),
    [({1}, {1, 2}), ({2}, {1, 2}), ({3}, {1, 2, 3, 4}), ({4}, {4}), ({1, 4}, {1, 2, 3, 4}), ({5}, set())],
)
def test_what_runs_again(chosen, again):
    """A chosen issue brings the prerequisites it needs and the skipped issues that then can run; waiters come first."""
    order = retry_order(RUNS, chosen)
    assert set(order) == again
    assert all(order.index(waiter) < order.index(n) for n in order for waiter in RUNS[n].dependents if waiter in again)


def test_a_retried_run_waits_for_those_that_run_again():
    """A prerequisite that succeeded before is not waited for."""
    assert retry_waits(RUNS[2], {1, 2}) == (1,)

"""Which runs run again when an operator retries some, and in which order that is safe to write."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from miyabi_coordinator.models import Run, RunState

_RETRYABLE = frozenset({RunState.FAILED, RunState.SKIPPED})


def retry_order(runs: Mapping[int, Run], chosen: Collection[int]) -> tuple[int, ...]:
    """Return the issues to run again, each after the issues that wait for it.

    A chosen issue brings the prerequisites that it cannot do without, and the skipped issues that then can run: those
    all of whose prerequisites succeeded or run again. In this order a run waits before its prerequisite can end.
    """
    again = {number for number in chosen if runs[number].state in _RETRYABLE}
    ahead = list(again)
    while ahead:
        for number in _missing(runs, ahead.pop()):
            if number not in again:
                again.add(number)
                ahead.append(number)
    ahead = list(again)
    while ahead:
        for number in runs[ahead.pop()].dependents:
            if (
                number not in again
                and runs[number].state is RunState.SKIPPED
                and again.issuperset(_missing(runs, number))
            ):
                again.add(number)
                ahead.append(number)
    return _dependents_first(runs, again)


def retried_by_default(runs: Mapping[int, Run]) -> set[int]:
    """Return the issues that run again where none is chosen: a duplicate does only together with its original."""
    return {number for number, run in runs.items() if run.duplicate_of is None}


def retry_waits(run: Run, again: Collection[int]) -> tuple[int, ...]:
    """Return the issues that a run waits for once all of *again* run again."""
    return tuple(number for number in run.depends_on if number in again)


def _missing(runs: Mapping[int, Run], number: int) -> list[int]:
    """Return the prerequisites of an issue that did not succeed."""
    return [other for other in runs[number].depends_on if runs[other].state is not RunState.SUCCEEDED]


def _dependents_first(runs: Mapping[int, Run], again: set[int]) -> tuple[int, ...]:
    """Return the issues so that each follows all that depend on it; submit refused circles."""
    left = {number: sum(other in again for other in runs[number].dependents) for number in again}
    free = sorted(number for number, count in left.items() if not count)
    order: list[int] = []
    while free:
        number = free.pop()
        order.append(number)
        for other in runs[number].depends_on:
            if other in left:
                left[other] -= 1
                if not left[other]:
                    free.append(other)
    return tuple(order)

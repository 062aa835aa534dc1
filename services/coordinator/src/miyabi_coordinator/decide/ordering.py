"""Which planned changes wait for which others: those that touch the same files come one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from miyabi_coordinator.models import Done, OrderSettled, Run, RunOrdered, RunState, SharedFiles, Spec, WayFreed
from miyabi_core.text import enumerated

#: Files of a plan that count: it lists the likeliest first, and a fix rarely touches more. A longer list is what the
#: implementer may want to look at, and would have nearly all issues of a project wait for one another.
TOUCHED = 3
#: Issues of a batch that are still ordered: for each plan the runs of all of them are read.
MOST_ORDERED = 200


def is_ordered(spec: Spec) -> bool:
    """Tell whether the issues of a batch are ordered: a dry run leaves no branch to go on from."""
    return spec.grouping and not spec.dry_run and 1 < len(spec.issues) <= MOST_ORDERED


def not_ordered(spec: Spec) -> str:
    """Return how it is said that a batch that wants its issues ordered is too large for it; empty where it is not."""
    if not spec.grouping or spec.dry_run or len(spec.issues) <= MOST_ORDERED:
        return ""
    return f"Which issues touch the same files: the issues of a batch of more than {MOST_ORDERED} are not ordered."


def planned(run: Run, done: Done, *, spec: Spec, now: float) -> Run:
    """Return the run after its plan: where the batch is ordered, it is to be decided whom the change waits for."""
    if not is_ordered(spec) or not done.touches:
        return run
    return replace(run, planned=now, touches=done.touches[:TOUCHED], settling=True)


def shares_of(run: Run, others: Iterable[Run]) -> tuple[SharedFiles, ...]:
    """Return whom a planned change waits for: runs under way that were planned before and touch one of its files.

    When a run was planned never changes, so no two can wait for each other, whoever decides and whenever. A run that
    was planned is not held up by `depends_on` any more either, so there is no circle with those.
    """
    mine = set(run.touches)
    found = []
    for other in others:
        earlier = other.planned and (other.planned, other.issue) < (run.planned, run.issue)
        if earlier and other.state is RunState.RUNNING and (common := mine.intersection(other.touches)):
            found.append(SharedFiles(other.issue, tuple(sorted(common))))
    return tuple(sorted(found, key=lambda entry: entry.issue))


def freed_by(other: Run) -> WayFreed | None:
    """Return what a run that is not under way any more means for those that wait for it; None while it is."""
    match other.state:
        case RunState.RUNNING:
            return None
        case RunState.SUCCEEDED:
            return WayFreed(other.issue, "is done", other.pushed)
        case RunState.AWAITING_APPROVAL:
            return WayFreed(other.issue, "waits for approval")
        case _:
            return WayFreed(other.issue, "did not succeed")


def waiting_for(number: int, runs: Iterable[Run]) -> list[Run]:
    """Return the runs that wait for an issue."""
    return [run for run in runs if any(share.issue == number for share in run.shares)]


def settle(run: Run, event: OrderSettled) -> tuple[Run, tuple[RunOrdered, ...]]:
    """Return the run once it is decided whom it waits for, with what is told of it."""
    run = replace(run, settling=False, shares=event.shares)
    return run, (RunOrdered(event.shares, waiting_sentence(event.shares)),) if event.shares else ()


def free(run: Run, event: WayFreed) -> tuple[Run, tuple[RunOrdered, ...]]:
    """Return the run without one that it waited for, from whose branch it starts where there is one."""
    shares = tuple(share for share in run.shares if share.issue != event.issue)
    run = replace(run, shares=shares, base=event.branch or run.base)
    message = f"#{event.issue} {event.how}"
    message += f": the change starts from its branch {event.branch.name}." if event.branch else "."
    return run, (RunOrdered(shares, f"{message} {waiting_sentence(shares) if shares else 'Goes on.'}"),)


def waiting_sentence(shares: Sequence[SharedFiles]) -> str:
    """Return whom a run waits for and why, like `Waits for #12: both touch src/cart.py`."""
    parts = [f"#{share.issue}: both touch {enumerated(share.files, TOUCHED)}" for share in shares]
    return f"Waits for {'; for '.join(parts)}."

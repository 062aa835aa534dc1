"""A budget that ends in the middle: what is proven is delivered as a draft, with what it lacks; nothing else is.

Tests and pull request ask no model, so they cost nothing of what the budget counts.
"""

from __future__ import annotations

from msgspec.structs import replace

from miyabi_coordinator.decide import pipeline
from miyabi_coordinator.models import (
    NO_BUDGET,
    FailureReason,
    Pipeline,
    Run,
    Spec,
    Task,
    TaskKind,
    TaskState,
)

#: Steps that come after something that may be proven, up to the pull request. Tests are leased by what an issue keeps
#: for its later steps like any other: where that is gone, they are run for nothing.
_CUT_SHORT = frozenset({TaskKind.IMPLEMENT, TaskKind.VERIFY, TaskKind.REVIEW, TaskKind.DOCUMENT})
#: What a change lacks whose later steps were not made.
_LACKS = {TaskKind.REVIEW: "A review of the change.", TaskKind.DOCUMENT: "Documentation of the change."}


def salvage(run: Run, task: Task, *, spec: Spec, message: str, now: float) -> Run | None:
    """Return the run with what is still to be done for what is proven; None where nothing can be.

    Where the newest change is proven, or the one before the round that was cut short, it is delivered. Where steps of
    the plan were made and none was tested yet, they are tested first.

    Args:
        run: As it was when the budget ended.
        task: The step that it does not pay for.
        spec: What the batch was asked for.
        message: What ended, in a sentence.
        now: Seconds since 1970.
    """
    proven = _is_proven(run)
    made = proven or (bool(run.results.change_set) and not run.results.verification)
    if run.missing or spec.pipeline is not Pipeline.FIX or task.kind not in _CUT_SHORT or not made:
        return None
    ended = replace(
        task, state=TaskState.FAILED, reason=FailureReason.BUDGET_EXHAUSTED, message=message, ended=now,
        lease_expires=0.0, reserved=NO_BUDGET,
    )  # fmt: skip
    missing = _missing(run, task)
    tasks = [_given_up(entry, now) for entry in run.with_task(ended).tasks]
    added = pipeline.last_checks(run, tested=proven)
    return replace(run, tasks=(*tasks, *added), missing=missing, kept=NO_BUDGET)


def summary(run: Run) -> str:
    """Say what a run brought whose budget ended in the middle."""
    return f"The budget ended. What is proven is in the draft; it lacks: {' '.join(run.missing)}"


def _is_proven(run: Run) -> bool:
    """Tell whether tests have proven the change as it is."""
    verified = [task for task in _of_generation(run) if task.kind is TaskKind.VERIFY and task.state.terminal]
    succeeded = [task for task in verified if task.state is TaskState.SUCCEEDED]
    return bool(run.results.verification and succeeded and succeeded[-1] is verified[-1])


def _missing(run: Run, task: Task) -> tuple[str, ...]:
    """Say what the change lacks, most important first."""
    tasks = _of_generation(run)
    latest = [entry for entry in tasks if entry.fix_round == task.fix_round]
    steps = [entry for entry in latest if entry.kind is TaskKind.IMPLEMENT and entry.state is not TaskState.SUCCEEDED]
    found = [f"{entry.title.rstrip('.')}." for entry in steps]
    done = [entry for entry in tasks if entry.state is TaskState.SUCCEEDED]
    made = max((entry.fix_round for entry in done if entry.kind is TaskKind.IMPLEMENT), default=0)
    # What was said of an older change says nothing of this one.
    refused = [entry for entry in tasks if entry.reason is FailureReason.REVIEW_FAILED and entry.fix_round >= made]
    found.extend(entry.message for entry in refused[-1:] if entry.message)
    of_change = {entry.kind for entry in done if entry.fix_round >= made}
    found.extend(words for kind, words in _LACKS.items() if kind not in of_change)
    return tuple(dict.fromkeys(found))


def _of_generation(run: Run) -> list[Task]:
    """Return the tasks since the newest retry."""
    return [task for task in run.tasks if pipeline.generation_of(task.id) == run.generation]


def _given_up(task: Task, now: float) -> Task:
    """Return a task that is not begun any more; one that an agent works on is stopped."""
    if task.state.terminal:
        return task
    leased = task.state is TaskState.LEASED
    state = TaskState.CANCELLED if leased else TaskState.SKIPPED
    return replace(
        task, state=state, reason=FailureReason.BUDGET_EXHAUSTED, ended=now, lease_expires=0.0, reserved=NO_BUDGET
    )

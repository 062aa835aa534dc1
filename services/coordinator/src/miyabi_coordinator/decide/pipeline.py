"""Which tasks a run has: the pipeline's first ones, a plan's, and those of a fix round."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from miyabi_coordinator.models import (
    ListedStep,
    Pipeline,
    PlannedStep,
    Run,
    Spec,
    StaleData,
    Suspect,
    Task,
    TaskKind,
    TaskState,
)


def first_tasks(pipeline: Pipeline, *, generation: int = 1) -> tuple[Task, ...]:
    """Return the tasks that a run starts with, all PENDING; ids of a retried run differ from those before."""
    prefix = _prefix(generation)
    if pipeline is Pipeline.REVIEW:
        return (Task(f"{prefix}review", TaskKind.REVIEW, title="Review the pull request"),)
    triage = Task(f"{prefix}triage", TaskKind.TRIAGE, title="Triage the issue")
    if pipeline is Pipeline.TRIAGE:
        return (triage,)
    return (triage, Task(f"{prefix}plan", TaskKind.PLAN, depends_on=(triage.id,), title="Plan the change"))


def planned_tasks(steps: Sequence[PlannedStep | ListedStep], *, after: Task, generation: int) -> tuple[Task, ...]:
    """Return the tasks that follow a plan: its steps one after the other on one change, then the checks."""
    prefix = _prefix(generation)
    tasks: list[Task] = []
    for position, index in enumerate(declared_order(steps)):
        identifier = f"{prefix}implement" if position == 0 else f"{prefix}implement-step-{position + 1}"
        before = tasks[-1].id if tasks else after.id
        title = steps[index].title
        tasks.append(Task(identifier, TaskKind.IMPLEMENT, depends_on=(before,), plan_step=index, title=title))
    return (*tasks, *_checks(after=tasks[-1].id, fix_round=0, prefix=prefix))


def declared_order(steps: Sequence[PlannedStep | ListedStep]) -> list[int]:
    """Return positions so that each step follows those that it depends on; what cannot be ordered keeps its place.

    A dependency on itself or on a position that is not there is ignored, and so is what closes a circle.
    """
    order: list[int] = []
    remaining = list(range(len(steps)))
    while remaining:
        free = (index for index in remaining if _satisfied(steps[index], index=index, remaining=remaining))
        chosen = next(free, remaining[0])
        order.append(chosen)
        remaining.remove(chosen)
    return order


def fix_round(run: Run, number: int) -> Run:
    """Return the run with the tasks of another round; what the last round still had to do is given up."""
    prefix = _prefix(run.generation)
    implement = Task(
        f"{prefix}implement-{number + 1}",
        TaskKind.IMPLEMENT,
        state=TaskState.READY,
        fix_round=number,
        title=f"Mend the change (round {number})",
    )
    added = (implement, *_checks(after=implement.id, fix_round=number, prefix=prefix))
    return replace(run, tasks=(*run.tasks, *added), fix_rounds=number)


def _satisfied(step: PlannedStep | ListedStep, *, index: int, remaining: list[int]) -> bool:
    """Tell whether nothing that the step depends on is still to be placed."""
    return all(other == index or other not in remaining for other in step.depends_on)


def _prefix(generation: int) -> str:
    """Return what tells the task ids of a retried run from those before."""
    return "" if generation == 1 else f"retry-{generation - 1}-"


def kind_of_task(task_id: str) -> TaskKind:
    """Return the kind of a task by the id that this module gave it.

    Raises:
        ValueError: it is no such id.
    """
    step = re.sub(r"^retry-\d+-", "", task_id)
    for kind in TaskKind:
        if re.fullmatch(kind.name.lower().replace("_", "-") + r"(-step)?(-\d+)?", step):
            return kind
    raise ValueError(f"{task_id!r} is no id of a task")


def _checks(*, after: str, fix_round: int, prefix: str) -> tuple[Task, ...]:
    """Return verify, then review beside document, then the pull request."""
    suffix = f"-{fix_round + 1}" if fix_round else ""
    verify, review, document = (f"{prefix}{step}{suffix}" for step in ("verify", "review", "document"))
    return (
        Task(verify, TaskKind.VERIFY, depends_on=(after,), fix_round=fix_round, title="Run the tests"),
        Task(review, TaskKind.REVIEW, depends_on=(verify,), fix_round=fix_round, title="Review the change"),
        Task(document, TaskKind.DOCUMENT, depends_on=(verify,), fix_round=fix_round, title="Document the change"),
        Task(
            f"{prefix}pull-request{suffix}",
            TaskKind.PULL_REQUEST,
            depends_on=(review, document),
            fix_round=fix_round,
            title="Open the pull request",
        ),
    )


def last_checks(run: Run, *, tested: bool) -> tuple[Task, ...]:
    """Return what a run whose budget ended still has to do: run the tests, unless they are, and open the draft."""
    prefix, number = _prefix(run.generation), run.fix_rounds + 2
    verify = Task(f"{prefix}verify-{number}", TaskKind.VERIFY, fix_round=run.fix_rounds, title="Run the tests")
    request = Task(
        f"{prefix}pull-request-{number}",
        TaskKind.PULL_REQUEST,
        depends_on=() if tested else (verify.id,),
        fix_round=run.fix_rounds,
        title="Open the pull request for what is proven",
    )
    return (request,) if tested else (verify, request)


def generation_of(task_id: str) -> int:
    """Return which beginning of its run a task belongs to, from 1."""
    found = re.match(r"retry-(\d+)-", task_id)
    return int(found[1]) + 1 if found else 1


def start(run: Run) -> Run:
    """Return the run with its first task READY, unless the run waits for other issues."""
    first = next((task for task in run.tasks if task.state is TaskState.PENDING), None)
    if run.waits_for or first is None:
        return run
    return run.with_task(replace(first, state=TaskState.READY))


def new_run(
    batch: str,
    issue: int,
    *,
    spec: Spec,
    title: str,
    url: str,
    depends_on: tuple[int, ...],
    dependents: tuple[int, ...],
    listed: tuple[ListedStep, ...] = (),
    stale: StaleData | None = None,
    suspects: tuple[Suspect, ...] = (),
) -> Run:
    """Return the run of an issue as a new batch has it; whether it is a duplicate of its suspects, triage finds."""
    run = Run(
        batch,
        issue,
        title=title,
        url=url,
        tasks=first_tasks(spec.pipeline),
        depends_on=depends_on,
        waits_for=depends_on,
        dependents=dependents,
        listed=listed,
        stale=stale,
        suspects=suspects,
    )
    return start(run)

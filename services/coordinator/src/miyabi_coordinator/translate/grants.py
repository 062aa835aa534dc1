"""Says what the holder of a lease may write to GitHub, and signs it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from miyabi_coordinator.models import Run, Spec, Task, TaskKind, task_name
from miyabi_core.grants import Grant, GrantKeys, Write, branch_of, sign

#: What each kind of task writes; one that is not here writes nothing and gets no grant.
WRITES: Mapping[TaskKind, frozenset[Write]] = {
    TaskKind.TRIAGE: frozenset({Write.LABELS, Write.COMMENT}),
    TaskKind.REVIEW: frozenset({Write.COMMENT}),
    TaskKind.PULL_REQUEST: frozenset({Write.PUSH, Write.PULL_REQUEST, Write.LABELS, Write.COMMENT}),
}


def grant_of(run: Run, task: Task, *, spec: Spec, now: float) -> Grant | None:
    """Return what a lease grants; None where its task writes nothing.

    It ends with the task's deadline, which no heartbeat moves: so it needs no renewal, and a lease that was lost before
    is told from the one that came after by its fencing token, at the gateway.

    Args:
        run: The run.
        task: Its leased task.
        spec: What the batch was asked for.
        now: Seconds since 1970.
    """
    writes = WRITES.get(task.kind, frozenset())
    if not writes or spec.dry_run:
        return None
    name = task_name(run.batch, run.issue, task.id)
    return Grant(
        task=name,
        fencing_token=task.fence,
        agent=task.agent,
        repository=spec.repository,
        issue=run.issue,
        writes=writes,
        branch=branch_of(name),
        base_branch=run.base.name if run.base else spec.base_branch,
        not_before=datetime.fromtimestamp(now, UTC),
        expires=datetime.fromtimestamp(task.deadline, UTC),
    )


def signed_grant(run: Run, task: Task, *, spec: Spec, keys: GrantKeys | None, now: float) -> str:
    """Return the grant of a lease as its message carries it; empty where there is none, or no key.

    Args:
        run: The run.
        task: Its leased task.
        spec: What the batch was asked for.
        keys: Shared with the gateway; the first one signs.
        now: Seconds since 1970.
    """
    grant = grant_of(run, task, spec=spec, now=now)
    return sign(grant, keys.all()[0]) if grant is not None and keys is not None else ""

"""What the machines begin with and are answered: runs, results, refusals that may be, and what must be queued then."""

from __future__ import annotations

from collections import Counter

from miyabi.coordinator.v1 import result_pb2
from miyabi_coordinator.adapters.redis_store.committer import member_of
from miyabi_coordinator.decide import new_run
from miyabi_coordinator.decide.outcomes import RESULT_FIELDS
from miyabi_coordinator.models import (
    Branch,
    Done,
    Failed,
    FailureReason,
    PlannedStep,
    Released,
    RunState,
    Suspect,
    TaskKind,
    TaskState,
    Usage,
)
from miyabi_coordinator.service.submitting.dependencies import dependents_of
from miyabi_core.errors import MiyabiError

#: Serialised messages that stand for any result, by field.
SAMPLES = {
    "triage": result_pb2.TriageResult(type="bug", labels=["type:bug"]).SerializeToString(),
    "change_set": result_pb2.ChangeSet(digest="d" * 64, files=[result_pb2.FileChange(path="a.py")]).SerializeToString(),
}


def runs_of(batch, spec, edges, *, copied):
    """Return a batch's runs: later issues wait for earlier ones by *edges*; *copied*, the last may ask for what others do."""
    issues, last = spec.issues, len(spec.issues)
    before = {issue: tuple(sorted({a for a, b in edges if b == issue and a < issue})) for issue in issues}
    found = [Suspect(1, "https://github.example/1"), Suspect(9, "https://github.example/p/9", True, sure=copied)]
    suspects = {last: tuple(found)} if spec.grouping and last > 1 and not before[last] else {}
    after = dependents_of(before)
    return [
        new_run(
            batch,
            issue,
            spec=spec,
            title="",
            url="",
            depends_on=before[issue],
            dependents=after[issue],
            suspects=suspects.get(issue, ()),
        )
        for issue in issues
    ]


async def allowed(work):
    """Do what may be refused with a reason; anything else is a defect."""
    try:
        await work
    except MiyabiError as error:
        if error.reason not in {"BATCH_STATE", "RUN_NOT_FOUND", "APPROVAL_NOT_FOUND"}:
            raise


def spend(cost):
    return Usage(input_tokens=cost, cost_usd_micros=1000 * cost, calls=1 if cost else 0)


def result_of(kind, what, *, touches=(), judged=()):
    """Return a result of an agent; *touches* are the files of a plan, *judged* what triage finds of suspects."""
    failures = {
        "failed": Failed(FailureReason.GITHUB, "It broke."),
        "again": Failed(FailureReason.MODEL_UNAVAILABLE, "It was busy.", retryable=True),
        "back": Released("Draining."),
    }
    if what in failures:
        return failures[what]
    field = RESULT_FIELDS[TaskKind(kind % 7 + 1) if what == "odd" else kind]
    steps = (PlannedStep("a", (1,)), PlannedStep("b")) if what == "done" else ()
    return Done(
        field,
        SAMPLES.get(field, b""),
        passed=what == "done",
        files=int(what == "done"),
        steps=steps,
        touches=touches if kind is TaskKind.PLAN else (),
        judged=judged if kind is TaskKind.TRIAGE else (),
        pushed=Branch("miyabi/issue", "f" * 40) if kind is TaskKind.PULL_REQUEST else None,
    )


def queue_names(tasks):
    """Return how often each ready task must be found in the queues: once."""
    return Counter(
        member_of(run, task.id, int(task.kind), needs_slot=run.state is not RunState.RUNNING)
        for run, task in tasks
        if task.state is TaskState.READY
    )

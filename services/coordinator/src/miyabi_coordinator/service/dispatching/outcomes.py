"""Takes what agents report: outcomes are acknowledged when they are durable, calls and texts are logged once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from miyabi_coordinator.decide import record_progress
from miyabi_coordinator.models import (
    Decision,
    Encoded,
    Fact,
    FailureReason,
    LeaseReference,
    OutcomeReceived,
    Run,
    Spec,
    Task,
    TaskState,
)
from miyabi_coordinator.service.dispatching.agents import Acknowledgement, AttachedAgent
from miyabi_coordinator.service.transitions import Applied, Change, Decide, Transitions, by_event
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger

#: Seconds until outcomes that could not be committed are tried again.
RETRY_SECONDS = 0.5

_LOG = get_logger(__name__)
_GONE = frozenset({"BATCH_NOT_FOUND", "RUN_NOT_FOUND"})
#: Ends of a lease that its agent did not bring about.
_TAKEN_BACK = (FailureReason.DEADLINE, FailureReason.LEASE_EXPIRED)


@dataclass(frozen=True, slots=True)
class Reported:
    """An outcome as an agent reports it; *calls* renders the calls that it brings along."""

    reference: LeaseReference
    outcome: OutcomeReceived
    calls: Callable[[Task], tuple[Fact, ...]]


@dataclass(frozen=True, slots=True)
class Report:
    """A call or a text of a leased task, by its position in the lease's progress; *fact* renders it."""

    reference: LeaseReference
    index: int
    fact: Callable[[Task], Encoded]


class Intake:
    """What comes up an agent's stream."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    async def outcomes(self, agent: AttachedAgent, reported: Sequence[Reported]) -> None:
        """Commit outcomes together, then acknowledge each.

        While the store is away they are tried again, until the stream ends; on its next one the agent sends them again.
        """
        left = list(reported)
        while left:
            try:
                left = await self._try(agent, left)
            except MiyabiError as error:
                _LOG.warning("dispatch.outcomes_not_committed", reason=error.reason, count=len(left))
            if left:
                await asyncio.sleep(RETRY_SECONDS)

    async def _try(self, agent: AttachedAgent, reported: Sequence[Reported]) -> list[Reported]:
        """Commit once and acknowledge what has its answer; returns the others."""
        results = await self._transitions.apply_all([_change(agent, entry) for entry in reported])
        left = []
        for entry, result in zip(reported, results, strict=True):
            if isinstance(result, MiyabiError) and result.reason not in _GONE:
                left.append(entry)
                continue
            reason = result.reason if isinstance(result, MiyabiError) else await self._refusal(entry.reference, result)
            agent.acknowledge(Acknowledgement(entry.reference, accepted=not reason, reason=reason))
        return left

    async def _refusal(self, reference: LeaseReference, applied: Applied) -> str:
        """Return why an outcome does not count; empty where it does, now or since an answer that was lost."""
        if applied.done:
            return ""
        run = await self._transitions.confirmed(reference.batch, reference.issue)
        return "" if _was_taken(run, reference) else "LEASE_LOST"

    async def progress(self, agent: AttachedAgent, reports: Sequence[Report]) -> None:
        """Log reports of leased tasks, in one commit and each once."""
        changes = [
            Change(entry.reference.batch, entry.reference.issue, _logging(entry), entry.reference, agent.info.id)
            for entry in reports
        ]
        try:
            results = await self._transitions.apply_all(changes)
        except MiyabiError as error:
            results = [error] * len(reports)
        for entry, result in zip(reports, results, strict=True):
            if isinstance(result, MiyabiError):
                # A report is worth less than the stream that carries it; the outcome comes with its own spend.
                _LOG.warning("dispatch.progress_not_committed", reason=result.reason, task=entry.reference.member)


def _logging(report: Report) -> Decide:
    """Return what decides on a report."""

    def make(run: Run, _spec: Spec, _now: float) -> Decision:
        reference = report.reference
        task = run.task(reference.task_id)
        if task is None:
            return Decision(run, changed=False, refusal="LEASE_LOST")
        return record_progress(run, task.id, fence=reference.fence, index=report.index, fact=report.fact(task))

    return make


def _change(agent: AttachedAgent, entry: Reported) -> Change:
    """Return the transition of an outcome; the calls that it brings are logged before what follows from it."""
    reference = entry.reference

    def facts(run: Run) -> tuple[Fact, ...]:
        task = run.task(reference.task_id)
        return entry.calls(task) if task else ()

    make = by_event(entry.outcome, facts=facts)
    return Change(reference.batch, reference.issue, make, lease=reference, actor=agent.info.id)


def _was_taken(run: Run, reference: LeaseReference) -> bool:
    """Tell whether this very lease has brought its task to an end before: the answer was lost, not the lease."""
    task = run.task(reference.task_id)
    if task is None or task.fence != reference.fence or task.reason in _TAKEN_BACK:
        return False
    return task.state in {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.BACKOFF}

"""Takes what agents report: outcomes are acknowledged when they are durable, calls and texts are logged once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from miyabi_coordinator.decide import record_progress
from miyabi_coordinator.models import (
    Decision,
    Encoded,
    Fact,
    LeaseReference,
    OutcomeReceived,
    Run,
    Spec,
    Task,
    TaskState,
)
from miyabi_coordinator.service.agents import Acknowledgement, AttachedAgent
from miyabi_coordinator.service.transitions import Transitions
from miyabi_core.errors import MiyabiError
from miyabi_core.logging import get_logger

#: Seconds until an outcome that could not be committed is tried again.
RETRY_SECONDS = 0.5

_LOG = get_logger(__name__)
_GONE = frozenset({"BATCH_NOT_FOUND", "RUN_NOT_FOUND"})


class Intake:
    """What comes up an agent's stream."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    async def outcome(
        self,
        agent: AttachedAgent,
        reference: LeaseReference,
        *,
        outcome: OutcomeReceived,
        calls: Callable[[Task], tuple[Fact, ...]],
    ) -> None:
        """Commit an outcome, then acknowledge it.

        While the store is away it is tried again, until the stream ends; on its next stream the agent sends it again.
        """

        def facts(run: Run) -> tuple[Fact, ...]:
            task = run.task(reference.task_id)
            return calls(task) if task else ()

        batch, issue = reference.batch, reference.issue
        while True:
            try:
                applied = await self._transitions.apply(
                    batch, issue, event=outcome, lease=reference, actor=agent.info.id, facts=facts
                )
                accepted = applied.done or _stands(await self._transitions.confirmed(batch, issue), reference)
            except MiyabiError as error:
                if error.reason in _GONE:
                    agent.acknowledge(Acknowledgement(reference, accepted=False, reason=error.reason))
                    return
                _LOG.warning("dispatch.outcome_not_committed", reason=error.reason, task=reference.member)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                agent.acknowledge(
                    Acknowledgement(reference, accepted=accepted, reason="" if accepted else "LEASE_LOST")
                )
                return

    async def progress(
        self, agent: AttachedAgent, reference: LeaseReference, *, index: int, fact: Callable[[Task], Encoded]
    ) -> None:
        """Log a report of a leased task, once."""

        def make(run: Run, _spec: Spec, _now: float) -> Decision:
            task = run.task(reference.task_id)
            if task is None:
                return Decision(run, changed=False, refusal="LEASE_LOST")
            return record_progress(run, task.id, fence=reference.fence, index=index, fact=fact(task))

        batch, issue = reference.batch, reference.issue
        try:
            await self._transitions.apply_decision(batch, issue, make=make, lease=reference, actor=agent.info.id)
        except MiyabiError as error:
            # A report is worth less than the stream that carries it; the outcome comes with its own spend.
            _LOG.warning("dispatch.progress_not_committed", reason=error.reason, task=reference.member)


def _stands(run: Run, reference: LeaseReference) -> bool:
    """Tell whether the outcome of a lease was taken before: its acknowledgement was lost, and it came again."""
    task = run.task(reference.task_id)
    return task is not None and task.fence == reference.fence and task.state is TaskState.SUCCEEDED

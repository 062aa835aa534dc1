"""Runs a lease: picks the agent, keeps the deadline, turns every end into an outcome."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import protovalidate
import structlog

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome, TaskFailure, TaskReleased
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi_agents.dispatch.progress import Send, TaskProgress
from miyabi_agents.errors import AgentError, BudgetError
from miyabi_agents.ports import Environments, Sandbox, TaskAgent, TaskContext, Workspaces
from miyabi_agents.settings import AgentsSettings
from miyabi_core.grants import bind_grant
from miyabi_core.interceptors.validation import violations_of
from miyabi_core.logging import get_logger, redact_text
from miyabi_core.proto_time import from_timestamp, now, to_duration
from miyabi_core.text import both_ends, shortened, without_surrogates
from miyabi_core.tracing import continue_trace

if TYPE_CHECKING:
    from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceAsyncStub
    from miyabi_agents.model.client import ModelClient
    from miyabi_agents.model.session import ModelSession

#: Time before the lease's end at which a task is ended, and the share of a short one's.
MARGIN, MARGIN_SHARE = timedelta(seconds=5), 0.05
#: Characters of what stopped conversations had learnt, as the interface takes them.
MAX_LEARNT = 8000
#: A message of this size still fits into what servers take, with room for the progress beside it.
MAX_OUTCOME_BYTES = 24 << 20

_LOG = get_logger(__name__)
_VALIDATOR = protovalidate.Validator()


@dataclass(frozen=True)
class TaskRunner:
    """Runs leases with what the process has."""

    agents: Mapping[int, TaskAgent]
    github: GitHubGatewayServiceAsyncStub
    models: ModelClient
    workspaces: Workspaces
    sandbox: Sandbox
    environments: Environments
    settings: AgentsSettings

    @property
    def capabilities(self) -> list[TaskKind.ValueType]:
        """Kinds of task that can be run."""
        return sorted(TaskKind.ValueType(kind) for kind in self.agents)

    async def run(self, lease: Lease, send: Send) -> Outcome:
        """Run a lease to its outcome; only cancellation comes out as an exception."""
        continue_trace(lease.traceparent)
        bind_grant(lease.grant)
        structlog.contextvars.bind_contextvars(task=lease.reference.task, attempt=lease.attempt)
        progress = TaskProgress(lease.reference, send)
        deadline = from_timestamp(lease.deadline) if lease.HasField("deadline") else None
        model = self.models.session(progress=progress, budget=lease.budget, deadline=deadline, attempt=lease.attempt)
        scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="miyabi-task-"))
        try:
            context = TaskContext(
                lease,
                self.github,
                model,
                self.workspaces,
                self.sandbox,
                progress,
                self.settings,
                self.environments,
                scratch,
            )
            outcome = await self._outcome(lease, context)
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True))
        return _completed(outcome, lease, model)

    async def _outcome(self, lease: Lease, context: TaskContext) -> Outcome:
        """Run the agent; each way to fail is an outcome."""
        left = from_timestamp(lease.deadline) - now() if lease.HasField("deadline") else None
        try:
            async with asyncio.timeout(_within(left) if left else None):
                return _checked(await self.agents[lease.kind].run(lease, context))
        except AgentError as error:
            return _failed(error, context.model)
        except TimeoutError:
            reason, words = FailureReason.FAILURE_REASON_DEADLINE, f"the task's deadline passed{_spent(context.model)}"
            return Outcome(failure=TaskFailure(reason=reason, message=words, retryable=True))
        except Exception as error:  # noqa: BLE001 - whatever happens, the coordinator learns that the task is over
            if (foreseen := _foreseen(error)) is not None:
                return _failed(foreseen, context.model)
            _LOG.exception("task.crashed", error_type=type(error).__name__)
            reason, words = (
                FailureReason.FAILURE_REASON_AGENT_ERROR,
                f"the agent met an unforeseen {type(error).__name__}",
            )
            return Outcome(failure=TaskFailure(reason=reason, message=words, retryable=True))


def released(lease: Lease, message: str) -> Outcome:
    """Return the outcome of a task that is handed back."""
    return Outcome(reference=lease.reference, released=TaskReleased(message=message))


def _foreseen(error: BaseException) -> AgentError | None:
    """Return the first foreseen error among those of tasks that ran side by side; None where one was unforeseen."""
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, AgentError) else None
    found = [_foreseen(inner) for inner in error.exceptions]
    return None if None in found else found[0]


def _checked(outcome: Outcome) -> Outcome:
    """Return *outcome*, or a failure where the coordinator would refuse it.

    A refused message ends the stream, and the outcome would be sent again on the next one, for ever.
    """
    problem = f"{outcome.ByteSize()} bytes" if outcome.ByteSize() > MAX_OUTCOME_BYTES else ""
    # The reference is added later.
    found = [entry for entry in violations_of(_VALIDATOR, outcome) if entry.field != "reference"]
    problem = problem or "; ".join(f"{entry.field}: {entry.description}" for entry in found)
    if not problem:
        return outcome
    reason = FailureReason.FAILURE_REASON_AGENT_ERROR
    message = shortened(f"the task's outcome breaks the interface: {problem}", 2000)
    return Outcome(failure=TaskFailure(reason=reason, message=message, retryable=True))


def _failed(error: AgentError, model: ModelSession | None) -> Outcome:
    """Return the outcome of a foreseen error; where the money ended, it says what that was spent on."""
    if isinstance(error, BudgetError):
        error = BudgetError(f"{error}{_spent(model)}")
    _LOG.info("task.failed", reason=FailureReason.Name(error.reason), message=shortened(redact_text(str(error)), 300))
    return Outcome(failure=_failure(error))


def _failure(error: AgentError) -> TaskFailure:
    """Render an error."""
    message = shortened(without_surrogates(redact_text(str(error))), 2000)
    failure = TaskFailure(reason=error.reason, message=message, retryable=error.retryable)
    if error.retry_after is not None:
        failure.retry_after.CopyFrom(to_duration(error.retry_after))
    return failure


def _completed(outcome: Outcome, lease: Lease, model: ModelSession | None) -> Outcome:
    """Add the lease and what the attempt spent."""
    outcome.reference.CopyFrom(lease.reference)
    if model is not None:
        outcome.usage.CopyFrom(model.usage)
        if lease.kind == TaskKind.TASK_KIND_IMPLEMENT:
            outcome.learnt = both_ends(without_surrogates(redact_text(model.learnt)), MAX_LEARNT)
    return outcome


def _within(left: timedelta) -> float:
    """Return the seconds that a task has: after the end of its lease nobody would hear what it learnt and spent."""
    return (left - min(MARGIN, MARGIN_SHARE * left)).total_seconds()


def _spent(model: ModelSession | None) -> str:
    """Return what a task spent, to be added to why it ended."""
    return f"; {model.spent()}" if model is not None else ""

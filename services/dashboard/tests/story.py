"""Tells the log of a batch event by event, with the times that a test wants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1 import event_pb2
from miyabi.coordinator.v1.state_pb2 import BatchState, FailureReason, RunState, TaskState
from miyabi_core.ids import new_ulid
from miyabi_core.proto_time import to_duration

#: States by their short names.
TASK = {name.removeprefix("TASK_STATE_").lower(): number for name, number in TaskState.items()}
RUN = {name.removeprefix("RUN_STATE_").lower(): number for name, number in RunState.items()}


class Story:
    """A batch that happens as a test says; `now` is its clock, in seconds since 1970.

    Args:
        now: When it is accepted.
        issues: Their numbers.
        concurrency: Issues in flight at once.
    """

    def __init__(
        self, now: float, *, issues: tuple[int, ...] = (1,), concurrency: int = 2, repository: str = "acme/forms",
        parallel: int = 0, budget: int = 0,
    ) -> None:  # fmt: skip
        self.name = f"batches/{new_ulid()}"
        self.now = now
        self.events: list[event_pb2.BatchEvent] = []
        self._tasks: dict[tuple[int, str], str] = {}
        self._runs = dict.fromkeys(issues, "pending")
        event = self._event()
        spec = event.batch_accepted.batch.spec
        spec.repository, spec.concurrency, spec.max_parallel_tasks = repository, concurrency, parallel or concurrency
        spec.budget.usd_micros = budget
        event.batch_accepted.issues.extend(event_pb2.IssueHeading(number=issue) for issue in issues)

    def _event(self, issue: int = 0, kind: str = "", **fields: Any) -> event_pb2.BatchEvent:
        """Commit an event now."""
        event = event_pb2.BatchEvent(batch=self.name, sequence=len(self.events) + 1, issue_number=issue,
                                     task_id=kind, **fields)  # fmt: skip
        event.time.FromNanoseconds(round(self.now * 1e6) * 1000)
        if kind:
            event.task_kind = TaskKind.Value(f"TASK_KIND_{kind.partition('-')[0].upper()}")
        self.events.append(event)
        return event

    def task(self, issue: int, kind: str, state: str, *, agent: str = "one", reason: str = "", cost: int = 0) -> None:
        """Change the state of a task; its run begins with its first lease."""
        before = self._tasks.get((issue, kind), "pending")
        event = self._event(issue, kind)
        change = event.task_state_changed
        change.from_state, change.to_state, change.agent = TASK[before], TASK[state], agent
        if reason:
            change.failure_reason = FailureReason.Value(f"FAILURE_REASON_{reason.upper()}")
        if before == "leased" and cost:
            change.spent.CopyFrom(Usage(cost_usd_micros=cost, input_tokens=60, cache_read_tokens=40, output_tokens=10))
        self._tasks[issue, kind] = state
        if state == "leased" and self._runs[issue] == "pending":
            self.run(issue, "running")

    def add(self, issue: int, kind: str, *, after: str) -> None:
        """Add a task that follows another one."""
        added = self._event(issue).tasks_added.tasks.add(name=f"{self.name}/runs/{issue}/tasks/{kind}")
        added.kind, added.depends_on[:] = TaskKind.Value(f"TASK_KIND_{kind.upper()}"), [after]

    def batch(self, before: str, after: str) -> None:
        """Change the state of the batch."""
        change = self._event().batch_state_changed
        change.from_state, change.to_state = BatchState.Value(_batch(before)), BatchState.Value(_batch(after))

    def approve(self, issue: int) -> None:
        """Have a person say yes."""
        self._event(issue).approval_resolved.approved = True

    def run(self, issue: int, state: str, *, reason: str = "") -> None:
        """Change the state of a run."""
        change = self._event(issue).run_state_changed
        change.from_state, change.to_state = RUN[self._runs[issue]], RUN[state]
        if reason:
            change.failure_reason = FailureReason.Value(f"FAILURE_REASON_{reason.upper()}")
        self._runs[issue] = state

    def call(self, issue: int, kind: str, tool: str, seconds: float, *, model: str = "", well: bool = True) -> None:
        """End a call of a tool or a model that took so long."""
        call = self._event(issue, kind).tool_invocation
        call.tool, call.model, call.succeeded = tool, model, well
        call.duration.CopyFrom(to_duration(timedelta(seconds=seconds)))
        if model:
            call.usage.CopyFrom(Usage(cost_usd_micros=5, input_tokens=6, cache_read_tokens=4, output_tokens=1))

    def work(self, issue: int, kind: str, seconds: float, *, after: float = 0.0, agent: str = "one") -> None:
        """Have a task wait so long, then be worked on so long, and succeed."""
        if self._tasks.get((issue, kind)) is None and kind not in {"triage", "review"}:
            self.task(issue, kind, "ready")
        self.now += after
        self.task(issue, kind, "leased", agent=agent)
        self.now += seconds
        self.task(issue, kind, "succeeded", agent=agent, cost=100)

    def finish(self, state: str = "succeeded") -> None:
        """End the batch."""
        self.batch("running", state)
        self._event().batch_finished.state = BatchState.Value(_batch(state))


def _batch(state: str) -> str:
    """Return the proto's name of a state."""
    return f"BATCH_STATE_{state.upper()}"

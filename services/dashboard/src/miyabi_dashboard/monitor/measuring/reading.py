"""Reads events one after the other and says which durations each ends and what it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from prometheus_client import Counter

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.common.v1.usage_pb2 import Usage
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.state_pb2 import FailureReason, RunState, TaskState
from miyabi_core.metrics import REGISTRY
from miyabi_dashboard.monitor.measuring.measurements import (
    UNKNOWN,
    Count,
    CountKey,
    Family,
    Measurement,
    SeriesKey,
    What,
    part,
)
from miyabi_dashboard.monitor.measuring.open_work import KnownBatch, OpenTask, OpenWork, TaskName

#: How a run may end, as it is counted.
_ENDS = {
    RunState.RUN_STATE_SUCCEEDED: What.SUCCEEDED,
    RunState.RUN_STATE_FAILED: What.FAILED,
    RunState.RUN_STATE_SKIPPED: What.SKIPPED,
    RunState.RUN_STATE_CANCELLED: What.CANCELLED,
}
#: States of a task that end an attempt badly.
_FAILED = frozenset({TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_BACKOFF})
#: What begins the names of calls that go to GitHub through the gateway.
_GATEWAY = ("github.", "git.push")

MISSED = Counter(
    "miyabi_dashboard_monitor_events_missed_total",
    "Events that the store had removed before the monitor read them.",
    registry=REGISTRY,
)

Found = Measurement | Count


class Reader:
    """Turns events into measurements; an event that was read before tells nothing.

    Args:
        work: What has begun and not ended: as the last reader left it.
    """

    def __init__(self, work: OpenWork | None = None) -> None:
        self.work = work or OpenWork()
        self._readings: dict[str | None, Callable[[BatchEvent, KnownBatch, float], Iterator[Found]]] = {
            "batch_accepted": self._batch_accepted,
            "batch_finished": self._batch_finished,
            "run_state_changed": self._run_state_changed,
            "task_state_changed": self._task_state_changed,
            "tool_invocation": self._tool_invocation,
            "verification_recorded": self._verification_recorded,
        }

    def read(self, event: BatchEvent) -> list[Found]:
        """Return what a committed event measures; transient ones measure nothing."""
        batch = self.work.batches.get(event.batch)
        if batch is None:
            batch = self.work.batches[event.batch] = KnownBatch(UNKNOWN, event.sequence - 1)
        if event.sequence <= batch.last:
            return []
        if event.sequence > batch.last + 1:
            MISSED.inc(event.sequence - batch.last - 1)
        batch.last = event.sequence
        self.work.changed_batches.add(event.batch)
        moment = event.time.seconds + event.time.nanos / 1e9
        batch.seen = max(batch.seen, moment)
        reading = self._readings.get(event.WhichOneof("payload"))
        found: list[Found] = list(reading(event, batch, moment)) if reading else []
        found.append(Count(_events_of(batch.repository), 1, moment))
        return found

    def _batch_accepted(self, event: BatchEvent, batch: KnownBatch, moment: float) -> Iterator[Found]:
        """Note what the batch is; its issues that wait for none are ready at once."""
        spec = event.batch_accepted.batch.spec
        batch.repository, batch.concurrency = part(spec.repository) or UNKNOWN, spec.concurrency
        for issue in event.batch_accepted.issues:
            if not issue.depends_on and not issue.duplicate_of:
                self.work.put((event.batch, issue.number, ""), OpenTask(ready=moment))
        yield Count(CountKey(What.BATCHES, repository=batch.repository), 1, moment, event.batch)

    def _batch_finished(self, event: BatchEvent, batch: KnownBatch, moment: float) -> Iterator[Found]:
        """Forget what never ended; the batch itself may be retried."""
        self.work.end_batch(event.batch)
        yield Count(CountKey(What.ENDED, repository=batch.repository), 1, moment, event.batch)

    def _run_state_changed(self, event: BatchEvent, batch: KnownBatch, moment: float) -> Iterator[Found]:
        """Count the runs in flight, and those that ended."""
        change = event.run_state_changed
        if change.from_state == RunState.RUN_STATE_RUNNING:
            if batch.running >= batch.concurrency:
                batch.freed = moment
            batch.running -= 1
        if change.to_state == RunState.RUN_STATE_RUNNING:
            batch.running += 1
        if what := _ENDS.get(change.to_state):
            self.work.end((event.batch, event.issue_number, ""))
            name = f"{event.batch}/runs/{event.issue_number}"
            yield Count(CountKey(what, repository=batch.repository), 1, moment, name)
            if change.failure_reason and what in {What.FAILED, What.SKIPPED}:
                key = CountKey(What.FAILED_RUN, reason_of(change.failure_reason), batch.repository)
                yield Count(key, 1, moment, name, change.message)

    def _task_state_changed(self, event: BatchEvent, batch: KnownBatch, moment: float) -> Iterator[Found]:
        """Measure from ready to lease, and from lease to end."""
        change, name = event.task_state_changed, (event.batch, event.issue_number, event.task_id)
        if change.from_state == TaskState.TASK_STATE_LEASED:
            yield from self._attempt(event, batch, name, moment)
        if change.to_state == TaskState.TASK_STATE_READY:
            self.work.put(name, OpenTask(ready=moment))
        elif change.to_state == TaskState.TASK_STATE_LEASED:
            known = self.work.end(name) or self.work.end((*name[:2], ""))
            self.work.put(name, OpenTask(leased=moment, agent=change.agent))
            if known is not None and known.ready:
                key = SeriesKey(Family.QUEUE, kind_of(event), event.task_kind, batch.repository)
                waited = moment - max(known.ready, batch.freed)
                yield Measurement((key,), max(0.0, waited), False, task_name(event), moment)
        else:
            self.work.end(name)

    def _attempt(self, event: BatchEvent, batch: KnownBatch, name: TaskName, moment: float) -> Iterator[Found]:
        """Measure an attempt that ended, what it spent, why it did not go well; what was cut short has no duration."""
        change, known = event.task_state_changed, self.work.end(name)
        agent = part(change.agent or (known.agent if known else "")) or UNKNOWN
        yield from _spent(change.spent, moment, repository=batch.repository)
        yield from _spent(change.spent, moment, agent=agent)
        failed = change.to_state in _FAILED
        if failed:
            message, reason = change.message, reason_of(change.failure_reason)
            for key in (CountKey(What.FAILED_ATTEMPT, reason, batch.repository),
                        CountKey(What.FAILED_ATTEMPT, reason, agent=agent)):  # fmt: skip
                yield Count(key, 1, moment, task_name(event), message)
        if known is not None and known.leased and change.to_state != TaskState.TASK_STATE_CANCELLED:
            keys = _keys(Family.TASK, kind_of(event), event.task_kind, batch=batch, agent=agent)
            yield Measurement(keys, moment - known.leased, failed, task_name(event), moment)

    def _tool_invocation(self, event: BatchEvent, batch: KnownBatch, moment: float) -> Iterator[Found]:
        """Measure a call of a tool, of a model, or to GitHub."""
        call = event.tool_invocation
        seconds = call.duration.seconds + call.duration.nanos / 1e9
        family, subject, model = _sort_of(call.tool, call.model)
        known = self.work.tasks.get((event.batch, event.issue_number, event.task_id))
        agent = part(known.agent if known and known.agent else event.actor) or UNKNOWN
        keys = _keys(family, subject, event.task_kind, batch=batch, agent=agent, model=model)
        yield Measurement(keys, seconds, not call.succeeded, task_name(event), moment)
        if model and call.HasField("usage"):
            yield from _spent(call.usage, moment, repository=batch.repository, model=model)

    def _verification_recorded(self, event: BatchEvent, batch: KnownBatch, moment: float) -> Iterator[Found]:
        """Count the tests that were red and green on the same code."""
        for comparison in event.verification_recorded.comparisons:
            if comparison.flaky:
                key = CountKey(What.FLAKY, part(comparison.test), batch.repository)
                yield Count(key, 1, moment, task_name(event))


@lru_cache(maxsize=256)
def _events_of(repository: str) -> CountKey:
    """Return the name of the count of a repository's events: it is needed for each."""
    return CountKey(What.EVENTS, repository=repository)


def _sort_of(tool: str, model: str) -> tuple[Family, str, str]:
    """Return what a call is counted as: its family, its subject and its model."""
    if tool.startswith("model.") and model:
        return Family.MODEL, part(model), part(model)
    family = Family.GATEWAY if tool.startswith(_GATEWAY) else Family.TOOL
    return family, part(tool) or UNKNOWN, ""


def _keys(
    family: Family, subject: str, kind: int, *, batch: KnownBatch, agent: str, model: str = ""
) -> tuple[SeriesKey, SeriesKey]:
    """Return the two series that a duration belongs to."""
    of_repository = SeriesKey(family, subject, kind, batch.repository, model)
    return of_repository, SeriesKey(family, subject, kind, agent=agent)


def _spent(usage: Usage, moment: float, *, repository: str = "", model: str = "", agent: str = "") -> Iterator[Count]:
    """Count money and tokens."""
    cached = usage.cache_read_tokens
    prompt = usage.input_tokens + usage.cache_write_tokens + cached
    amounts = ((What.COST, usage.cost_usd_micros), (What.INPUT, prompt), (What.OUTPUT, usage.output_tokens),
               (What.CACHE_READ, cached))  # fmt: skip
    for what, amount in amounts:
        if amount:
            yield Count(CountKey(what, "", repository, model, agent), amount, moment)


def kind_of(event: BatchEvent) -> str:
    """Return the kind of an event's task as people call it, for example `pull_request`."""
    return kind_name(event.task_kind)


def kind_name(kind: int) -> str:
    """Return a kind of task as people call it; one that this version does not know by its number."""
    names = TaskKind.DESCRIPTOR.values_by_number
    return names[kind].name.removeprefix("TASK_KIND_").lower() if kind in names else str(kind)


def task_name(event: BatchEvent) -> str:
    """Return the resource name of an event's task."""
    return f"{event.batch}/runs/{event.issue_number}/tasks/{event.task_id}"


def reason_of(number: int) -> str:
    """Return a reason as people call it; one that this version does not know by its number."""
    names = FailureReason.DESCRIPTOR.values_by_number
    return names[number].name.removeprefix("FAILURE_REASON_").lower() if number in names else str(number)

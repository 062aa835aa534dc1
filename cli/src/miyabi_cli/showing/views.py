"""Shows a batch while it runs: bars on a terminal, plain lines in a log, JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Protocol, Self

from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi.coordinator.v1.state_pb2 import RunState, TaskState
from miyabi_cli.bars import NumberColumn, StepsColumn, WordsColumn
from miyabi_cli.showing.evidence_view import Attention
from miyabi_cli.showing.results import age_of, as_json, show_results
from miyabi_cli.terminal import joined, json_line, ours, say, shown
from miyabi_core.text import Untrusted

#: Characters of a title or a step beside a bar: what a line of 120 columns holds.
TITLE_CHARACTERS = 60

#: Task states that count as done on a bar.
_DONE = (TaskState.TASK_STATE_SUCCEEDED, TaskState.TASK_STATE_SKIPPED, TaskState.TASK_STATE_FAILED)


class BatchView(Protocol):
    """Shows events as they come and the results at the end."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def show(self, event: BatchEvent) -> None:
        """Show one event."""

    def finish(self, results: Iterable[IssueResult]) -> None:
        """Show what became of each issue."""


def kind_name(kind: int) -> str:
    """Return a task kind as a lower-case word."""
    return TaskKind.Name(kind).removeprefix("TASK_KIND_").lower().replace("_", " ")  # type: ignore[arg-type]


def _task_of(event: BatchEvent) -> str:
    """Return what an event's task does, in a word; transient events name the task alone."""
    return kind_name(event.task_kind) if event.task_kind else event.task_id.rstrip("0123456789").rstrip("-")


def _state(state: TaskState.ValueType) -> str:
    """Return a task's state as a lower-case word."""
    return TaskState.Name(state).removeprefix("TASK_STATE_").lower()


class JsonView:
    """One object a line on standard output."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()

    def show(self, event: BatchEvent) -> None:
        """Print the event as its proto's JSON, with the proto's own field names."""
        line = MessageToDict(event, preserving_proto_field_name=True)
        print(json_line(line), flush=True)  # noqa: T201 - it is the command's output

    def finish(self, results: Iterable[IssueResult]) -> None:
        """Print one object an issue."""
        for result in results:
            print(json_line(as_json(result)), flush=True)  # noqa: T201


class TerminalView:
    """A bar an issue, then a table."""

    def __init__(self, console: Console, *, stays: bool = True) -> None:
        self._console = console
        self._attention = Attention(console, stays=stays)
        self._bars: dict[int, TaskID] = {}
        # By issue: the steps that are known, and whether each is done.
        self._steps: dict[int, dict[str, bool]] = {}
        self._progress = Progress(
            NumberColumn(),
            StepsColumn(console),
            MofNCompleteColumn(),
            WordsColumn(),
            TimeElapsedColumn(),
            console=console,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, event: BatchEvent) -> None:
        """Move the bar of the event's issue, and say what a person has to know."""
        self._attention.note(event)
        payload = event.WhichOneof("payload")
        if payload == "batch_accepted":
            self._accepted(event)
        elif payload == "tasks_added" and event.issue_number in self._bars:
            self._grow(event)
        elif payload in {"task_state_changed", "step_changed", "run_state_changed", "issue_finished"}:
            self._moved(event, payload)

    def finish(self, results: Iterable[IssueResult]) -> None:
        """Print the table."""
        self._progress.stop()
        show_results(self._console, results)

    def _accepted(self, event: BatchEvent) -> None:
        accepted = event.batch_accepted
        batch, repository = Untrusted(event.batch), Untrusted(accepted.batch.spec.repository)
        simulated = ours(" (simulated)", style="yellow") if accepted.batch.simulated else ours("")
        say(self._console, shown(batch, style="bold"), ours(" "), shown(repository), simulated)
        for heading in accepted.issues:
            if heading.HasField("stale_data"):
                age = shown(Untrusted(age_of(heading.stale_data)), style="yellow")
                say(self._console, ours("#{} ", heading.number, style="yellow"), age)
            words = shown(Untrusted(heading.title), most=TITLE_CHARACTERS)
            self._bars[heading.number] = self._progress.add_task(
                "", total=1, number=heading.number, words=words, completed=0
            )

    def _grow(self, event: BatchEvent) -> None:
        known = self._steps.get(event.issue_number, {})
        added = (task.name.rpartition("/")[2] for task in event.tasks_added.tasks)
        self._count(event.issue_number, {step: known.get(step, False) for step in added})

    def _count(self, issue: int, steps: Mapping[str, bool]) -> None:
        """Let the bar of an issue have these steps too, and tell whether each is done."""
        known = self._steps.setdefault(issue, {})
        known.update(steps)
        self._progress.update(self._bars[issue], total=len(known), completed=sum(known.values()))

    def _moved(self, event: BatchEvent, payload: str) -> None:
        bar = self._bars.get(event.issue_number)
        if bar is None:
            return
        if payload == "issue_finished":
            self._finished(bar, event.issue_finished)
        elif payload == "step_changed":
            step = shown(Untrusted(event.step_changed.step), most=TITLE_CHARACTERS)
            task = Untrusted(_task_of(event))
            self._progress.update(bar, words=joined(shown(task), ours(": "), step) if task else step)
        elif payload == "task_state_changed":
            state = event.task_state_changed.to_state
            words = Untrusted(f"{_task_of(event)} {_state(state)}")
            self._count(event.issue_number, {event.task_id: state in _DONE})
            self._progress.update(bar, words=shown(words))

    def _finished(self, bar: TaskID, result: IssueResult) -> None:
        good = result.state == RunState.RUN_STATE_SUCCEEDED
        why = Untrusted(result.failure_message or "failed")
        words = ours("done", style="green") if good else shown(why, style="red")
        total = self._progress.tasks[self._progress.task_ids.index(bar)].total
        self._progress.update(bar, words=words, completed=total)


class LogView:
    """Plain lines, for logs and pipes."""

    def __init__(self, console: Console, *, stays: bool = True) -> None:
        self._console = console
        self._attention = Attention(console, stays=stays)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, event: BatchEvent) -> None:
        """Print what a person would want to read later."""
        self._attention.note(event)
        payload = event.WhichOneof("payload")
        if payload == "batch_accepted":
            spec, simulated = event.batch_accepted.batch.spec, event.batch_accepted.batch.simulated
            words = (
                f"accepted: {spec.repository}, issues: {len(spec.issue_numbers)}{' (simulated)' if simulated else ''}"
            )
            self._line(event, words)
            for heading in event.batch_accepted.issues:
                if heading.HasField("stale_data"):
                    self._line(event, f"#{heading.number} {age_of(heading.stale_data)}")
        elif payload == "task_state_changed":
            change = event.task_state_changed
            self._line(event, f"{_task_of(event)} {_state(change.to_state)} {change.message}".rstrip())
        elif payload == "issue_finished":
            state = RunState.Name(event.issue_finished.state).removeprefix("RUN_STATE_").lower()
            self._line(event, f"{state} {event.issue_finished.failure_message}".rstrip())

    def _line(self, event: BatchEvent, words: str) -> None:
        issue = ours("#{} ", event.issue_number) if event.issue_number else ours("")
        say(self._console, ours("{:>4} ", event.sequence), issue, shown(Untrusted(words)))

    def finish(self, results: Iterable[IssueResult]) -> None:
        """Print the table."""
        show_results(self._console, results)


def choose_view(console: Console, *, as_json: bool, stays: bool = True) -> BatchView:
    """Return the view for where the output goes.

    Args:
        console: Where to.
        as_json: For machines.
        stays: The batch can be looked at after its end.
    """
    if as_json:
        return JsonView()
    return TerminalView(console, stays=stays) if console.is_terminal else LogView(console, stays=stays)

"""Says an event of a batch's log in one line: what happened, to which task, and why."""

from __future__ import annotations

from collections.abc import Callable

from miyabi.coordinator.v1.event_pb2 import BatchEvent, ToolInvocation
from miyabi.coordinator.v1.state_pb2 import BatchState, RunState, TaskState
from miyabi_cli.showing.results import USD_MICROS, failure_name
from miyabi_cli.terminal import TerminalText, joined, ours, shown
from miyabi_core.text import Untrusted, shortened

#: Characters of a text of the model that a line holds; `miyabi transcript` and `--json` have all of it.
TEXT_CHARACTERS = 200
#: Ends of tasks and runs that are told as failures.
_BAD_TASKS = (TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_BACKOFF)
_BAD_RUNS = (RunState.RUN_STATE_FAILED, RunState.RUN_STATE_SKIPPED)


def payload_names() -> list[str]:
    """Return the kinds of event that a log holds, as the command line writes them."""
    fields = BatchEvent.DESCRIPTOR.oneofs_by_name["payload"].fields
    return [field.name.replace("_", "-") for field in fields]


def is_failure(event: BatchEvent) -> bool:
    """Tell whether an event says that something did not go well."""
    bad = _BAD.get(str(event.WhichOneof("payload")))
    return bad is not None and bad(event)


def line_of(event: BatchEvent) -> TerminalText:
    """Return an event as a line: sequence, time, issue, task, what happened."""
    time = event.time.ToDatetime().isoformat(sep=" ", timespec="milliseconds")
    number = ours("{:>5} ", event.sequence) if event.sequence else ours("    - ")
    issue = ours("#{} ", event.issue_number, style="bold") if event.issue_number else ours("")
    task = f"{event.task_id} " if event.task_id else ""
    attempt = ours("(attempt {}) ", event.attempt) if event.attempt > 1 else ours("")
    words = shown(Untrusted(words_of(event)), style="red" if is_failure(event) else "")
    return joined(number, shown(Untrusted(time), style="dim"), ours(" "), issue, shown(Untrusted(task)), attempt, words)


def words_of(event: BatchEvent) -> str:
    """Return what happened, with a stranger's words in it."""
    payload = str(event.WhichOneof("payload") or "")
    say = _WORDS.get(payload)
    return say(event) if say is not None else payload.replace("_", " ")


def _accepted(event: BatchEvent) -> str:
    spec = event.batch_accepted.batch.spec
    mark = " (simulated)" if event.batch_accepted.batch.simulated else ""
    return f"batch accepted: {spec.repository}, issues: {len(spec.issue_numbers)}, by {event.actor}{mark}"


def _batch_state(event: BatchEvent) -> str:
    change = event.batch_state_changed
    name = BatchState.Name(change.to_state).removeprefix("BATCH_STATE_").lower()
    return _why(f"batch {name} by {event.actor}", change.reason)


def _run_state(event: BatchEvent) -> str:
    change = event.run_state_changed
    name = RunState.Name(change.to_state).removeprefix("RUN_STATE_").lower().replace("_", " ")
    return _why(name, failure_name(change.failure_reason), change.message)


def _task_state(event: BatchEvent) -> str:
    change = event.task_state_changed
    name = TaskState.Name(change.to_state).removeprefix("TASK_STATE_").lower()
    by = f" by {change.agent}" if change.agent and change.to_state == TaskState.TASK_STATE_LEASED else ""
    cost = change.spent.cost_usd_micros
    spent = f", ${cost / USD_MICROS:.4f}" if cost else ""
    return _why(f"{name}{by}{spent}", failure_name(change.failure_reason), change.message)


def _tasks(event: BatchEvent) -> str:
    added = event.tasks_added
    names = ", ".join(task.name.rpartition("/")[2] for task in added.tasks)
    return f"tasks of fix round {added.fix_round}: {names}" if added.fix_round else f"tasks: {names}"


def _tool(event: BatchEvent) -> str:
    call: ToolInvocation = event.tool_invocation
    model = f" {call.model}" if call.model else ""
    seconds = call.duration.ToTimedelta().total_seconds()
    cost = f", ${call.usage.cost_usd_micros / USD_MICROS:.4f}" if call.usage.cost_usd_micros else ""
    return _why(f"{call.tool}{model} {seconds:.2f} s{cost}", call.detail, call.error)


def _verification(event: BatchEvent) -> str:
    found = event.verification_recorded
    verdict = "tests prove the change" if found.passed else "tests do not prove the change"
    proof = f"{found.failed_before_passed_after} prove it, {found.broken} broken, of {found.total}"
    return _why(f"{verdict}: {proof}", found.verdict_reason)


def _review(event: BatchEvent) -> str:
    found = event.review_recorded
    score = "no score" if found.incomplete or found.not_analysed else f"{found.score} of 100"
    return _why(f"review {'passed' if found.passed else 'not passed'}: {score}", found.verdict_reason)


def _finished(event: BatchEvent) -> str:
    result = event.issue_finished
    name = RunState.Name(result.state).removeprefix("RUN_STATE_").lower()
    seconds = result.duration.ToTimedelta().total_seconds()
    words = f"{name} after {seconds:.1f} s, ${result.cost_usd_micros / USD_MICROS:.4f}"
    return _why(words, result.pull_request_url, failure_name(result.failure_reason), result.failure_message)


def _batch_finished(event: BatchEvent) -> str:
    ended = event.batch_finished
    name = BatchState.Name(ended.state).removeprefix("BATCH_STATE_").lower()
    seconds = ended.duration.ToTimedelta().total_seconds()
    return f"batch {name} after {seconds:.1f} s, ${ended.spent.cost_usd_micros / USD_MICROS:.4f}"


def _budget(event: BatchEvent) -> str:
    warning = event.budget_warning
    limit, spent = warning.limit, warning.spent
    if limit.usd_micros:
        words = f"${spent.cost_usd_micros / USD_MICROS:.4f} of ${limit.usd_micros / USD_MICROS:.4f}"
    else:
        words = f"the limit is {limit.tokens} tokens"
    return f"80 % of the {warning.scope}'s budget is spent: {words}"


def _text(event: BatchEvent) -> str:
    text = " ".join(event.text_recorded.text.split())
    return f"{event.text_recorded.step}: {shortened(text, TEXT_CHARACTERS)}"


def _why(*parts: str) -> str:
    """Return the parts that say something, with colons between."""
    return ": ".join(part for part in parts if part)


#: What of an event says that something did not go well; events that are not here never do.
_BAD: dict[str, Callable[[BatchEvent], bool]] = {
    "tool_invocation": lambda event: not event.tool_invocation.succeeded,
    "task_state_changed": lambda event: (
        event.task_state_changed.to_state in _BAD_TASKS or bool(event.task_state_changed.failure_reason)
    ),
    "run_state_changed": lambda event: event.run_state_changed.to_state in _BAD_RUNS,
    "issue_finished": lambda event: event.issue_finished.state in _BAD_RUNS,
    "verification_recorded": lambda event: not event.verification_recorded.passed,
    "review_recorded": lambda event: not event.review_recorded.passed,
    "approval_resolved": lambda event: not event.approval_resolved.approved,
    "budget_warning": lambda _: True,
    "unrecognised": lambda _: True,
}
#: What an event says.
_WORDS: dict[str, Callable[[BatchEvent], str]] = {
    "batch_accepted": _accepted,
    "batch_state_changed": _batch_state,
    "run_state_changed": _run_state,
    "task_state_changed": _task_state,
    "tasks_added": _tasks,
    "triage_recorded": lambda event: f"labels: {', '.join(event.triage_recorded.labels) or 'none'}",
    "plan_recorded": lambda event: f"plan, steps: {len(event.plan_recorded.tasks)}",
    "change_recorded": lambda event: (
        f"change: +{event.change_recorded.additions} -{event.change_recorded.deletions} in "
        f"{', '.join(event.change_recorded.files)}"
    ),
    "verification_recorded": _verification,
    "review_recorded": _review,
    "documentation_recorded": lambda event: _why(
        "nothing to document" if event.documentation_recorded.nothing_to_document else "documented",
        event.documentation_recorded.summary,
    ),
    "pull_request_recorded": lambda event: _why(
        "pull request", event.pull_request_recorded.url or "not written", event.pull_request_recorded.title
    ),
    "tool_invocation": _tool,
    "issue_finished": _finished,
    "batch_finished": _batch_finished,
    "budget_warning": _budget,
    "text_recorded": _text,
    "step_changed": lambda event: event.step_changed.step,
    "text_delta": lambda event: event.text_delta.text,
    "approval_resolved": lambda event: _why(
        f"{'approved' if event.approval_resolved.approved else 'declined'} by {event.actor}",
        event.approval_resolved.comment,
    ),
    "unrecognised": lambda event: f"something newer than this program: {event.unrecognised.what}",
    "run_ordered": lambda event: event.run_ordered.message,
}

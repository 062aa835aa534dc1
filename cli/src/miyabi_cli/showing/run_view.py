"""Shows one issue's run: how it stands and why, what each step found, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from miyabi.coordinator.v1.batch_pb2 import IssueRun, Task
from miyabi.coordinator.v1.result_pb2 import ChangeSet, DocumentResult, PlanResult, PullRequestResult, TriageResult
from miyabi.coordinator.v1.state_pb2 import RunState, TaskState
from miyabi_cli.showing.evidence_view import show_verification
from miyabi_cli.showing.results import USD_MICROS, age_of, failure_name
from miyabi_cli.showing.review_view import show_review
from miyabi_cli.terminal import TerminalText, joined, lines, ours, say, shown
from miyabi_core.text import Untrusted, first

#: Files that are named; the others are counted, and the diff and `--json` have them all.
MOST_FILES = 50


def show_run(console: Console, run: IssueRun) -> None:
    """Print what is known of an issue's run: how it stands, why, what was measured, and the end of each bad run."""
    say(console, ours("#{} ", run.issue_number, style="bold"), shown(Untrusted(run.title), style="bold"))
    state = RunState.Name(run.state).removeprefix("RUN_STATE_").lower().replace("_", " ")
    field(console, ours("state"), shown(Untrusted(state)))
    if run.failure_reason:
        reason = shown(Untrusted(failure_name(run.failure_reason)), style="red")
        say(console, ours("  "), reason, ours(": "), lines(Untrusted(run.failure_message)))
    _order(console, run)
    if run.HasField("stale_data"):
        field(console, ours("note"), shown(Untrusted(age_of(run.stale_data)), style="yellow"))
    for task in run.tasks:
        _task(console, task, of_the_run=run.failure_message)
    _found(console, run)
    spent = run.spent
    field(console, ours("cost"), ours("${:.4f}, calls: {}", spent.cost_usd_micros / USD_MICROS, spent.calls))


def _order(console: Console, run: IssueRun) -> None:
    """Print what the run has to do with other issues of its batch."""
    if run.duplicate_of and not run.failure_reason:
        field(console, ours("duplicate"), ours("asks for the same as #{}, which is worked on", run.duplicate_of))
    for share in run.shares:
        files = shown(Untrusted(", ".join(share.files)))
        field(console, ours("waits"), joined(ours("for #{}: both touch ", share.issue_number), files))
    if run.base_branch:
        field(console, ours("starts from"), shown(Untrusted(f"{run.base_branch} {run.base_sha[:12]}")))


def _found(console: Console, run: IssueRun) -> None:
    """Print what each step found."""
    if run.HasField("pull_request"):
        _pull_request(console, run.pull_request)
    if run.HasField("triage"):
        _triage(console, run.triage)
    if run.HasField("plan"):
        _plan(console, run.plan)
    if run.HasField("change_set"):
        _change(console, run.change_set)
    if run.HasField("verification"):
        show_verification(console, run.verification)
    if run.HasField("review"):
        show_review(console, run.review)
    if run.HasField("documentation"):
        _documentation(console, run.documentation)


def field(console: Console, name: TerminalText, value: TerminalText) -> None:
    """Print one line of a run."""
    say(console, ours("  "), name, ours(": "), value)


def _task(console: Console, task: Task, *, of_the_run: str) -> None:
    """Print who works on a step now, or why it failed, where the run's own reason does not say it already."""
    if task.state == TaskState.TASK_STATE_LEASED:
        since = task.start_time.ToDatetime().isoformat(sep=" ", timespec="seconds")
        step = f"{task.name.rpartition('/')[2]}, attempt {task.attempt}, by {task.agent} since {since} UTC"
        field(console, ours("now"), shown(Untrusted(step)))
    if task.failure_message and task.failure_message != of_the_run:
        words = Untrusted(f"{task.name.rpartition('/')[2]}, {_state(task)}, {failure_name(task.failure_reason)}")
        say(console, ours("  step "), shown(words), ours(": "), lines(Untrusted(task.failure_message)))


def _state(task: Task) -> str:
    """Return a step's state as a lower-case word."""
    return TaskState.Name(task.state).removeprefix("TASK_STATE_").lower()


def _pull_request(console: Console, pull: PullRequestResult) -> None:
    """Print the pull request's address, in a line that nothing breaks, and what is to be known of it."""
    field(console, ours("pull request"), shown(Untrusted(pull.url or "not written")))
    for note in pull.notes:
        field(console, ours("note"), shown(Untrusted(note)))


def _triage(console: Console, triage: TriageResult) -> None:
    """Print the labels, and what of the issue no model saw."""
    how = ours(" (by rules, without a model)") if triage.by_rules else ours("")
    field(console, ours("labels"), joined(shown(Untrusted(", ".join(triage.labels) or "none")), how))
    for note in triage.notes:
        field(console, ours("note"), shown(Untrusted(note)))


def _plan(console: Console, plan: PlanResult) -> None:
    """Print the steps of the plan."""
    how = ours(", by rules, without a model") if plan.by_rules else ours("")
    field(console, ours("plan"), joined(ours("steps: {}", len(plan.tasks)), how))
    for step in plan.tasks:
        say(console, ours("    - "), shown(Untrusted(step.title)))


def _change(console: Console, change: ChangeSet) -> None:
    """Print the files of the change, and which tests it edits on purpose."""
    numbers = ours("files: {}, +{} -{}", len(change.files), change.additions, change.deletions)
    field(console, ours("change"), numbers)
    named, rest = first(change.files, MOST_FILES)
    for file in named:
        what = ours(" (deleted)") if file.deleted else ours(" (new)") if file.added else ours("")
        say(console, ours("    "), shown(Untrusted(file.path)), what)
    if rest:
        say(console, ours("    and {} files more", rest))
    for entry in change.changed_expectations:
        words = joined(shown(Untrusted(entry.test)), ours(": "), shown(Untrusted(entry.reason)))
        field(console, ours("changed expectation"), words)
    _attempts(console, change.attempts_refused)


def _attempts(console: Console, attempts: Iterable[str]) -> None:
    """Print what the model tried and was refused."""
    for attempt in attempts:
        field(console, ours("refused"), shown(Untrusted(attempt), style="yellow"))


def _documentation(console: Console, documentation: DocumentResult) -> None:
    """Print what documentation did."""
    what = ours("nothing to document: ") if documentation.nothing_to_document else ours("")
    field(console, ours("documentation"), joined(what, shown(Untrusted(documentation.summary))))
    _attempts(console, documentation.attempts_refused)

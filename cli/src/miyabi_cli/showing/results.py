"""What became of each issue: a table where there is room, a block each where there is not, and a JSON object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from miyabi.common.v1.freshness_pb2 import StaleCause, StaleData
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi.coordinator.v1.state_pb2 import FailureReason, RunState
from miyabi_cli.terminal import TerminalText, joined, lines, linked, ours, row, say, say_table, shown, shows_links
from miyabi_core.text import Untrusted, first

#: Micro-dollars in a dollar.
USD_MICROS = 1_000_000
#: Ages below are told in seconds, others in minutes: what a person would say.
SPOKEN_IN_SECONDS = 90
#: Columns that the table needs to be read; with fewer each issue has a block of lines.
TABLE_COLUMNS = 120
#: Labels or files of one issue that are named; the others are counted, and `--json` has them all.
MOST_NAMED = 10
_CAUSES: dict[int, str] = {
    StaleCause.STALE_CAUSE_RATE_LIMITED: "GitHub's limit was reached",
    StaleCause.STALE_CAUSE_UNAVAILABLE: "GitHub could not be reached",
    StaleCause.STALE_CAUSE_REVALIDATING: "it was being read anew",
}


def status_of(result: IssueResult) -> str:
    """Return the run's state as one lower-case word."""
    return RunState.Name(result.state).removeprefix("RUN_STATE_").lower()


def failure_name(reason: FailureReason.ValueType) -> str:
    """Return a failure reason as lower-case words, or nothing."""
    return FailureReason.Name(reason).removeprefix("FAILURE_REASON_").lower().replace("_", " ") if reason else ""


def failure_of(result: IssueResult) -> str:
    """Return the failure reason as one lower-case word, or nothing."""
    return failure_name(result.failure_reason).replace(" ", "_")


def measured(number: int) -> int | None:
    """Return a count, or None where the protocol's -1 says that it was not measured."""
    return None if number < 0 else number


def age_of(stale: StaleData) -> str:
    """Return how old GitHub's data of an issue were, and why, in words."""
    seconds = stale.age.ToTimedelta().total_seconds()
    age = f"{seconds:.0f} s" if seconds < SPOKEN_IN_SECONDS else f"{seconds / 60:.0f} min"
    return f"GitHub data was {age} old: {_CAUSES.get(stale.cause, 'nothing newer was at hand')}"


def as_json(result: IssueResult) -> dict[str, Any]:
    """Return the machine-readable line of one issue; what was not measured is null."""
    line: dict[str, Any] = {
        "issue": result.issue_number,
        "labels": list(result.labels),
        "files": list(result.files),
        "tests": {
            "failed_before": measured(result.tests_failed_before),
            "passed_after": measured(result.tests_passed_after),
        },
        "review_score": measured(result.review_score),
        "pull_request": result.pull_request_url or None,
        "cost_usd": result.cost_usd_micros / USD_MICROS,
        "seconds": round(result.duration.ToTimedelta().total_seconds(), 3),
        "status": status_of(result),
    }
    if result.HasField("stale_data"):
        line["stale_data"] = {
            "fetched": result.stale_data.fetch_time.ToJsonString(),
            "age_seconds": round(result.stale_data.age.ToTimedelta().total_seconds(), 3),
            "cause": StaleCause.Name(result.stale_data.cause).removeprefix("STALE_CAUSE_").lower(),
        }
    if result.failure_reason:
        line["failure"] = {"reason": failure_of(result), "message": result.failure_message}
    return line


def show_results(console: Console, results: Iterable[IssueResult]) -> None:
    """Print what became of each issue; what was not measured says so.

    A pull request is a link where the terminal has them; else its address stands below the table, in a line that
    nothing breaks. Below the table stands too why an issue failed, whole.

    Args:
        console: Where to.
        results: Of a batch, in its order.
    """
    there = list(results)
    if console.width < TABLE_COLUMNS:
        for result in there:
            _block(console, result)
        return
    table = Table(title="Results", title_style="bold", header_style="bold")
    for name in _COLUMNS:
        table.add_column(name, overflow="fold", justify="right" if name in _NUMBERS else "left")
    for result in there:
        row(table, ours("#{}", result.issue_number), *_cells(console, result, by="\n"))
    say_table(console, table)
    for result in there:
        _below(console, result, ours("#{} ", result.issue_number))


#: What is told of each issue beside its number.
_COLUMNS = ("issue", "labels", "files", "tests before/after", "score", "pull request", "cost", "seconds", "status")
#: Columns that hold numbers.
_NUMBERS = frozenset({"issue", "score", "pull request", "cost", "seconds"})


def _cells(console: Console, result: IssueResult, *, by: str) -> tuple[TerminalText, ...]:
    """Return what is told of one issue beside its number, in the order of the columns; *by* stands between names."""
    failed, passed = measured(result.tests_failed_before), measured(result.tests_passed_after)
    return (
        _listed(result.labels, by=by),
        _listed(result.files, by=by) if result.files else ours("none"),
        ours("not run") if failed is None or passed is None else ours("{} fail / {} pass", failed, passed),
        _score(result),
        _pull_request(console, result),
        ours("${:.4f}", result.cost_usd_micros / USD_MICROS),
        ours("{:.1f}", result.duration.ToTimedelta().total_seconds()),
        _status(result),
    )


def _block(console: Console, result: IssueResult) -> None:
    """Print what became of one issue, a line each."""
    say(console, ours("#{}", result.issue_number, style="bold"))
    for name, cell in zip(_COLUMNS[1:], _cells(console, result, by=", "), strict=True):
        say(console, ours("  "), shown(Untrusted(name)), ours(": "), cell)
    _below(console, result, ours("  "))


def _below(console: Console, result: IssueResult, begin: TerminalText) -> None:
    """Print what no cell holds whole: the pull request's address and why the issue failed."""
    if result.pull_request_url and not shows_links(console):
        say(console, begin, shown(Untrusted(result.pull_request_url)))
    if result.failure_message:
        reason = Untrusted(failure_name(result.failure_reason) or status_of(result))
        say(console, begin, shown(reason, style="red"), ours(": "), lines(Untrusted(result.failure_message)))
    if result.HasField("stale_data"):
        say(console, begin, shown(Untrusted(age_of(result.stale_data)), style="yellow"))


def _listed(names: Sequence[str], *, by: str) -> TerminalText:
    """Return names with *by* between them, and the number of those that are not named."""
    named, rest = first(names, MOST_NAMED)
    more = [ours("and {} more", rest)] if rest else []
    return joined(*(shown(Untrusted(name)) for name in named), *more, by=by)


def _score(result: IssueResult) -> TerminalText:
    """Return the review's score; an incomplete review has none."""
    score = measured(result.review_score)
    if score is not None:
        return ours("{}", score)
    return ours("none") if result.reviewed else ours("not run")


def _pull_request(console: Console, result: IssueResult) -> TerminalText:
    """Return the pull request's number: a link where the terminal has them, else its address has its own line."""
    number = result.pull_request_url.rpartition("/")[2]
    words = shown(Untrusted(f"#{number}" if number else "none"))
    return linked(console, words, Untrusted(result.pull_request_url)) if number else words


def _status(result: IssueResult) -> TerminalText:
    """Return how the run ended, in words."""
    status = status_of(result)
    if result.failure_reason:
        status += f": {failure_name(result.failure_reason)}"
    elif result.changed_expectations:
        number = len(result.changed_expectations)
        status += f" ({number} changed expectation{'' if number == 1 else 's'})"
    return shown(Untrusted(status))

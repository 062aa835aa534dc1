"""What became of each issue, as a table row and as a JSON object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.table import Table

from miyabi.common.v1.freshness_pb2 import StaleCause, StaleData
from miyabi.coordinator.v1.result_pb2 import IssueResult
from miyabi.coordinator.v1.state_pb2 import FailureReason, RunState
from miyabi_cli.terminal import TerminalText, joined, lines, ours, row, shown
from miyabi_core.text import Untrusted

#: Micro-dollars in a dollar.
USD_MICROS = 1_000_000
#: Ages below are told in seconds, others in minutes: what a person would say.
SPOKEN_IN_SECONDS = 90
#: Characters of why an issue failed in its row; the whole stands above the table.
MOST_OF_A_REASON = 200
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


def results_table(results: Iterable[IssueResult]) -> Table:
    """Return the table of results; what was not measured says so."""
    table = Table(title="Results", title_style="bold", header_style="bold")
    for name in (
        "issue",
        "labels",
        "files",
        "tests before/after",
        "score",
        "pull request",
        "cost",
        "seconds",
        "status",
    ):
        table.add_column(name, overflow="fold", justify="right" if name in _NUMBERS else "left")
    for result in results:
        row(table, *_row(result))
    return table


#: Columns that hold numbers.
_NUMBERS = frozenset({"issue", "score", "cost", "seconds"})


def _row(result: IssueResult) -> tuple[TerminalText, ...]:
    """Return the cells of one issue."""
    failed, passed = measured(result.tests_failed_before), measured(result.tests_passed_after)
    score = measured(result.review_score)
    return (
        ours("#{}", result.issue_number),
        _listed(result.labels),
        _listed(result.files) if result.files else ours("none"),
        ours("not run") if failed is None or passed is None else ours("{} fail / {} pass", failed, passed),
        ours("not run") if score is None else ours("{}", score),
        shown(Untrusted(result.pull_request_url or "none")),
        ours("${:.4f}", result.cost_usd_micros / USD_MICROS),
        ours("{:.1f}", result.duration.ToTimedelta().total_seconds()),
        _status(result),
    )


def _listed(names: Iterable[str]) -> TerminalText:
    """Return names, one a line."""
    return joined(*(shown(Untrusted(name)) for name in names), by="\n")


def _status(result: IssueResult) -> TerminalText:
    """Return how the run ended, in words."""
    status = status_of(result)
    if result.failure_reason:
        status += f": {failure_name(result.failure_reason)}\n{result.failure_message[:MOST_OF_A_REASON]}"
    elif result.changed_expectations:
        status += f" ({len(result.changed_expectations)} changed expectations)"
    if result.HasField("stale_data"):
        status += f"\n{age_of(result.stale_data)}"
    return lines(Untrusted(status))

"""What a report found: bottlenecks, what would help, what failed and why, tests by turns, limits of GitHub."""

from __future__ import annotations

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_cli.report.model import Row, Section, with_shares
from miyabi_cli.report.paths import issue_of
from miyabi_cli.report.spoken import NOT_MEASURED, count, measured, moment, share, took


def bottlenecks(answer: pb.GetPerformanceReportResponse) -> Section:
    """Return what takes long, the heaviest first; the place is told whole where the report is of no one batch."""
    batch = next((path.name.partition("/runs/")[0] for path in answer.critical_paths), "")
    rows = [(_bottleneck(entry, batch), entry.duration.ToTimedelta().total_seconds()) for entry in answer.bottlenecks]
    return Section(
        "Bottlenecks",
        ("what", "kind", "weight", "count", "median", "longest", "of path", "seen in"),
        with_shares(rows),
        frozenset({3, 4, 5, 6}),
        note="Weight by the longest: critical from 30 s, high from 10 s, medium from 5 s, low from 1 s.",
        bars="longest",
    )


def _bottleneck(entry: pb.Bottleneck, batch: str) -> Row:
    """Return one bottleneck."""
    family = _word(pb.BottleneckFamily, entry.family, "BOTTLENECK_FAMILY_")
    step = _word(TaskKind, entry.task_kind, "TASK_KIND_")
    elsewhere = entry.example and not (batch and entry.example.startswith(f"{batch}/"))
    below = [("seen in", entry.example)] if elsewhere else []
    if entry.HasField("slower_since"):
        since = f"its median was {took(entry.usual)} in its own last weeks, and is {took(entry.p50)} since "
        below.insert(0, ("slower than it was", since + f"{moment(entry.slower_since)} UTC"))
    return Row(
        (
            entry.subject,
            f"{family} of {step}" if step and family != "task" else family,
            _word(pb.BottleneckLevel, entry.level, "BOTTLENECK_LEVEL_") or NOT_MEASURED,
            count(entry.count) if entry.count else NOT_MEASURED,
            measured(entry, "p50"),
            measured(entry, "duration"),
            share(entry.critical_path_share),
            issue_of(entry.example) if entry.example else "",
        ),
        tuple(below),
    )


def recommendations(answer: pb.GetPerformanceReportResponse) -> Section:
    """Return what would help, the most gain first."""
    rows = []
    for entry in answer.recommendations:
        present = entry.present_value or "not known"
        change = f"{entry.setting}: {present} → {entry.proposed_value}" if entry.setting else NOT_MEASURED
        gain = f"ends {took(entry.expected_gain)} sooner" if entry.HasField("expected_gain") else NOT_MEASURED
        below = [("because", entry.evidence), ("seen in", entry.example)]
        rows.append(Row((entry.text, change, gain), tuple(part for part in below if part[1])))
    return Section("What would help", ("do", "setting", "expected"), tuple(rows))


def failures(answer: pb.GetPerformanceReportResponse) -> Section:
    """Return what failed and why, in groups, the most frequent first."""
    rows = [
        Row(
            (entry.reason.replace("_", " "), count(entry.runs), count(entry.attempts)),
            (
                *((("the newest said", entry.message),) if entry.message else ()),
                *(("seen in", example) for example in entry.examples),
            ),
        )
        for entry in answer.failures
    ]
    return Section(
        "What failed, and why",
        ("reason", "issues", "attempts"),
        tuple(rows),
        frozenset({1, 2}),
        note="Attempts count also where a repeat went well.",
    )


def flaky_tests(answer: pb.GetPerformanceReportResponse) -> Section:
    """Return tests that were red and green on the same code."""
    rows = [
        Row((count(entry.count), entry.repository), (("test", entry.test), ("seen in", entry.example)))
        for entry in answer.flaky_tests
    ]
    return Section("Tests that pass and fail by turns", ("times", "repository"), tuple(rows), frozenset({0}))


def rate_limits(answer: pb.GetPerformanceReportResponse) -> Section:
    """Return how much of GitHub's limits is used now."""
    rows = [
        (
            Row(
                (
                    entry.resource,
                    entry.repository or "the credential",
                    count(entry.used),
                    count(entry.limit),
                    count(entry.remaining) if entry.remaining >= 0 else NOT_MEASURED,
                    moment(entry.reset_time) if entry.HasField("reset_time") else NOT_MEASURED,
                )
            ),
            entry.used / entry.limit if entry.limit else 0.0,
        )
        for entry in answer.rate_limits
    ]
    bars = tuple(Row(row.cells, row.below, min(used, 1.0)) for row, used in rows)
    return Section(
        "GitHub's limits, now",
        ("limit", "of", "used", "allowed", "left", "anew at (UTC)"),
        bars,
        frozenset({2, 3, 4}),
        bars="used",
    )


def _word(kinds: object, value: int, prefix: str) -> str:
    """Return a value of an enumeration as lower-case words; empty: unspecified, or newer than this program."""
    names: dict[int, str] = {number: name for name, number in kinds.items()}  # type: ignore[attr-defined]
    return names.get(value, "").removeprefix(prefix).lower().replace("_", " ") if value else ""

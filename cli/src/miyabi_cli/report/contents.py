"""Makes a report of what the dashboard answered: which sections, which columns, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_cli.report.findings import bottlenecks, failures, flaky_tests, rate_limits, recommendations
from miyabi_cli.report.model import Report, Row, Section, Sections, with_shares
from miyabi_cli.report.paths import critical_path, what_ifs
from miyabi_cli.report.spoken import NOT_MEASURED, count, measured, moment, money, share, took

#: Columns of what durations are told of.
_DURATIONS = ("", "count", "failed", "median", "95 %", "99 %", "longest", "sum")
#: Names of steps as the dashboard writes them; tools and models are shown as they are.
KINDS = frozenset(name.removeprefix("TASK_KIND_").lower() for name in TaskKind.keys())  # noqa: SIM118 - no mapping
#: Tables of durations: title, name of the answer's field, what a row is.
TABLES = (
    ("Time by step", "tasks", "step"),
    ("Waiting for an agent", "queue_waits", "step"),
    ("Model calls", "model_calls", "model"),
    ("Tools", "tools", "tool"),
    ("GitHub, by way of the gateway", "gateway_waits", "call"),
    ("Agents", "agents", "agent"),
)


def report_of(
    answer: pb.GetPerformanceReportResponse, *, about: str, filters: Sequence[tuple[str, str]] = ()
) -> Report:
    """Return the report of an answer.

    Args:
        answer: Of the dashboard.
        about: What was asked for, for example `batches/…` or `the last 7d`.
        filters: What narrowed it, each with our name of it.
    """
    sections = Sections()
    sections.add(totals(answer.totals))
    for section in recommendations(answer), bottlenecks(answer):
        sections.add(section)
    whole, runs = answer.critical_paths[:1], answer.critical_paths[1:]
    for path in whole:
        sections.add(critical_path(path))
        if path.what_ifs:
            sections.add(what_ifs(path))
    if not whole:
        sections.silent.append("Critical path")
    for title, field, subject in TABLES:
        sections.add(durations(title, getattr(answer, field), subject=subject))
    for section in failures(answer), flaky_tests(answer), rate_limits(answer):
        sections.add(section)
    for path in runs:
        sections.add(critical_path(path))
    return Report(
        title=f"Report of {about}",
        facts=(*_facts(answer), *filters),
        sections=tuple(sections.there),
        silent=tuple(sections.silent),
        not_measured=tuple(answer.not_measured),
    )


def _facts(answer: pb.GetPerformanceReportResponse) -> Iterable[tuple[str, str]]:
    """Return what stands in a report's head."""
    if answer.period.HasField("start_time"):
        start, end = answer.period.start_time, answer.period.end_time
        yield "period", f"{moment(start)} to {moment(end)} UTC, {took(end.ToDatetime() - start.ToDatetime())}"
    yield "measurements", count(answer.samples)


def totals(found: pb.Totals) -> Section:
    """Return what came of it and what it used; nothing at all is no section."""
    rows = [Row((name, value)) for name, value in total_values(found)] if found.ByteSize() else []
    return Section("Totals", ("", ""), tuple(rows), frozenset({1}))


def total_values(found: pb.Totals) -> list[tuple[str, str]]:
    """Return each total by its name."""
    good = found.runs_succeeded
    values = [
        ("batches", count(found.batches)),
        ("issues that succeeded", count(good)),
        ("issues that failed", count(found.runs_failed)),
        ("issues that were skipped", count(found.runs_skipped)),
        ("issues that were cancelled", count(found.runs_cancelled)),
        ("issues that are open", count(found.runs_open)),
        ("success", share(found.success_share) if found.HasField("success_share") else NOT_MEASURED),
        ("cost", money(found.cost_usd_micros)),
        ("cost of a success", money(round(found.cost_usd_micros / good)) if good else NOT_MEASURED),
        ("tokens in", count(found.input_tokens)),
        ("tokens out", count(found.output_tokens)),
        ("tokens in from the cache", share(found.cache_share) if found.HasField("cache_share") else NOT_MEASURED),
        ("events", count(found.events)),
    ]
    empty = {"batches", "issues that are open", "issues that were skipped", "issues that were cancelled"}
    return [(name, value) for name, value in values if name not in empty or value != "0"]


def durations(title: str, found: Sequence[pb.DurationSummary], *, subject: str) -> Section:
    """Return a table of durations, the largest sum first."""
    longest = sorted(found, key=lambda entry: entry.total.ToTimedelta(), reverse=True)
    rows = [(_duration(entry), entry.total.ToTimedelta().total_seconds()) for entry in longest]
    columns = (subject, *_DURATIONS[1:])
    return Section(title, columns, with_shares(rows), frozenset(range(1, len(columns))), bars="sum")


def _duration(entry: pb.DurationSummary) -> Row:
    """Return a row of durations."""
    times = (measured(entry, name) for name in ("p50", "p95", "p99", "max", "total"))
    name = entry.subject.replace("_", " ") if entry.subject in KINDS else entry.subject
    return Row((name, count(entry.count), count(entry.failed), *times))

"""The report of one batch: exact, computed from its log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from miyabi.coordinator.v1.event_pb2 import BatchEvent
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.errors import NotFoundError
from miyabi_core.proto_time import to_timestamp
from miyabi_dashboard.monitor.bottlenecks import Candidate, found_among
from miyabi_dashboard.monitor.critical_path import read_history
from miyabi_dashboard.monitor.critical_path.analysis import Analysis
from miyabi_dashboard.monitor.measuring import Family, Measurement, Reader
from miyabi_dashboard.monitor.recommending import facts_of, recommended
from miyabi_dashboard.monitor.reporting import rendering
from miyabi_dashboard.monitor.reporting.asked import Asked
from miyabi_dashboard.monitor.reporting.paths import MOST_PATHS, critical_path, share_of
from miyabi_dashboard.monitor.sketches import Durations, Exact, Sketch
from miyabi_dashboard.monitor.storing import Bucket

#: Names of a batch's measurements: none is folded, since all of them together are told.
_ALL = 1 << 30


class Measured(NamedTuple):
    """A batch's measurements and its time."""

    bucket: Bucket
    analysis: Analysis
    budget_usd_micros: int = 0


def measured(events: Sequence[BatchEvent], *, issue: int = 0, slots: int = 0, refused: bool = False) -> Measured:
    """Measure a log.

    Args:
        events: All committed events, from the first.
        issue: Only durations and counts of this one; 0: of all.
        slots: Slots of all agents together; 0: not known.
        refused: The model API refused calls meanwhile.
    """
    bucket, reader = Bucket(_ALL, make=Exact), Reader()
    for event in events:
        for found in reader.read(event):
            if issue and event.issue_number != issue:
                continue
            if isinstance(found, Measurement):
                bucket.measure(found)
            else:
                bucket.count(found)
    budget = events[0].batch_accepted.batch.spec.budget.usd_micros if events else 0
    return Measured(bucket, Analysis(read_history(events), slots=slots, refused=refused), budget)


def fill(report: pb.GetPerformanceReportResponse, bucket: Bucket, asked: Asked, *, exact: bool) -> None:
    """Put durations, totals and failures into a report."""
    make: type[Durations] = Exact if exact else Sketch
    for field, family in (("tools", Family.TOOL), ("model_calls", Family.MODEL), ("tasks", Family.TASK),
                          ("queue_waits", Family.QUEUE), ("gateway_waits", Family.GATEWAY)):  # fmt: skip
        groups = rendering.grouped(bucket, asked, family, make)
        getattr(report, field).extend(rendering.summaries(groups, make))
    if not asked.model and not asked.repository:
        report.agents.extend(rendering.of_agents(bucket, asked, make))
    report.totals.CopyFrom(rendering.totals(bucket, asked))
    report.failures.extend(rendering.failures(bucket, asked))
    if asked.is_partial:
        report.not_measured.append("Recommendations: they are for whole batches, and told without agent and model.")
    if asked.agent and asked.model:
        report.not_measured.append("Totals: what was spent is counted by agent or by model, and not by both.")
    tests, rest = rendering.flaky(bucket, asked)
    report.flaky_tests.extend(tests)
    if rest:
        report.not_measured.append(f"{rest} more flaky tests are not listed.")
    report.samples = sum(series.durations.count for key, series in bucket.series.items() if asked.wants(key))


def report_of_batch(found: Measured, asked: Asked, *, issue: int = 0) -> pb.GetPerformanceReportResponse:
    """Return the report of a batch, or of one of its issues.

    Raises:
        NotFoundError: the batch has no such issue.
    """
    analysis, report = found.analysis, pb.GetPerformanceReportResponse()
    history = analysis.history
    if issue and issue not in history.runs:
        raise NotFoundError(f"The batch has no issue {issue}.", reason="RUN_NOT_FOUND")
    fill(report, found.bucket, asked, exact=True)
    report.period.start_time.CopyFrom(to_timestamp(datetime.fromtimestamp(history.accepted, UTC)))
    report.period.end_time.CopyFrom(to_timestamp(datetime.fromtimestamp(history.ended, UTC)))
    runs = [history.runs[issue]] if issue else history.runs.values()
    report.totals.runs_open = sum(not run.ended for run in runs)
    _add_paths(report, analysis, issue)
    bottlenecks, rest = found_among(candidates(found.bucket, asked, [analysis]))
    report.bottlenecks.extend(bottlenecks)
    if rest:
        report.not_measured.append(f"{rest} more things that took a second or more are not listed.")
    if not issue and not asked.is_partial:
        facts = facts_of(analysis, found.bucket, budget_usd_micros=found.budget_usd_micros)
        report.recommendations.extend(recommended(analysis, facts))
    return report


def _add_paths(report: pb.GetPerformanceReportResponse, analysis: Analysis, issue: int) -> None:
    """Add the critical path of the batch and of its longest runs, or of the run that is asked for."""
    history = analysis.history
    report.not_measured.extend(analysis.not_predicted)
    if issue:
        report.critical_paths.append(critical_path(analysis, issue))
        return
    report.critical_paths.append(critical_path(analysis, 0))
    begun = [run for run in history.runs.values() if any(task.attempts for task in run.tasks.values())]
    begun.sort(key=lambda run: (-((run.ended or history.ended) - history.accepted), run.issue))
    report.critical_paths.extend(critical_path(analysis, run.issue) for run in begun[: MOST_PATHS - 1])
    if len(begun) >= MOST_PATHS:
        report.not_measured.append(f"{len(begun) - MOST_PATHS + 1} runs' critical paths are not listed: ask by issue.")


def candidates(bucket: Bucket, asked: Asked, analyses: Sequence[Analysis]) -> list[Candidate]:
    """Return everything that was measured, with its share of batches' critical paths."""
    make: type[Durations] = Exact
    if any(not isinstance(series.durations, Exact) for series in bucket.series.values()):
        make = Sketch
    return [
        Candidate(family, subject, kind, series, share_of(analyses, family, subject, kind))
        for family in Family
        for (subject, kind), series in rendering.grouped(bucket, asked, family, make).items()
    ]

"""What of the measurements is followed while work goes on: no history, and the steps of limits beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from miyabi.coordinator.v1 import limits_pb2
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_cli.report.contents import TABLES, durations, report_of, totals
from miyabi_cli.report.findings import bottlenecks, failures, rate_limits, recommendations
from miyabi_cli.report.model import Report, Row, Section, Sections
from miyabi_cli.report.paths import critical_path
from miyabi_cli.report.spoken import NOT_MEASURED, moment

#: Why a limit was changed, in a person's words; a test holds it against the proto.
REASONS: dict[int, str] = {
    limits_pb2.LimitReason.LIMIT_REASON_BEGUN: "the first one",
    limits_pb2.LimitReason.LIMIT_REASON_ANSWERED: "all of it was used and answered in time",
    limits_pb2.LimitReason.LIMIT_REASON_REFUSED: "the target was busy",
    limits_pb2.LimitReason.LIMIT_REASON_SLOW: "answers begin much later",
    limits_pb2.LimitReason.LIMIT_REASON_MEMORY: "memory is short",
    limits_pb2.LimitReason.LIMIT_REASON_PROCESSOR: "processors are short",
    limits_pb2.LimitReason.LIMIT_REASON_EASED: "what was short is at hand again",
    limits_pb2.LimitReason.LIMIT_REASON_BOUNDS: "the operator's bounds",
    limits_pb2.LimitReason.LIMIT_REASON_MEASURED: "by what was measured",
    limits_pb2.LimitReason.LIMIT_REASON_OTHER: "for another reason",
}


def live_report(
    answer: pb.GetPerformanceReportResponse,
    steps: Sequence[limits_pb2.LimitStep],
    *,
    about: str,
    filters: Sequence[tuple[str, str]] = (),
    not_known: Sequence[str] = (),
) -> Report:
    """Return what is followed.

    Args:
        answer: Of the dashboard.
        steps: Of limits, newest first.
        about: What was asked for.
        filters: What narrowed it.
        not_known: What could not be asked, a sentence each.
    """
    sections = Sections()
    for section in totals(answer.totals), bottlenecks(answer), recommendations(answer):
        sections.add(section)
    for path in answer.critical_paths:
        if "/runs/" not in path.name:
            sections.add(critical_path(path))
    for title, field, subject in TABLES:
        sections.add(durations(title, getattr(answer, field), subject=subject))
    for section in rate_limits(answer), limit_steps(steps), failures(answer):
        sections.add(section)
    whole = report_of(answer, about=about, filters=filters)
    return replace(
        whole,
        title=f"Measured: {about}",
        sections=tuple(sections.there),
        silent=tuple(sections.silent),
        not_measured=(*whole.not_measured, *not_known),
    )


def limit_steps(steps: Sequence[limits_pb2.LimitStep]) -> Section:
    """Return when limits were changed, and why."""
    rows = [
        Row(
            (
                moment(step.time),
                step.target,
                step.agent.removeprefix("agents/") or "all agents",
                f"{step.previous or NOT_MEASURED} → {step.limit}",
            ),
            (("why", ": ".join(filter(None, (REASONS.get(step.reason, f"reason {step.reason}"), step.detail)))),),
        )
        for step in steps
    ]
    return Section("Steps of limits, newest first", ("time (UTC)", "target", "of", "limit"), tuple(rows))

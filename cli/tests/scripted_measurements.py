"""Measurements of a batch that were never made, for what shows measurements, and a dashboard that answers them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from scripted_coordinator import BATCH

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi.dashboard.v1.telemetry_service_pb2_grpc import TelemetryServiceServicer

NAME = "miyabi.dashboard.v1.TelemetryService"
#: When the batch began.
BEGIN = datetime(2026, 11, 29, 9, 30)  # noqa: DTZ001 - UTC, as protobuf has it


def span(seconds: float) -> Duration:
    """Return a duration."""
    found = Duration()
    found.FromTimedelta(timedelta(seconds=seconds))
    return found


def at(seconds: float) -> Timestamp:
    """Return a moment of the batch."""
    found = Timestamp()
    found.FromDatetime(BEGIN + timedelta(seconds=seconds))
    return found


def summary(subject: str, seconds: list[float], *, failed: int = 0) -> pb.DurationSummary:
    """Return the summary of some durations."""
    there = sorted(seconds)
    return pb.DurationSummary(
        subject=subject, count=len(there), failed=failed, p50=span(there[len(there) // 2]), p95=span(there[-1]),
        p99=span(there[-1]), max=span(there[-1]), total=span(sum(there)),
    )  # fmt: skip


#: The chain of the batch: what, step, issue, begin and seconds.
CHAIN = (
    ("SLOT_WAIT", "", 7, 0, 2), ("WORK", "triage", 7, 2, 8), ("WORK", "plan", 7, 10, 21), ("QUEUE_WAIT", "implement", 7, 31, 14),
    ("LOST_ATTEMPT", "implement", 7, 45, 30), ("BACKOFF", "implement", 7, 75, 5), ("WORK", "implement", 7, 80, 41), ("WORK", "verify", 7, 121, 33),
    ("FIX_ROUND", "implement", 7, 154, 28), ("FIX_ROUND", "verify", 7, 182, 30), ("WORK", "review", 7, 212, 7),
    ("ORDER_WAIT", "", 9, 219, 3), ("WORK", "implement", 9, 222, 38), ("APPROVAL", "pull_request", 9, 260, 60), ("WORK", "pull_request", 9, 320, 2),
)  # fmt: skip
LENGTH = 322


def path() -> pb.CriticalPath:
    """Return the batch's critical path."""
    sums: dict[tuple[str, str], list[float]] = {}
    steps = []
    for kind, subject, issue, begin, seconds in CHAIN:
        number = pb.SegmentKind.Value(f"SEGMENT_KIND_{kind}")
        name = f"{BATCH}/runs/{issue}/tasks/{subject}" if subject else f"{BATCH}/runs/{issue}"
        steps.append(
            pb.CriticalStep(kind=number, subject=subject, name=name, start_time=at(begin), duration=span(seconds))
        )
        sums.setdefault((kind, subject), []).append(seconds)
    segments = [
        pb.CriticalSegment(
            kind=pb.SegmentKind.Value(f"SEGMENT_KIND_{kind}"), subject=subject, count=len(there), duration=span(sum(there)),
            share=sum(there) / LENGTH, example=f"{BATCH}/runs/7/tasks/{subject or 'triage'}", gain=span(sum(there) * 0.8),
        )
        for (kind, subject), there in sorted(sums.items(), key=lambda entry: -sum(entry[1]))
    ]  # fmt: skip
    what_ifs = [
        pb.WhatIf(change="half:implement", text="implement takes half as long", gain=span(52)),
        pb.WhatIf(change="slots+1", text="one more slot", gain=span(14)),
    ]
    return pb.CriticalPath(name=BATCH, duration=span(LENGTH), segments=segments, steps=steps, what_ifs=what_ifs)


#: What came of the batch.
TOTALS = pb.Totals(
    batches=1, runs_succeeded=3, runs_failed=1, runs_skipped=1, success_share=0.75, cost_usd_micros=1_234_500,
    input_tokens=1_200_000, output_tokens=45_000, cache_read_tokens=900_000, cache_share=0.75, events=412,
)  # fmt: skip


def _recommendation(words: str, task: str) -> pb.Recommendation:
    """Return a recommendation in which every field is set."""
    return pb.Recommendation(
        text=words or "Give the agent more slots.", evidence=words or "Tasks waited 14.1 s for a free slot.",
        catalogue_id="more-slots", setting="MIYABI_AGENTS_SLOTS", present_value="4", proposed_value="6",
        expected_gain=span(14), example=task,
    )  # fmt: skip


def measurements(words: str = "") -> pb.GetPerformanceReportResponse:
    """Return a report in which every field is set.

    Args:
        words: Put into every text that strangers may have written; empty: plausible ones.
    """
    task = f"{BATCH}/runs/7/tasks/implement"
    return pb.GetPerformanceReportResponse(
        tasks=[summary("implement", [41, 38, 28], failed=1), summary("verify", [33, 30]), summary("pull_request", [1.5])],
        tools=[summary(words or "search_code", [21, 0.02]), summary("tests.base", [8.2, 3.9])],
        agents=[summary(words or "local-1", [41, 38, 33])],
        model_calls=[summary(words or "claude-sonnet-4-5", [12.25, 3.5, 0.9], failed=1)],
        queue_waits=[summary("implement", [14, 0.1])],
        gateway_waits=[summary("github.create_pull_request", [0.25])],
        samples=412,
        period=pb.Period(start_time=at(0), end_time=at(LENGTH)),
        totals=TOTALS,
        critical_paths=[path()],
        bottlenecks=[
            pb.Bottleneck(
                subject=words or "search_code", task_kind=TaskKind.TASK_KIND_IMPLEMENT, level=pb.BOTTLENECK_LEVEL_HIGH, count=2,
                duration=span(21), critical_path_share=0.065, example=task, family=pb.BOTTLENECK_FAMILY_TOOL, p50=span(0.02),
                usual=span(0.01), slower_since=at(-86_400),
            ),
        ],
        recommendations=[_recommendation(words, task)],
        flaky_tests=[pb.FlakyTest(repository="a/b", test=words or "tests.test_a.T.test_clock", count=3, example=task)],
        failures=[
            pb.FailureGroup(
                reason="tests_failed", runs=1, attempts=2, examples=[f"{BATCH}/runs/8"],
                message=words or "1 test broke: tests/test_cart.py::test_total",
            ),
        ],
        rate_limits=[
            pb.RateLimitUse(resource="graphql", limit=5000, used=120, remaining=4880, reset_time=at(3600)),
            pb.RateLimitUse(resource="open-pull-requests", repository=words or "a/b", limit=10, used=3, remaining=7),
        ],
        not_measured=[words or "How much of the time the gateway waited for GitHub's limits: no gateway is known."],
    )  # fmt: skip


class ScriptedDashboard(TelemetryServiceServicer):
    """Answers the same measurements to everyone, and keeps what it was asked."""

    def __init__(self, answer: pb.GetPerformanceReportResponse) -> None:
        self.answer = answer
        self.asked: list[pb.GetPerformanceReportRequest] = []

    async def GetPerformanceReport(  # noqa: N802
        self, request: pb.GetPerformanceReportRequest, context: Any
    ) -> pb.GetPerformanceReportResponse:
        self.asked.append(request)
        return self.answer

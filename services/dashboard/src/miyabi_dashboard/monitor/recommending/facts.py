"""What is known of a batch, by the names that the catalogue uses; what was not measured has no name here."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from miyabi.dashboard.v1.telemetry_service_pb2 import SegmentKind
from miyabi_dashboard.monitor.critical_path.analysis import Analysis
from miyabi_dashboard.monitor.measuring import Family
from miyabi_dashboard.monitor.measuring.measurements import What
from miyabi_dashboard.monitor.reporting.asked import Asked
from miyabi_dashboard.monitor.reporting.rendering import grouped
from miyabi_dashboard.monitor.sketches import Exact
from miyabi_dashboard.monitor.storing import Bucket, Series

#: What begins the names of test runs, and the name of those on base: of the whole suite, where that is short enough.
TESTS, BASE_TESTS = "tests.", "tests.base"
#: The tool that builds environments.
BUILD = "environment.build"
#: Micro-dollars of a dollar.
_USD = 1e6
#: What a budget is proposed beyond what successes cost: prices of issues differ by about so much.
_MARGIN = 1.2
_WAITS = {
    "queue_wait": SegmentKind.SEGMENT_KIND_QUEUE_WAIT,
    "slot_wait": SegmentKind.SEGMENT_KIND_SLOT_WAIT,
    "backoff": SegmentKind.SEGMENT_KIND_BACKOFF,
}


def facts_of(analysis: Analysis, bucket: Bucket, *, budget_usd_micros: int = 0) -> dict[str, Any]:
    """Return the facts of a batch.

    Args:
        analysis: Its time.
        bucket: Its measurements, exact.
        budget_usd_micros: What it may spend; 0: no limit.
    """
    history, seconds = analysis.history, max(analysis.seconds, 1e-9)
    agents = {
        attempt.agent for run in history.runs.values() for task in run.tasks.values() for attempt in task.attempts
    }
    slots = history.most_leased
    facts: dict[str, Any] = {
        "seconds": seconds,
        "runs": len(history.runs),
        "agents": len(agents),
        "slots": slots,
        "slots_fewer": max(1, slots // 2),
        "slots_per_agent": slots / max(1, len(agents)),
        "concurrency": history.concurrency,
        "parallel": history.parallel,
        "parallel_below_concurrency": int(history.parallel < history.concurrency),
        "model_seconds": analysis.model_seconds,
        "model_share": analysis.model_seconds / seconds,
    }
    for name, kind in _WAITS.items():
        waited = sum(stretch.seconds for stretch in analysis.path if stretch.kind == kind)
        facts |= {f"{name}_seconds": waited, f"{name}_share": waited / seconds}
    return facts | _of_models(bucket) | _of_tests(analysis, bucket, seconds) | _of_money(bucket, budget_usd_micros)


def _of_models(bucket: Bucket) -> dict[str, Any]:
    """Return what is known of calls of models."""
    models: defaultdict[str, Series] = defaultdict(lambda: Series(Exact()))
    for (model, _), series in grouped(bucket, Asked(), Family.MODEL, Exact).items():
        models[model].merge(series)
    if not models:
        return {}
    calls = sum(series.durations.count for series in models.values())
    refused = sum(series.failed for series in models.values())
    name, heaviest = max(models.items(), key=lambda pair: pair[1].durations.total)
    return {
        "model_calls": calls,
        "model_refused_share": refused / calls,
        "heaviest_model": name,
        "heaviest_model_p50": heaviest.durations.quantile(0.5),
    }


def _of_tests(analysis: Analysis, bucket: Bucket, seconds: float) -> dict[str, Any]:
    """Return what is known of whole test suites and of environments."""
    suites = _calls(analysis, TESTS)
    builds = _calls(analysis, BUILD)
    found: dict[str, Any] = {
        "whole_suite_seconds": suites,
        "whole_suite_share": suites / seconds,
        "build_seconds": builds,
        "build_share": builds / seconds,
    }
    tools = grouped(bucket, Asked(), Family.TOOL, Exact)
    whole = [series.durations.quantile(0.5) for (tool, _), series in tools.items() if tool == BASE_TESTS]
    if whole:
        found |= {"whole_suite_p50": max(whole), "whole_suite_half": max(whole) / 2}
    built = sum(series.durations.count for (tool, _), series in tools.items() if tool == BUILD)
    found |= {"builds": built, "builds_a_run": built / max(1, len(analysis.history.runs))}
    verify = sum(
        stretch.seconds for stretch in analysis.path if stretch.subject == "verify" and stretch.kind in _WORKED
    )
    found["verify_without_whole_suite"] = max(0.0, 1 - suites / verify) if verify else 1.0
    found["verify_without_builds"] = max(0.0, 1 - builds / verify) if verify else 1.0
    return found


_WORKED = (SegmentKind.SEGMENT_KIND_WORK, SegmentKind.SEGMENT_KIND_FIX_ROUND)


def _calls(analysis: Analysis, begin: str) -> float:
    """Return the seconds of the chain, in verification, in tools whose names begin so."""
    return sum(
        seconds
        for (tool, kind), seconds in analysis.call_seconds.items()
        if kind == "verify" and tool.startswith(begin)
    )


def _of_money(bucket: Bucket, budget_usd_micros: int) -> dict[str, Any]:
    """Return what is known of what was spent, and of issues that could not be paid for."""
    sums: defaultdict[str, int] = defaultdict(int)
    for key, tally in bucket.tallies.items():
        if not key.agent and not key.model:
            name = key.detail if key.what is What.FAILED_RUN else key.what.value
            sums[name] += tally.amount
    well, total = sums[What.SUCCEEDED.value], sums[What.COST.value]
    ends = well + sums[What.FAILED.value]
    found: dict[str, Any] = {"budget_exhausted_runs": sums["budget_exhausted"], "budget_usd": budget_usd_micros / _USD}
    if well:
        each = total / well / _USD
        found |= {"usd_a_success": each, "budget_needed_usd": each * ends * _MARGIN}
    return found

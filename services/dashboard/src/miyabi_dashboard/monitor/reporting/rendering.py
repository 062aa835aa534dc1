"""Renders durations and counts as a report tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.proto_time import to_duration
from miyabi_core.text import first
from miyabi_dashboard.monitor.measuring import CountKey, Family
from miyabi_dashboard.monitor.measuring.measurements import What
from miyabi_dashboard.monitor.reporting.asked import Asked
from miyabi_dashboard.monitor.sketches import Durations
from miyabi_dashboard.monitor.storing import Bucket, Series, Tally

#: Flaky tests that a report lists.
MOST_FLAKY = 50
_TOTALS = (
    What.BATCHES,
    What.SUCCEEDED,
    What.FAILED,
    What.SKIPPED,
    What.CANCELLED,
    What.COST,
    What.INPUT,
    What.OUTPUT,
    What.CACHE_READ,
    What.EVENTS,
)


def grouped(
    bucket: Bucket, asked: Asked, family: Family, make: Callable[[], Durations]
) -> dict[tuple[str, int], Series]:
    """Return the durations of a family by subject and kind of task."""
    found: dict[tuple[str, int], Series] = {}
    for key, series in bucket.series.items():
        if key.family is family and asked.wants(key):
            found.setdefault((key.subject, key.kind), Series(make())).merge(series)
    return found


def summaries(groups: dict[tuple[str, int], Series], make: Callable[[], Durations]) -> list[pb.DurationSummary]:
    """Return the durations of each subject, whatever the kind of task, by name."""
    merged: dict[str, Series] = {}
    kinds: dict[str, Counter[int]] = {}
    for (subject, kind), series in groups.items():
        merged.setdefault(subject, Series(make())).merge(series)
        kinds.setdefault(subject, Counter())[kind] += series.durations.count
    return [summary(subject, series, kinds[subject].most_common(1)[0][0]) for subject, series in sorted(merged.items())]


def of_agents(bucket: Bucket, asked: Asked, make: Callable[[], Durations]) -> list[pb.DurationSummary]:
    """Return the durations of tasks of each agent, by name."""
    found: dict[str, Series] = {}
    for key, series in bucket.series.items():
        if key.family is Family.TASK and key.agent and asked.agent in {"", key.agent}:
            found.setdefault(key.agent, Series(make())).merge(series)
    return [summary(agent, series, 0) for agent, series in sorted(found.items())]


def summary(subject: str, series: Series, kind: int) -> pb.DurationSummary:
    """Return one subject's durations."""
    durations = series.durations
    return pb.DurationSummary(
        subject=subject,
        count=durations.count,
        failed=series.failed,
        p50=_span(durations.quantile(0.5)),
        p95=_span(durations.quantile(0.95)),
        p99=_span(durations.quantile(0.99)),
        max=_span(durations.most),
        total=_span(durations.total),
        task_kind=kind,  # type: ignore[arg-type]
    )


def totals(bucket: Bucket, asked: Asked) -> pb.Totals:
    """Return what came of it, and what it used."""
    sums: Counter[What] = Counter()
    for key, tally in bucket.tallies.items():
        if asked.counts(key):
            sums[key.what] += tally.amount
    found = pb.Totals(**{what.value: sums[what] for what in _TOTALS if sums[what]})
    if ended := found.runs_succeeded + found.runs_failed:
        found.success_share = found.runs_succeeded / ended
    if found.input_tokens:
        found.cache_share = found.cache_read_tokens / found.input_tokens
    return found


def failures(bucket: Bucket, asked: Asked) -> list[pb.FailureGroup]:
    """Return runs and attempts that did not go well by reason, most often first."""
    groups: dict[str, pb.FailureGroup] = {}
    for key, tally in sorted(_counted(bucket, asked, What.FAILED_ATTEMPT, What.FAILED_RUN), key=lambda pair: pair[0]):
        group = groups.setdefault(key.detail, pb.FailureGroup(reason=key.detail))
        if key.what is What.FAILED_RUN:
            group.runs += tally.amount
        else:
            group.attempts += tally.amount
        group.message = tally.message or group.message
        known = set(group.examples)
        group.examples.extend(name for name in reversed(tally.examples) if name not in known)
    return sorted(groups.values(), key=lambda group: (-group.runs, -group.attempts, group.reason))


def flaky(bucket: Bucket, asked: Asked) -> tuple[list[pb.FlakyTest], int]:
    """Return the tests that were red and green on the same code, most often first, and how many are not listed."""
    found = [
        pb.FlakyTest(
            repository=key.repository,
            test=key.detail,
            count=tally.amount,
            example=tally.examples[-1] if tally.examples else "",
        )
        for key, tally in _counted(bucket, asked, What.FLAKY)
    ]
    listed, rest = first(sorted(found, key=lambda test: (-test.count, test.test)), MOST_FLAKY)
    return list(listed), rest


def _counted(bucket: Bucket, asked: Asked, *whats: What) -> Iterable[tuple[CountKey, Tally]]:
    return ((key, tally) for key, tally in bucket.tallies.items() if key.what in whats and asked.counts(key))


def _span(seconds: float) -> Duration:
    return to_duration(timedelta(seconds=seconds))

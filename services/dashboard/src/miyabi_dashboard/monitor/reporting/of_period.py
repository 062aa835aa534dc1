"""The report of a period: from the sketches that are kept, and the newest batches that ended in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from miyabi.dashboard.v1 import telemetry_service_pb2 as pb
from miyabi_core.proto_time import to_timestamp
from miyabi_dashboard.monitor.bottlenecks import Candidate, found_among, slower_than_usual
from miyabi_dashboard.monitor.bottlenecks.slower import HourMedian
from miyabi_dashboard.monitor.measuring import Family
from miyabi_dashboard.monitor.measuring.measurements import OTHER, What
from miyabi_dashboard.monitor.recommending import facts_of, recommended
from miyabi_dashboard.monitor.reporting.asked import Asked
from miyabi_dashboard.monitor.reporting.of_batch import Measured, candidates, fill
from miyabi_dashboard.monitor.reporting.rendering import grouped
from miyabi_dashboard.monitor.sketches import Sketch
from miyabi_dashboard.monitor.storing import Bucket, MeasurementStore
from miyabi_dashboard.monitor.storing.buckets import HOUR, end_of, start_of

#: Seconds after which an hour does not change any more, unless the monitor was away.
SETTLED = 120
#: Periods whose merged buckets are in memory: those that a page shows, by where they begin.
MOST_BASES = 4
#: Seconds after which all is merged anew: what a monitor that was away adds to old hours is then seen. Thirty full days
#: take some ten seconds of a core.
LONGEST_BASE = 3600.0
#: Buckets of one read.
TOGETHER = 50
#: Names of what is merged: none is folded, for all of it is told.
_ALL = 1 << 30
#: Hours whose medians are kept in memory, more than are kept in the store by default.
MOST_HOURS = 1000

_Subject = tuple[Family, str, int]


class Kept(NamedTuple):
    """What is kept of a period: all of it together, from when to when, and what of it was folded away."""

    bucket: Bucket
    start: float
    end: float


class _Base(NamedTuple):
    """Buckets that were merged: which, into what, and when that was begun."""

    names: list[str]
    bucket: Bucket
    made: float


class Periods:
    """Reads periods from the store.

    Args:
        store: Where measurements are kept.
    """

    def __init__(self, store: MeasurementStore) -> None:
        self._store = store
        self._medians: dict[int, dict[_Subject, HourMedian]] = {}
        self._bases: dict[str, _Base] = {}

    async def read(self, *, start: float, end: float, now: float) -> Kept:
        """Return what is kept between two moments, widened to whole minutes and hours; not for two callers at once.

        Raises:
            UnavailableError: the store did not answer.
        """
        names = [name for name in await self._store.names(start=start - HOUR, end=end) if end_of(name) > start]
        settled = [name for name in names if end_of(name) <= now - SETTLED]
        fresh = await self._store.load([name for name in names if name not in set(settled)])
        base = await self._base_of(settled, now=now)
        bucket = await asyncio.to_thread(_merged, list(fresh.values()), base)
        begin = min((start_of(name) for name in names), default=min(start, end))
        return Kept(bucket, begin, max((end_of(name) for name in names), default=end))

    async def _base_of(self, names: list[str], *, now: float) -> Bucket:
        """Return buckets that do not change any more as one; what was merged a minute ago is not merged again.

        Raises:
            UnavailableError: the store did not answer.
        """
        first = names[0] if names else ""
        base = self._bases.pop(first, None)
        if base is None or names[: len(base.names)] != base.names or now - base.made > LONGEST_BASE:
            base = _Base([], Bucket(_ALL), now)
        missing = names[len(base.names) :]
        for start in range(0, len(missing), TOGETHER):
            stored = await self._store.load(missing[start : start + TOGETHER])
            await asyncio.to_thread(_merge_into, base.bucket, list(stored.values()))
        self._bases[first] = _Base(names, base.bucket, base.made)
        while len(self._bases) > MOST_BASES:
            del self._bases[next(iter(self._bases))]
        return base.bucket

    async def medians(self, *, now: float) -> dict[_Subject, list[HourMedian]]:
        """Return the medians of every whole hour that is kept, by what was measured, oldest first; of all repositories.

        Raises:
            UnavailableError: the store did not answer.
        """
        names = [name for name in await self._store.names(end=now) if end_of(name) <= (now - SETTLED) // HOUR * HOUR]
        hours: dict[int, list[str]] = {}
        for name in names:
            hours.setdefault(start_of(name) // HOUR * HOUR, []).append(name)
        missing = {hour: found for hour, found in hours.items() if hour not in self._medians}
        stored = await self._store.load([name for found in missing.values() for name in found])
        for hour, found in missing.items():
            parts = [stored[name] for name in found]
            self._medians[hour] = await asyncio.to_thread(_medians_of, hour, parts)
        for stale in sorted(self._medians)[:-MOST_HOURS]:
            del self._medians[stale]
        history: dict[_Subject, list[HourMedian]] = {}
        for hour in sorted(hours):
            for subject, entry in self._medians.get(hour, {}).items():
                history.setdefault(subject, []).append(entry)
        return history


def _merged(stored: Sequence[dict[bytes, bytes]], base: Bucket | None = None) -> Bucket:
    """Return buckets as one, with what was merged before; it has room for all names."""
    whole = Bucket(_ALL)
    if base is not None:
        whole.merge(base)
    _merge_into(whole, stored)
    return whole


def _merge_into(whole: Bucket, stored: Sequence[dict[bytes, bytes]]) -> None:
    """Add buckets."""
    for fields in stored:
        whole.merge(Bucket.decode(fields))


def _medians_of(hour: int, parts: Sequence[dict[bytes, bytes]]) -> dict[_Subject, HourMedian]:
    """Return the medians of one hour."""
    bucket = _merged(parts)
    return {
        (family, subject, kind): HourMedian(hour, series.durations.quantile(0.5), series.durations.count)
        for family in Family
        for (subject, kind), series in grouped(bucket, Asked(), family, Sketch).items()
    }


def ended_batches(bucket: Bucket, asked: Asked) -> list[str]:
    """Return the newest batches that ended in a period."""
    names = [
        name
        for key, tally in bucket.tallies.items()
        if key.what is What.ENDED and asked.repository in {"", key.repository}
        for name in tally.examples
    ]
    return sorted(set(names))


def report_of_period(
    kept: Kept, asked: Asked, *, batches: Sequence[Measured], medians: dict[_Subject, list[HourMedian]]
) -> pb.GetPerformanceReportResponse:
    """Return the report of a period.

    Args:
        kept: What is kept of it.
        asked: What of it is told.
        batches: The newest that ended in it, exactly.
        medians: Of each hour, for what has become slower; empty where the report has filters.
    """
    report = pb.GetPerformanceReportResponse()
    fill(report, kept.bucket, asked, exact=False)
    report.period.start_time.CopyFrom(to_timestamp(datetime.fromtimestamp(kept.start, UTC)))
    report.period.end_time.CopyFrom(to_timestamp(datetime.fromtimestamp(kept.end, UTC)))
    analyses = [batch.analysis for batch in batches]
    found = [_with_past(entry, medians) for entry in candidates(kept.bucket, asked, analyses)]
    bottlenecks, rest = found_among(found)
    report.bottlenecks.extend(bottlenecks)
    if not asked.is_partial:
        report.recommendations.extend(_advice(batches))
    report.not_measured.extend(_left_out(kept.bucket, asked, rest))
    return report


def _with_past(entry: Candidate, medians: dict[_Subject, list[HourMedian]]) -> Candidate:
    """Return a candidate with whether it has become slower."""
    hours = medians.get((entry.family, entry.subject, entry.kind))
    return entry._replace(slower=slower_than_usual(hours)) if hours else entry


def _advice(batches: Sequence[Measured]) -> list[pb.Recommendation]:
    """Return what would have helped the newest batches, each once, by the batch that it had helped most."""
    best: dict[str, pb.Recommendation] = {}
    for batch in batches:
        facts = facts_of(batch.analysis, batch.bucket, budget_usd_micros=batch.budget_usd_micros)
        for advice in recommended(batch.analysis, facts):
            known = best.get(advice.catalogue_id)
            if known is None or advice.expected_gain.ToTimedelta() > known.expected_gain.ToTimedelta():
                best[advice.catalogue_id] = advice
    return sorted(best.values(), key=lambda advice: -advice.expected_gain.ToTimedelta())


def _left_out(bucket: Bucket, asked: Asked, rest: int) -> list[str]:
    """Return what the report cannot tell."""
    found = []
    if rest:
        found.append(f"{rest} more things that took a second or more are not listed.")
    if asked.repository or asked.model:
        found.append("Agents: a period is kept by agent, or by repository and model.")
    if any(asked):
        found.append("What became slower than in its last weeks: that is told without filters.")
    hidden = sum(series.durations.count for key, series in bucket.series.items() if OTHER in key) // 2
    if hidden:
        found.append(f"{hidden} durations came after as many names as are kept, and are told as {OTHER} alone.")
    return found

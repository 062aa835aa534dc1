"""What the caches counted, read from the very counters that Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.metrics import MetricWrapperBase

from miyabi_github_gateway.service.caching import metrics as cache_metrics


@dataclass(frozen=True)
class CacheCounts:
    """Counts of one replica since it began.

    Args:
        reads: Count by kind and outcome.
        stale: Count by kind and why.
        entries: Of its own cache now.
        bytes: Of its own cache now.
        evictions: From its own cache.
        written: Bytes to the shared cache.
        read: Bytes from the shared cache.
        errors: Calls to the shared cache that failed.
    """

    reads: dict[tuple[str, str], int]
    stale: dict[tuple[str, str], int]
    entries: int
    bytes: int
    evictions: int
    written: int
    read: int
    errors: int


def cache_counts() -> CacheCounts:
    """Return what was counted so far."""
    shared = {labels["direction"]: count for labels, count in _counted(cache_metrics.SHARED_BYTES)}
    return CacheCounts(
        reads={(labels["kind"], labels["outcome"]): count for labels, count in _counted(cache_metrics.READS)},
        stale={(labels["kind"], labels["why"]): count for labels, count in _counted(cache_metrics.STALE)},
        entries=_one(cache_metrics.ENTRIES),
        bytes=_one(cache_metrics.BYTES),
        evictions=_one(cache_metrics.EVICTIONS),
        written=shared.get("written", 0),
        read=shared.get("read", 0),
        errors=_one(cache_metrics.SHARED_ERRORS),
    )


def _counted(metric: MetricWrapperBase) -> Iterator[tuple[dict[str, str], int]]:
    """Yield each series with its labels; when it was made is none of its counts."""
    for family in metric.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.labels, int(sample.value)


def _one(metric: MetricWrapperBase) -> int:
    """Return the count of a metric without labels."""
    return next(count for _, count in _counted(metric))

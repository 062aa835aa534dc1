"""What the cache counts; every number is counted where it happens. The names are listed in docs/telemetry.md."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

from miyabi_core.metrics import REGISTRY

READS = Counter(
    "miyabi_github_cache_reads_total",
    "Reads by kind and where their answer came from: l1, l2, joined, other_replica, unchanged (304), miss, bypassed.",
    ["kind", "outcome"],
    registry=REGISTRY,
)


@lru_cache(maxsize=64)
def reads(kind: str, outcome: str) -> Counter:
    """Return the counter of a kind and an outcome; looking it up by its labels would cost as much as a read."""
    return READS.labels(kind, outcome)


STALE = Counter(
    "miyabi_github_cache_stale_total",
    "Answers that were older than they should be, by kind and why: revalidating, or unavailable (limited or away).",
    ["kind", "why"],
    registry=REGISTRY,
)
EVICTIONS = Counter(
    "miyabi_github_cache_evictions_total",
    "Entries that made room in the process's own cache; the server's are in its gauge.",
    registry=REGISTRY,
)
ENTRIES = Gauge("miyabi_github_cache_entries", "Entries of the process's own cache.", registry=REGISTRY)
BYTES = Gauge("miyabi_github_cache_bytes", "Bytes that the process's own cache counts.", registry=REGISTRY)
SHARED_BYTES = Counter(
    "miyabi_github_cache_shared_bytes_total",
    "Bytes of values written to and read from the shared cache, as they travel.",
    ["direction"],
    registry=REGISTRY,
)
SHARED_ERRORS = Counter(
    "miyabi_github_cache_shared_errors_total", "Calls to the shared cache that failed.", registry=REGISTRY
)
NEWS_UNREADABLE = Counter(
    "miyabi_github_cache_news_unreadable_total",
    "Messages and names in the shared cache that could not be read, and were skipped.",
    registry=REGISTRY,
)
SHARED_EVICTED = Gauge(
    "miyabi_github_cache_shared_evicted_keys", "Keys that the cache server has evicted, as it says.", registry=REGISTRY
)
BATCH_SIZE = Gauge(
    "miyabi_github_batch_size", "Things that a query of a shape may ask for now.", ["shape"], registry=REGISTRY
)
BATCHED = Histogram(
    "miyabi_github_batch_things",
    "Things that one query asked for.",
    ["kind"],
    buckets=(1, 2, 5, 10, 25, 50, 100),
    registry=REGISTRY,
)


def query_sizes() -> dict[str, int]:
    """Return how many things a query of each shape may ask for now."""
    samples = [sample for family in BATCH_SIZE.collect() for sample in family.samples]
    return {sample.labels["shape"]: int(sample.value) for sample in samples}

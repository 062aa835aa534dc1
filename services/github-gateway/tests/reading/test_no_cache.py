"""A gateway that is told to keep nothing asks GitHub each time, and its cache server is never at fault."""

from __future__ import annotations

from pathlib import Path

from running_gateway import REPOSITORY, gateway_before, simulated

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_core.metrics import REGISTRY

#: No time is left for anything to be kept.
NOTHING = {"cache_ttl_ms": 0, "cache_volatile_ms": 0, "cache_revalidate_seconds": 0, "cache_spare_seconds": 0}


def errors() -> float:
    """Return how many calls to the cache server have failed."""
    return REGISTRY.get_sample_value("miyabi_github_cache_shared_errors_total") or 0.0


async def test_nothing_is_kept_where_no_time_is_given(tmp_path: Path, redis_url: str) -> None:
    """Reads, and the news of writes, take an expiry of nothing without an error."""
    before = errors()
    async with (
        simulated(tmp_path) as (github, token),
        gateway_before(github, token, redis_url, **NOTHING) as gateway,
    ):
        del github.requests[:]
        for _ in range(2):
            await gateway.stub.GetRepository(pb.GetRepositoryRequest(repository=REPOSITORY))
            await gateway.gateway.reading.reads.invalidate(REPOSITORY)
        assert len(gateway.reads()) == 2
    assert errors() == before

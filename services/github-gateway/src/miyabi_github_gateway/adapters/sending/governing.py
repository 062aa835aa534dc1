"""Builds the rate budgets and our caps of repositories from the settings."""

from __future__ import annotations

from redis.asyncio import Redis

from miyabi_github_gateway.adapters.redis_governor import RedisBudget, RedisPullRequestCounts
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.adapters.writing.open_pull_requests import OpenPullRequestCounter
from miyabi_github_gateway.service.governor import NOTIFY_GAP_MS, WRITE_GAP_MS, Governor, Governors, Limits, Timing
from miyabi_github_gateway.service.pull_request_counts import LocalPullRequestCounts, MirroredPullRequestCounts
from miyabi_github_gateway.service.pull_requests import Caps, PullRequestCaps
from miyabi_github_gateway.settings import GatewaySettings


def governors_of(settings: GatewaySettings, client: Redis) -> Governors:
    """Return the rate budgets, one for each credential, shared by all replicas."""
    limits = Limits(
        concurrency=settings.max_concurrency,
        write_gap_ms=int(WRITE_GAP_MS * settings.pacing_scale),
        notify_gap_ms=int(NOTIFY_GAP_MS * settings.pacing_scale),
    )
    timing = Timing().scaled(settings.time_scale)

    def make(scope: str) -> Governor:
        shared = RedisBudget(client, scope, limits, timing, settings.time_scale)
        return Governor(limits, shared, settings.time_scale, scope=scope, timing=timing)

    return Governors(make)


def caps_of(settings: GatewaySettings, client: Redis, http: GitHubHttp) -> PullRequestCaps:
    """Return our caps of repositories, counted over all replicas."""
    counts = MirroredPullRequestCounts(
        RedisPullRequestCounts(client, settings.time_scale), LocalPullRequestCounts(time_scale=settings.time_scale)
    )
    counter = OpenPullRequestCounter(GitHubTransport(http))
    caps = Caps(settings.max_open_pull_requests, settings.max_pull_requests_per_hour)
    return PullRequestCaps(counts, counter.count, caps)

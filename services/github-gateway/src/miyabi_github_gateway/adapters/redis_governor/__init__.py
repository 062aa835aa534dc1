"""One rate budget for all replicas, and the counts of our pull requests, in Redis."""

from __future__ import annotations

from miyabi_github_gateway.adapters.redis_governor.budget import RedisBudget
from miyabi_github_gateway.adapters.redis_governor.pulls import RedisPullRequestCounts

__all__ = ["RedisBudget", "RedisPullRequestCounts"]

"""Wires the reading side: queries, batches, both caches, news of changes, warm-up."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from miyabi_github_gateway.adapters.credentials.accounts import Accounts
from miyabi_github_gateway.adapters.graphql.batch_source import GitHubBatchSource
from miyabi_github_gateway.adapters.graphql.issue_assembly import IssueAssembly
from miyabi_github_gateway.adapters.reader import GitHubApiReader
from miyabi_github_gateway.adapters.redis_cache.cache import RedisCache
from miyabi_github_gateway.adapters.rest.reads import RestReads
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.adapters.target import CredentialRights, GitHubTargetSource, StandingSource
from miyabi_github_gateway.ports import Credentials
from miyabi_github_gateway.service.caching.freshness import Freshness
from miyabi_github_gateway.service.caching.local_cache import LocalCache
from miyabi_github_gateway.service.caching.warm_up import WarmUp
from miyabi_github_gateway.service.coalescing.batching import Batcher
from miyabi_github_gateway.service.coalescing.departures import Departures
from miyabi_github_gateway.service.issues import IssueLoader
from miyabi_github_gateway.service.reads import ReadThrough, Scope
from miyabi_github_gateway.service.target import TargetCheck


@dataclass(frozen=True)
class ReadingOptions:
    """How reads are cached and batched.

    Args:
        cache_url: Of the shared cache.
        api_url: Of the GitHub that is read; caches of two do not mix.
        freshness: The times.
        max_bytes: Of the process's own cache.
        max_entries: Of the process's own cache.
        window: Single reads that come within it travel together.
        at_once: Queries of long lists at once.
        warm: `owner/name`s that are read at the start; empty: those in use lately.
        warm_time: Readiness waits no longer for them; zero: they are not read.
    """

    cache_url: str
    api_url: str
    freshness: Freshness
    max_bytes: int
    max_entries: int
    window: timedelta
    at_once: int
    warm: tuple[str, ...]
    warm_time: timedelta


class Reading:
    """Everything that reads; `reads` is also the `ports.Invalidator`."""

    def __init__(self, http: GitHubHttp, options: ReadingOptions, *, credentials: Credentials, scope: Scope) -> None:
        transport, rest = GitHubTransport(http), RestReads(http)
        assembly = IssueAssembly(transport, rest)
        namespace = hashlib.sha256(options.api_url.encode()).hexdigest()[:8]
        local = LocalCache(max_bytes=options.max_bytes, max_entries=options.max_entries)
        self._options = options
        self.shared = RedisCache(options.cache_url, namespace=namespace, lifetime=options.freshness.lifetime)
        self.reader = GitHubApiReader(transport, rest, assembly)
        self.batcher = Batcher(GitHubBatchSource(transport, assembly), at_once=options.at_once)
        departures = Departures(batcher=self.batcher, local=local, shared=self.shared, freshness=options.freshness)
        self.reads = ReadThrough(
            departures=departures,
            local=local,
            shared=self.shared,
            scope=scope,
            freshness=options.freshness,
            window=options.window,
        )
        self.issues = IssueLoader(self.reads)
        source = GitHubTargetSource(
            transport, rest, accounts=Accounts(http, credentials), rights=CredentialRights(http, credentials)
        )
        self.target = TargetCheck(source, Batcher(StandingSource(transport), at_once=options.at_once))
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Hear of changes, then warm the caches; returns when that is done or took too long."""
        await self._stack.enter_async_context(self.reads.running())
        await self._stack.enter_async_context(self.shared.listening(self.reads.changed, self.reads.forget_all))
        options = self._options
        if options.warm_time:
            await WarmUp(self.reads, self.reader, self.shared, options.warm, options.warm_time).run()

    async def stop(self) -> None:
        """Call off what is under way, and close."""
        await self._stack.aclose()
        await self.shared.close()

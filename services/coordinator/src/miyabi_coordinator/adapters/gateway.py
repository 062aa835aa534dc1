"""Reads GitHub through the gateway."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

import grpc

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1 import github_gateway_service_pb2_grpc
from miyabi_coordinator.errors import issues_not_found, issues_unread, repository_not_found
from miyabi_coordinator.models import (
    QUERY_SIZE,
    Findings,
    IssueFacts,
    IssueFilter,
    Matches,
    OurPullRequest,
    Problem,
    Quota,
    RepositoryFacts,
    StaleData,
    Target,
)
from miyabi_core.errors import NotFoundError
from miyabi_core.status import from_rpc_error

if TYPE_CHECKING:
    from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceAsyncStub

#: Full name of the gateway's service.
SERVICE = "miyabi.github_gateway.v1.GitHubGatewayService"
#: Longest wait for the gateway; 10,000 issues take it a while.
TIMEOUT_SECONDS = 60.0
_FIELDS = (pb.ISSUE_FIELD_BODY, pb.ISSUE_FIELD_RELATIONS)


class GatewayClient:
    """Implements `ports.gateway.Gateway`.

    Args:
        channel: To the gateway.
        clock: Returns seconds since 1970.
    """

    def __init__(self, channel: grpc.aio.Channel, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._stub: GitHubGatewayServiceAsyncStub = github_gateway_service_pb2_grpc.GitHubGatewayServiceStub(channel)

    async def repository(self, name: str, *, branch: str) -> RepositoryFacts:
        """Return a repository with the head of a branch (empty: the default one).

        Raises:
            NotFoundError: there is no such repository.
            MiyabiError: the gateway could not answer; its reason is kept.
        """
        request = pb.GetRepositoryRequest(repository=name, branch=branch)
        try:
            answer = await self._stub.GetRepository(request, timeout=TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise _translated(error, name) from error
        found = answer.repository
        return RepositoryFacts(found.name, found.branch or found.default_branch, found.head_sha, answer.simulated)

    async def issues(self, repository: str, numbers: Sequence[int]) -> list[IssueFacts]:
        """Return issues in the order asked for.

        Raises:
            NotFoundError: at least one does not exist.
            UnavailableError: GitHub did not tell of at least one whether it exists.
            MiyabiError: the gateway could not answer; its reason is kept.
        """
        found, unread = await self._read(repository, numbers)
        if unread:
            raise issues_unread(repository, unread)
        if missing := [number for number in numbers if number not in found]:
            raise issues_not_found(repository, missing)
        return [found[number] for number in numbers]

    async def existing(self, repository: str, numbers: Sequence[int]) -> list[IssueFacts]:
        """Return those of some issues that there are and that could be read, in the order asked for.

        Raises:
            MiyabiError: the gateway could not answer; its reason is kept.
        """
        found, _ = await self._read(repository, numbers)
        return [found[number] for number in numbers if number in found]

    async def _read(self, repository: str, numbers: Sequence[int]) -> tuple[dict[int, IssueFacts], list[int]]:
        """Return issues by number, and those of which GitHub did not tell whether they exist."""
        request = pb.BatchGetIssuesRequest(repository=repository, numbers=numbers, fields=_FIELDS)
        found: dict[int, IssueFacts] = {}
        unread: list[int] = []
        try:
            async for answer in self._stub.BatchGetIssues(request, timeout=TIMEOUT_SECONDS):
                for entry in answer.entries:
                    if entry.HasField("issue"):
                        found[entry.number] = _facts(entry.issue, entry.freshness, now=self._clock())
                    elif entry.error:
                        unread.append(entry.number)
        except grpc.aio.AioRpcError as error:
            raise _translated(error, repository) from error
        return found, unread

    async def search(self, repository: str, query: IssueFilter) -> Matches:
        """Return matching issues by number. Raises MiyabiError: the gateway could not answer."""
        request = pb.SearchIssuesRequest(
            repository=repository,
            labels=query.labels,
            state=query.state,  # type: ignore[arg-type]
            milestone=query.milestone,
            assignee=query.assignee,
            text=query.text,
            limit=query.limit,
            fields=_FIELDS,
        )
        found: list[IssueFacts] = []
        more = False
        try:
            async for answer in self._stub.SearchIssues(request, timeout=TIMEOUT_SECONDS):
                more = answer.more
                found.extend(_facts(issue, answer.freshness, now=self._clock()) for issue in answer.issues)
        except grpc.aio.AioRpcError as error:
            raise _translated(error, repository) from error
        taken = sorted(found, key=lambda issue: issue.number)[: query.limit]
        return Matches(tuple(taken), more or len(found) > query.limit)

    async def pull_requests(self, repository: str, numbers: Sequence[int]) -> list[IssueFacts]:
        """Return pull requests in the order asked for.

        Raises:
            NotFoundError: at least one does not exist.
            MiyabiError: the gateway could not answer; its reason is kept.
        """
        found: list[IssueFacts] = []
        missing: list[int] = []
        for number in numbers:
            request = pb.GetPullRequestRequest(repository=repository, number=number)
            try:
                pull = (await self._stub.GetPullRequest(request, timeout=TIMEOUT_SECONDS)).pull_request
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise _translated(error, repository) from error
                missing.append(number)
            else:
                found.append(IssueFacts(pull.number, pull.title, pull.url))
        if missing:
            raise issues_not_found(repository, missing)
        return found

    async def check(self, target: Target) -> Findings:
        """Say what stands in the way of work on a repository and its issues.

        Raises:
            NotFoundError: there is no such repository.
            MiyabiError: the gateway could not answer; its reason is kept.
        """
        request = pb.CheckTargetRequest(
            repository=target.repository,
            base_branch=target.branch,
            numbers=target.numbers,
            writes_issues=target.writes_issues,
            writes_changes=target.writes_changes,
            review=target.review,
        )
        try:
            answer = await self._stub.CheckTarget(request, timeout=TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise _translated(error, target.repository) from error
        problems = (
            Problem(int(found.kind), found.message, found.remedy, found.issue_number, found.may_be_overruled)
            for found in answer.problems
        )
        ours = tuple(OurPullRequest(found.issue_number, found.url) for found in answer.ours)
        return Findings(tuple(problems), tuple(answer.not_known), ours)

    async def watch_quotas(self, repositories: Sequence[str]) -> AsyncIterator[list[Quota]]:
        """Yield all limits whenever one changes; raises MiyabiError: the gateway does not tell any more."""
        request = pb.WatchRateLimitsRequest(repositories=repositories)
        try:
            async for answer in self._stub.WatchRateLimits(request):
                sizes = [
                    Quota(f"{QUERY_SIZE}{size.shape}", "", size.things, size.things) for size in answer.query_sizes
                ]
                yield [*sizes, *map(_quota, answer.limits)]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error


def _quota(limit: pb.RateLimit) -> Quota:
    """Return a limit of the gateway."""
    return Quota(
        limit.resource,
        limit.repository,
        limit.limit,
        limit.remaining,
        limit.reset_time.ToMicroseconds() / 1e6 if limit.HasField("reset_time") else 0.0,
        limit.blocked_until_time.ToMicroseconds() / 1e6 if limit.HasField("blocked_until_time") else 0.0,
    )


def _facts(issue: pb.Issue, freshness: pb.Freshness, *, now: float) -> IssueFacts:
    """Return what a batch needs of an issue, read a while before *now* (seconds since 1970)."""
    return IssueFacts(
        issue.number,
        issue.title,
        issue.url,
        issue.body,
        tuple(issue.blocked_by),
        tuple(issue.sub_issues),
        _stale_data(freshness, now=now),
    )


def _stale_data(freshness: pb.Freshness, *, now: float) -> StaleData | None:
    """Return how old data were that the gateway marked stale; None where they were fresh."""
    if not freshness.stale:
        return None
    age = freshness.age.ToTimedelta().total_seconds()
    return StaleData(now - age, age, int(freshness.cause))


def _translated(error: grpc.aio.AioRpcError, repository: str) -> Exception:
    """Return the gateway's error as ours."""
    ours = from_rpc_error(error)
    if isinstance(ours, NotFoundError) and ours.reason == "REPOSITORY_NOT_FOUND":
        return repository_not_found(repository)
    return ours

"""Translates between the proto and the gateway's use cases; decides nothing."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from miyabi.common.v1 import problem_pb2
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceServicer
from miyabi_core.deadlines import remaining
from miyabi_core.proto_time import to_duration, to_timestamp
from miyabi_github_gateway.errors import PullRequestNotFoundError, RepositoryNotFoundError
from miyabi_github_gateway.models import (
    Issue,
    IssueAnswer,
    IssueField,
    IssueSearch,
    Kind,
    Label,
    LineComment,
    NewPullRequest,
    NewReview,
    PullRequest,
    RateLimit,
    Read,
    Repository,
    Shape,
    StaleCause,
    TimelineEvent,
)
from miyabi_github_gateway.ports import GitHubReader, GitHubWriter
from miyabi_github_gateway.service.caching.counters import cache_counts
from miyabi_github_gateway.service.caching.metrics import query_sizes
from miyabi_github_gateway.service.issues import IssueLoader
from miyabi_github_gateway.service.limits import LimitBoard
from miyabi_github_gateway.service.reads import PATIENCE, ReadThrough
from miyabi_github_gateway.service.target import TargetCheck
from miyabi_github_gateway.target_facts import Problem, Target


class GitHubGatewayServicer(GitHubGatewayServiceServicer):
    """Serves `miyabi.github_gateway.v1.GitHubGatewayService`."""

    def __init__(
        self,
        *,
        reader: GitHubReader,
        writer: GitHubWriter,
        reads: ReadThrough,
        issues: IssueLoader,
        limits: LimitBoard,
        target: TargetCheck,
        simulated: bool,
    ) -> None:
        self._reader = reader
        self._reads = reads
        self._writer = writer
        self._issues = issues
        self._limits = limits
        self._target = target
        self._simulated = simulated

    async def BatchGetIssues(  # noqa: N802 - the proto's name
        self, request: pb.BatchGetIssuesRequest, context: Any
    ) -> AsyncIterator[pb.BatchGetIssuesResponse]:
        """Stream issues as they come."""
        loading = self._issues.load(
            request.repository,
            list(request.numbers),
            fields=_fields(request.fields),
            fresh=request.fresh,
            timeout=_time(context),
        )
        async for answers in loading:
            yield pb.BatchGetIssuesResponse(entries=map(_entry, answers))

    async def SearchIssues(  # noqa: N802
        self, request: pb.SearchIssuesRequest, context: Any
    ) -> AsyncIterator[pb.SearchIssuesResponse]:
        """Stream issues page by page."""
        del context
        state = pb.IssueState.Name(request.state).removeprefix("ISSUE_STATE_").lower()
        wanted = IssueSearch(
            labels=tuple(request.labels),
            state="open" if state == "unspecified" else state,
            milestone=request.milestone,
            assignee=request.assignee,
            text=request.text,
            limit=request.limit or 100,
            fields=_fields(request.fields),
        )
        async for page in self._reader.search(request.repository, wanted):
            yield pb.SearchIssuesResponse(issues=map(_issue, page.issues), freshness=pb.Freshness(), more=page.more)

    async def GetRepository(self, request: pb.GetRepositoryRequest, context: Any) -> pb.GetRepositoryResponse:  # noqa: N802
        """Answer a repository."""
        read = Read(request.repository, Shape(Kind.REPOSITORY), name=request.branch)
        found = (await self._reads.one(read, timeout=_time(context))).value
        if not isinstance(found, Repository):
            raise RepositoryNotFoundError(request.repository, branch=request.branch)
        return pb.GetRepositoryResponse(repository=_repository(found), simulated=self._simulated)

    async def CheckTarget(self, request: pb.CheckTargetRequest, context: Any) -> pb.CheckTargetResponse:  # noqa: N802
        """Answer what stands in the way."""
        target = Target(
            repository=request.repository,
            base_branch=request.base_branch,
            numbers=tuple(request.numbers),
            writes_issues=request.writes_issues,
            writes_changes=request.writes_changes,
            review=request.review,
        )
        found = await self._target.check(target, timeout=_time(context))
        ours = (
            pb.OurPullRequest(issue_number=issue, number=pull.number, url=pull.url)
            for issue, pull in sorted(found.ours.items())
        )
        return pb.CheckTargetResponse(problems=map(_problem, found.problems), not_known=found.not_known, ours=ours)

    async def GetPullRequest(self, request: pb.GetPullRequestRequest, context: Any) -> pb.GetPullRequestResponse:  # noqa: N802
        """Answer a pull request."""
        if request.HasField("number"):
            read = Read(request.repository, Shape(Kind.PULL_REQUEST), request.number)
            found = (await self._reads.one(read, timeout=_time(context))).value
        else:
            found = await self._reader.pull_request_of(request.repository, request.head_branch)
        if not isinstance(found, PullRequest):
            which = f"#{request.number}" if request.number else request.head_branch
            raise PullRequestNotFoundError(request.repository, which)
        return pb.GetPullRequestResponse(pull_request=_pull_request(found))

    async def SetLabels(self, request: pb.SetLabelsRequest, context: Any) -> pb.SetLabelsResponse:  # noqa: N802
        """Set labels."""
        del context
        labels, changed = await self._writer.set_labels(
            request.repository, request.number, add=_labels(request.add), remove=list(request.remove)
        )
        return pb.SetLabelsResponse(labels=labels, changed=changed)

    async def UpsertComment(self, request: pb.UpsertCommentRequest, context: Any) -> pb.UpsertCommentResponse:  # noqa: N802
        """Write a comment."""
        del context
        url, created = await self._writer.upsert_comment(
            request.repository, request.number, marker=request.marker, body=request.body
        )
        return pb.UpsertCommentResponse(url=url, created=created)

    async def PostReview(self, request: pb.PostReviewRequest, context: Any) -> pb.PostReviewResponse:  # noqa: N802
        """Write a review."""
        del context
        wanted = NewReview(
            marker=request.marker,
            body=request.body,
            commit_sha=request.commit_sha,
            comments=tuple(LineComment(entry.path, entry.line, entry.body) for entry in request.comments),
        )
        written = await self._writer.post_review(request.repository, request.number, wanted)
        return pb.PostReviewResponse(url=written.url, created=written.created, notes=written.notes)

    async def CreatePullRequest(  # noqa: N802
        self, request: pb.CreatePullRequestRequest, context: Any
    ) -> pb.CreatePullRequestResponse:
        """Open a pull request."""
        del context
        wanted = NewPullRequest(
            head_branch=request.head_branch,
            base_branch=request.base_branch,
            title=request.title,
            body=request.body,
            draft=not request.ready_for_review,
            labels=tuple(_labels(request.labels)),
            reviewers=tuple(request.reviewers),
            only_one=request.only_one,
        )

        async def exists() -> bool:
            return await self._reader.pull_request_of(request.repository, request.head_branch) is not None

        async with self._limits.caps.opening(request.repository, request.head_branch, exists=exists) as opening:
            written = await self._writer.create_pull_request(request.repository, wanted)
            opening.is_new = written.created
        return pb.CreatePullRequestResponse(
            pull_request=_pull_request(written.pull_request), created=written.created, notes=written.notes
        )

    async def CreateIssue(self, request: pb.CreateIssueRequest, context: Any) -> pb.CreateIssueResponse:  # noqa: N802
        """Open an issue."""
        del context
        issue, created = await self._writer.create_issue(
            request.repository,
            title=request.title,
            body=request.body,
            labels=_labels(request.labels),
            marker=request.marker,
        )
        return pb.CreateIssueResponse(issue=_issue(issue), created=created)

    async def GetRateLimits(self, request: pb.GetRateLimitsRequest, context: Any) -> pb.GetRateLimitsResponse:  # noqa: N802
        """Answer the limits."""
        del request, context
        return pb.GetRateLimitsResponse(limits=map(_rate_limit, await self._limits.limits()))

    async def GetCacheCounters(  # noqa: N802
        self, request: pb.GetCacheCountersRequest, context: Any
    ) -> pb.GetCacheCountersResponse:
        """Answer what the caches counted."""
        del request, context
        counts = cache_counts()
        return pb.GetCacheCountersResponse(
            replica=socket.gethostname(),
            reads=[pb.CacheReads(kind=kind, outcome=how, count=n) for (kind, how), n in counts.reads.items()],
            stale=[pb.StaleAnswers(kind=kind, why=why, count=n) for (kind, why), n in counts.stale.items()],
            entries=counts.entries,
            bytes=counts.bytes,
            evictions=counts.evictions,
            shared_bytes_written=counts.written,
            shared_bytes_read=counts.read,
            shared_errors=counts.errors,
        )

    async def WatchRateLimits(  # noqa: N802
        self, request: pb.WatchRateLimitsRequest, context: Any
    ) -> AsyncIterator[pb.WatchRateLimitsResponse]:
        """Stream the limits: at once, then on each change."""
        del context
        async for limits in self._limits.watch(list(request.repositories)):
            sizes = [pb.QuerySize(shape=shape, things=things) for shape, things in query_sizes().items()]
            yield pb.WatchRateLimitsResponse(limits=map(_rate_limit, limits), query_sizes=sizes)


def _time(context: Any) -> timedelta:
    """Return what is left of the caller's time."""
    return timedelta(seconds=remaining(context, at_most=PATIENCE))


def _fields(fields: Any) -> frozenset[IssueField]:
    """Read the wanted fields."""
    return frozenset(IssueField(pb.IssueField.Name(value).removeprefix("ISSUE_FIELD_")) for value in fields)


def _labels(labels: Any) -> list[Label]:
    """Read label definitions."""
    return [Label(label.name, label.color or "ededed", label.description) for label in labels]


def _event(event: TimelineEvent) -> pb.TimelineEvent:
    """Render an event."""
    return pb.TimelineEvent(
        kind=pb.TimelineEventKind.Value(f"TIMELINE_EVENT_KIND_{event.kind}"),
        actor=event.actor,
        create_time=to_timestamp(event.create_time),
        label=event.label,
        reference=event.reference,
    )


def _issue(issue: Issue) -> pb.Issue:
    """Render an issue."""
    return pb.Issue(
        number=issue.number,
        id=issue.id,
        title=issue.title,
        body=issue.body,
        state=pb.ISSUE_STATE_CLOSED if issue.state == "closed" else pb.ISSUE_STATE_OPEN,
        url=issue.url,
        author=issue.author,
        labels=issue.labels,
        comments=[
            pb.Comment(id=entry.id, author=entry.author, body=entry.body, create_time=to_timestamp(entry.create_time))
            for entry in issue.comments
        ],
        assignees=issue.assignees,
        milestone=issue.milestone,
        create_time=to_timestamp(issue.create_time),
        update_time=to_timestamp(issue.update_time),
        blocked_by=issue.blocked_by,
        sub_issues=issue.sub_issues,
        timeline=map(_event, issue.timeline),
    )


def _entry(answer: IssueAnswer) -> pb.IssueEntry:
    """Render an answer, with its freshness."""
    entry = pb.IssueEntry(number=answer.number, missing=answer.issue is None and not answer.error, error=answer.error)
    if answer.issue is not None:
        entry.issue.CopyFrom(_issue(answer.issue))
    entry.freshness.stale = answer.cause is not StaleCause.NONE
    entry.freshness.cause = int(answer.cause)  # type: ignore[assignment]
    if answer.age is not None:
        entry.freshness.age.CopyFrom(to_duration(answer.age))
    return entry


def _repository(found: Repository) -> pb.Repository:
    """Render a repository."""
    return pb.Repository(
        name=found.name,
        id=found.id,
        default_branch=found.default_branch,
        branch=found.branch,
        head_sha=found.head_sha,
        private=found.private,
        url=found.url,
    )


def _pull_request(found: PullRequest) -> pb.PullRequest:
    """Render a pull request."""
    return pb.PullRequest(
        number=found.number,
        id=found.id,
        title=found.title,
        body=found.body,
        state=found.state,
        draft=found.draft,
        merged=found.merged,
        head_branch=found.head_branch,
        head_sha=found.head_sha,
        base_branch=found.base_branch,
        url=found.url,
        labels=found.labels,
        base_sha=found.base_sha,
    )


def _problem(found: Problem) -> problem_pb2.Problem:
    """Render a problem."""
    return problem_pb2.Problem(
        kind=problem_pb2.ProblemKind.Value(f"PROBLEM_KIND_{found.kind}"),
        issue_number=found.number,
        message=found.message,
        remedy=found.remedy,
        may_be_overruled=found.may_be_overruled,
    )


def _rate_limit(found: RateLimit) -> pb.RateLimit:
    """Render a limit."""
    limit = pb.RateLimit(
        resource=found.resource,
        limit=found.limit,
        remaining=found.remaining,
        used=found.used,
        repository=found.repository,
    )
    for name in ("reset_time", "blocked_until_time", "observe_time", "exhaust_time"):
        moment = getattr(found, name)
        if moment is not None:
            getattr(limit, name).CopyFrom(to_timestamp(moment))
    return limit

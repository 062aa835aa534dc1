"""Real counterparts for tests: a gateway that answers from memory and an agent that follows a script."""

# ruff: noqa: N802 - gRPC names the methods

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from miyabi.common.v1 import problem_pb2
from miyabi.coordinator.v1 import dispatch_service_pb2 as dispatch_pb
from miyabi.coordinator.v1 import dispatch_service_pb2_grpc, result_pb2
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1 import github_gateway_service_pb2_grpc
from miyabi_core.errors import MiyabiError, NotFoundError

if TYPE_CHECKING:
    from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceAsyncStub

#: The repository that the gateway knows.
REPOSITORY = "acme/forms"
#: Head of its default branch.
HEAD = "a" * 40
#: Makes the outcome of a lease; None leaves the lease without one.
Answer = Callable[[dispatch_pb.Lease], dispatch_pb.Outcome | None]


class MemoryGateway(github_gateway_service_pb2_grpc.GitHubGatewayServiceServicer):
    """Knows one repository whose issues are in `bodies`; every other number is missing. `allow` sets its quotas.

    `query_sizes` are told with them.

    `titles` are those of issues that are not called by their number.

    What stands in `freshness` for a number goes with its answer; of a search, the first one's. `problems`, `not_known`
    and `ours` are what a check finds, `unavailable` what it fails with; `checked` has what was asked.
    """

    def __init__(self, bodies: dict[int, str]) -> None:
        self.bodies = bodies
        self.titles: dict[int, str] = {}
        self.freshness: dict[int, pb.Freshness] = {}
        self.problems: list[problem_pb2.Problem] = []
        self.not_known: list[str] = []
        self.ours: list[pb.OurPullRequest] = []
        self.checked: list[pb.CheckTargetRequest] = []
        self.unavailable: MiyabiError | None = None
        self.watched: list[tuple[str, ...]] = []
        self.query_sizes: list[pb.QuerySize] = []
        self._limits: list[pb.RateLimit] = []
        self._changed = asyncio.Condition()

    async def GetRepository(self, request: pb.GetRepositoryRequest, context: Any) -> pb.GetRepositoryResponse:
        """Return the repository."""
        del context
        if request.repository != REPOSITORY:
            raise NotFoundError("No such repository.", reason="REPOSITORY_NOT_FOUND")
        repository = pb.Repository(name=REPOSITORY, default_branch="main", branch="main", head_sha=HEAD)
        return pb.GetRepositoryResponse(repository=repository, simulated=True)

    async def CheckTarget(self, request: pb.CheckTargetRequest, context: Any) -> pb.CheckTargetResponse:
        """Return the problems of the repository and of the numbers, and note what was asked."""
        del context
        self.checked.append(request)
        if self.unavailable is not None:
            raise self.unavailable
        wanted = {0, *request.numbers}
        problems = [problem for problem in self.problems if problem.issue_number in wanted]
        return pb.CheckTargetResponse(problems=problems, not_known=self.not_known, ours=self.ours)

    async def GetPullRequest(self, request: pb.GetPullRequestRequest, context: Any) -> pb.GetPullRequestResponse:
        """Return a pull request of a number that is there."""
        del context
        if request.number not in self.bodies:
            raise NotFoundError("No such pull request.", reason="PULL_REQUEST_NOT_FOUND")
        pull_request = pb.PullRequest(number=request.number, title=f"Pull request {request.number}")
        return pb.GetPullRequestResponse(pull_request=pull_request)

    async def BatchGetIssues(
        self, request: pb.BatchGetIssuesRequest, context: Any
    ) -> AsyncIterator[pb.BatchGetIssuesResponse]:
        """Return the issues that are there."""
        del context
        entries = [
            pb.IssueEntry(number=number, issue=self._issue(number), freshness=self.freshness.get(number))
            if number in self.bodies
            else pb.IssueEntry(number=number, missing=True)
            for number in request.numbers
        ]
        yield pb.BatchGetIssuesResponse(entries=entries)

    async def SearchIssues(
        self, request: pb.SearchIssuesRequest, context: Any
    ) -> AsyncIterator[pb.SearchIssuesResponse]:
        """Return the issues whose body has the text."""
        del context
        matching = [self._issue(number) for number, body in self.bodies.items() if request.text in body]
        freshness = self.freshness.get(matching[0].number) if matching else None
        more = 0 < request.limit < len(matching)
        taken = matching[: request.limit] if more else matching
        yield pb.SearchIssuesResponse(issues=taken, freshness=freshness, more=more)

    async def allow(self, *limits: pb.RateLimit) -> None:
        """Tell all watchers other limits."""
        async with self._changed:
            self._limits = list(limits)
            self._changed.notify_all()

    async def WatchRateLimits(
        self, request: pb.WatchRateLimitsRequest, context: Any
    ) -> AsyncIterator[pb.WatchRateLimitsResponse]:
        """Tell the limits, and again when they change."""
        del context
        async with self._changed:
            self.watched.append(tuple(request.repositories))
            self._changed.notify_all()
        while True:
            yield pb.WatchRateLimitsResponse(limits=self._limits, query_sizes=self.query_sizes)
            async with self._changed:
                await self._changed.wait()

    async def until_watched(self, repository: str) -> None:
        """Wait until somebody watches the limits of a repository."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(repository in names for names in self.watched))

    def _issue(self, number: int) -> pb.Issue:
        url = f"https://example.test/{REPOSITORY}/issues/{number}"
        title = self.titles.get(number, f"Issue {number}")
        return pb.Issue(number=number, title=title, body=self.bodies[number], url=url)


class ScriptedAgent:
    """Attaches, answers every lease as the script says, and keeps what it saw."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        agent_id: str = "agent-1",
        slots: int = 10,
        answer: Answer | None = None,
        held: Sequence[dispatch_pb.LeaseReference] = (),
        kinds: Sequence[Any] = range(1, 8),
    ) -> None:
        stub: DispatchServiceAsyncStub = dispatch_service_pb2_grpc.DispatchServiceStub(channel)
        self._call = stub.Attach()
        self._hello = dispatch_pb.Hello(agent_id=agent_id, capabilities=kinds, slots=slots, held=held)
        self.lost: list[dispatch_pb.LeaseReference] = []
        self._answer = answer or succeed
        self.leases: asyncio.Queue[dispatch_pb.Lease] = asyncio.Queue()
        self.acknowledgements: asyncio.Queue[dispatch_pb.OutcomeAcknowledgement] = asyncio.Queue()
        self.cancellations: asyncio.Queue[dispatch_pb.LeaseCancellation] = asyncio.Queue()
        self.attached = asyncio.Event()
        self.drained = asyncio.Event()

    async def run(self) -> None:
        """Serve until the stream ends or the caller cancels."""
        try:
            await self._call.write(dispatch_pb.AttachRequest(hello=self._hello))
            async for response in self._call:
                await self._take(response)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
        finally:
            self._call.cancel()

    async def send(self, outcome: dispatch_pb.Outcome) -> None:
        """Send an outcome."""
        await self._call.write(dispatch_pb.AttachRequest(outcomes=[outcome]))

    async def say(self, request: dispatch_pb.AttachRequest) -> None:
        """Send a whole message."""
        await self._call.write(request)

    async def report(self, *progress: dispatch_pb.Progress) -> None:
        """Send what happens in leased tasks."""
        await self._call.write(dispatch_pb.AttachRequest(progress=progress))

    async def beat(self, *leases: dispatch_pb.Lease) -> None:
        """Send a heartbeat that names leases."""
        held = [lease.reference for lease in leases]
        await self._call.write(dispatch_pb.AttachRequest(heartbeat=dispatch_pb.Heartbeat(held=held)))

    async def _take(self, response: dispatch_pb.AttachResponse) -> None:
        """Note what came, answer the leases in one message."""
        if response.HasField("welcome"):
            self.lost.extend(response.welcome.lost)
            self.attached.set()
        if response.HasField("drain"):
            self.drained.set()
        for acknowledgement in response.acknowledgements:
            self.acknowledgements.put_nowait(acknowledgement)
        for cancellation in response.cancellations:
            self.cancellations.put_nowait(cancellation)
        outcomes = []
        for lease in response.leases:
            self.leases.put_nowait(lease)
            if (outcome := self._answer(lease)) is not None:
                outcomes.append(outcome)
        if outcomes:
            await self._call.write(dispatch_pb.AttachRequest(outcomes=outcomes))


def succeed(lease: dispatch_pb.Lease) -> dispatch_pb.Outcome:
    """Return a good outcome of any kind of task."""
    outcome = dispatch_pb.Outcome(reference=lease.reference)
    outcome.usage.cost_usd_micros = 1000
    change = result_pb2.ChangeSet(base_sha=HEAD, digest="d" * 64, files=[result_pb2.FileChange(path="forms.py")])
    match int(lease.kind):
        case 1:
            outcome.triage.type = "bug"
            outcome.triage.labels.append("type:bug")
        case 2:
            outcome.plan.tasks.append(result_pb2.PlannedTask(title="Mend it"))
        case 3:
            outcome.change_set.CopyFrom(change)
        case 4:
            outcome.verification.CopyFrom(result_pb2.VerifyResult(failed_before=1, passed_after=1, passed=True))
        case 5:
            outcome.review.CopyFrom(result_pb2.ReviewResult(score=95, passed=True))
        case 6:
            outcome.documentation.nothing_to_document = True
        case _:
            outcome.pull_request.url = f"https://example.test/{REPOSITORY}/pull/1"
    return outcome

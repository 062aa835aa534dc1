"""An agent process with the real client, whose tasks sleep and write to GitHub through the real gateway."""

from __future__ import annotations

import argparse
import asyncio
import random
from datetime import timedelta
from typing import Any

import grpc
import script

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import result_pb2
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome, TaskFailure
from miyabi.coordinator.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_agents.dispatch.client import AttachClient
from miyabi_agents.dispatch.progress import Send, TaskProgress
from miyabi_agents.settings import AgentsSettings
from miyabi_core.channel import open_channel
from miyabi_core.lifecycle import run_until_signal
from miyabi_core.logging import configure_logging

DISPATCH = "miyabi.coordinator.v1.DispatchService"
GATEWAY = "miyabi.github_gateway.v1.GitHubGatewayService"
#: Longest sleep of a task, in seconds: long enough to be killed in.
LONGEST = 0.4
#: Codes that say that the gateway or the way to it is away: the task waits for it, as long as it has its lease.
AWAY = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


class SyntheticRunner:
    """Stands where an agent's task runner does."""

    def __init__(self, github: Any, *, agent_id: str, slots: int) -> None:
        self._github = github
        self.settings = AgentsSettings(slots=slots, agent_id=agent_id, drain=timedelta(seconds=1))
        self.capabilities = [TaskKind.ValueType(kind) for kind in range(1, 8)]

    async def run(self, lease: Lease, send: Send) -> Outcome:
        """Do what the script says for the kind and the issue."""
        progress = TaskProgress(lease.reference, send)
        async with progress.invocation("chaos.sleep", detail=f"attempt {lease.attempt}"):
            await asyncio.sleep(random.uniform(0, LONGEST))
        try:
            outcome = await self._outcome(lease)
        except grpc.aio.AioRpcError as error:
            reason = FailureReason.FAILURE_REASON_GITHUB
            outcome = Outcome(failure=TaskFailure(reason=reason, message=f"{error.code().name}: {error.details()}"))
        outcome.reference.CopyFrom(lease.reference)
        outcome.usage.cost_usd_micros = 1000
        outcome.usage.calls = 1
        return outcome

    async def _outcome(self, lease: Lease) -> Outcome:
        """Return the result of one kind of task."""
        issue = lease.inputs.issue_number
        match lease.kind:
            case TaskKind.TASK_KIND_TRIAGE:
                await self._set_label(issue)
                await self._comment("triage", issue)
            case TaskKind.TASK_KIND_REVIEW:
                await self._comment("review", issue)
            case TaskKind.TASK_KIND_PULL_REQUEST:
                return Outcome(pull_request=await self._pull_request(issue, lease.inputs.base_branch))
            case TaskKind.TASK_KIND_PLAN:
                return _plan(issue, lease.attempt)
        return _result(lease)

    async def _set_label(self, issue: int) -> None:
        label = pb.LabelDefinition(name=script.LABEL, color="00ff00")
        await self._call("SetLabels", pb.SetLabelsRequest(repository=script.REPOSITORY, number=issue, add=[label]))

    async def _comment(self, step: str, issue: int) -> None:
        request = pb.UpsertCommentRequest(
            repository=script.REPOSITORY,
            number=issue,
            marker=script.marker_of(step, issue),
            body=f"{step} was here",
        )
        await self._call("UpsertComment", request)

    async def _pull_request(self, issue: int, base: str) -> result_pb2.PullRequestResult:
        branch = script.branch_of(issue)
        request = pb.CreatePullRequestRequest(
            repository=script.REPOSITORY, head_branch=branch, base_branch=base, title=f"Mend {issue}", body="Mended."
        )
        answer = await self._call("CreatePullRequest", request)
        opened = answer.pull_request
        return result_pb2.PullRequestResult(head_branch=branch, number=opened.number, url=opened.url)

    async def _call(self, method: str, request: Any) -> Any:
        """Call the gateway until it answers; losing the lease cancels this."""
        while True:
            try:
                return await getattr(self._github, method)(request, timeout=20)
            except grpc.aio.AioRpcError as error:
                if error.code() not in AWAY:
                    raise
            await asyncio.sleep(0.2)


def _result(lease: Lease) -> Outcome:
    """Return the result of a kind of task that cannot fail."""
    passed = lease.fix_round > 0 or not script.needs_fix_round(lease.inputs.issue_number)
    change = result_pb2.ChangeSet(
        base_sha=lease.inputs.base_sha, digest="d" * 64, files=[result_pb2.FileChange(path="README.md")]
    )
    results = {
        TaskKind.TASK_KIND_TRIAGE: Outcome(
            triage=result_pb2.TriageResult(type="bug", confidence=1.0, labels=[script.LABEL])
        ),
        TaskKind.TASK_KIND_IMPLEMENT: Outcome(change_set=change),
        TaskKind.TASK_KIND_VERIFY: Outcome(
            verification=result_pb2.VerifyResult(failed_before=1, passed_after=1, passed=passed)
        ),
        TaskKind.TASK_KIND_REVIEW: Outcome(review=result_pb2.ReviewResult(score=95, passed=True)),
        TaskKind.TASK_KIND_DOCUMENT: Outcome(documentation=result_pb2.DocumentResult(nothing_to_document=True)),
    }
    return results[lease.kind]


def _plan(issue: int, attempt: int) -> Outcome:
    """Return a plan of one step, or the scripted failure."""
    if script.fails(issue):
        return Outcome(failure=TaskFailure(reason=FailureReason.FAILURE_REASON_AGENT_ERROR, message="as scripted"))
    if script.is_tried_twice(issue) and attempt == 1:
        reason = FailureReason.FAILURE_REASON_AGENT_ERROR
        return Outcome(failure=TaskFailure(reason=reason, message="as scripted", retryable=True))
    return Outcome(plan=result_pb2.PlanResult(tasks=[result_pb2.PlannedTask(title="Mend it")]))


def main() -> None:
    """Stay attached until SIGTERM, or until the harness kills the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent-id", required=True)
    parser.add_argument("--coordinators", required=True, help="gRPC name of all replicas")
    parser.add_argument("--gateway", required=True, help="gRPC name")
    parser.add_argument("--slots", type=int, default=4)
    options = parser.parse_args()
    configure_logging(service="agent", json=True, level="INFO")

    async def serve(stop: asyncio.Event) -> None:
        async with (
            open_channel(options.coordinators, service=DISPATCH) as coordinators,
            open_channel(options.gateway, service=GATEWAY) as gateway,
        ):
            runner: Any = SyntheticRunner(
                GitHubGatewayServiceStub(gateway), agent_id=options.agent_id, slots=options.slots
            )
            await AttachClient(DispatchServiceStub(coordinators), runner).run(stop)

    asyncio.run(run_until_signal(serve))


if __name__ == "__main__":
    main()

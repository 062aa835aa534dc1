"""Calls of the gateway that several agents make, with its refusals as task failures."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

import grpc

from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents.errors import GitHubError
from miyabi_core.status import from_rpc_error

if TYPE_CHECKING:
    from miyabi_agents.ports import TaskContext

#: Seconds for a call; the gateway may wait for GitHub's pauses.
CALL_SECONDS = 90.0

T = TypeVar("T")


async def answered(call: Awaitable[T]) -> T:
    """Await a call of the gateway.

    Raises:
        GitHubError: it was refused; retryable where a repeat may help.
    """
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise github_error(error) from error


def github_error(error: grpc.aio.AioRpcError) -> GitHubError:
    """Turn a refusal into a task failure."""
    refusal = from_rpc_error(error)
    retryable = refusal.code.name in {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED"}
    # Another lease brings another grant: keys may be on their way from one process to the next.
    retryable = retryable or refusal.reason in {"GRANT_MISSING", "GRANT_INVALID", "GRANT_EXPIRED"}
    return GitHubError(refusal.message, retryable=retryable, retry_after=refusal.retry_after)


async def read_issue(context: TaskContext, number: int = 0) -> pb.Issue:
    """Read an issue with body, labels and comments.

    Args:
        context: The task's.
        number: Which of the lease's repository; 0: the lease's own.

    Raises:
        GitHubError: it is gone, or the gateway refused.
    """
    inputs = context.lease.inputs
    number = number or inputs.issue_number
    fields = [pb.ISSUE_FIELD_BODY, pb.ISSUE_FIELD_LABELS, pb.ISSUE_FIELD_COMMENTS]
    request = pb.BatchGetIssuesRequest(repository=inputs.repository, numbers=[number], fields=fields)
    async with context.progress.invocation("github.get_issue", detail=f"#{number}"):
        try:
            async for answer in context.github.BatchGetIssues(request, timeout=CALL_SECONDS):
                for entry in answer.entries:
                    if not entry.missing and not entry.error:
                        return entry.issue
        except grpc.aio.AioRpcError as error:
            raise github_error(error) from error
    raise GitHubError(f"{inputs.repository} has no issue #{number} any more", retryable=False)

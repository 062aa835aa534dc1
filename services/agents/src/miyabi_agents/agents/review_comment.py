"""The one comment on a pull request that was reviewed: the verdict first, then what it rests on."""

from __future__ import annotations

from miyabi.coordinator.v1.result_pb2 import ReviewResult
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents.agents.gateway_calls import CALL_SECONDS, answered
from miyabi_agents.evidence import simulated
from miyabi_agents.evidence_review import review_details, review_verdict
from miyabi_agents.ports import TaskContext
from miyabi_core.text import GitHubMarkdown, Untrusted, code, joined, ours

#: By it the comment of a pull request is found again: one, however often it is reviewed.
MARKER = "review"
#: Characters of a commit's id that readers are shown.
SHORT = 12


async def post(context: TaskContext, result: ReviewResult) -> str:
    """Write the comment, or edit it; returns its page, empty in a dry run.

    Raises:
        GitHubError: the gateway refused.
    """
    inputs = context.lease.inputs
    if inputs.dry_run:
        return ""
    await context.progress.step("writing the review")
    settings = context.settings
    body = body_of(result, model=settings.simulated_model, github=settings.simulated_github)
    request = pb.UpsertCommentRequest(
        repository=inputs.repository,
        number=inputs.issue_number,
        marker=MARKER,
        body=body.text,
        request_id=f"review-{context.lease.reference.fencing_token}",
    )
    async with context.progress.invocation("github.upsert_comment", detail=f"#{inputs.issue_number}"):
        answer = await answered(context.github.UpsertComment(request, timeout=CALL_SECONDS))
    return answer.url


def body_of(result: ReviewResult, *, model: bool, github: bool) -> GitHubMarkdown:
    """Return the comment.

    Args:
        result: What the review measured.
        model: Whether the model is simulated.
        github: Whether GitHub is.
    """
    compared = ours(
        "{files} files of {head} were compared with {base}, which it has in common with its base branch.",
        files=result.files,
        head=code(Untrusted(result.head_sha[:SHORT])),
        base=code(Untrusted(result.compared_sha[:SHORT])),
    )
    by = ours("Measured by Miyabi; a person decides.")
    return joined(
        [
            ours("## Review"),
            review_verdict(result),
            compared,
            *review_details(result),
            simulated(model=model and bool(result.remarks), github=github),
            by,
        ]
    )

"""The one review on a pull request: the verdict first, then what it rests on; findings beside their lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from miyabi.coordinator.v1.result_pb2 import Finding, ReviewResult
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents.agents.gateway_calls import CALL_SECONDS, answered
from miyabi_agents.analysers.base import Subject
from miyabi_agents.analysers.changed.shown import shown_lines
from miyabi_agents.evidence import simulated
from miyabi_agents.evidence_review import review_details, review_verdict
from miyabi_agents.ports import TaskContext
from miyabi_core.text import GitHubMarkdown, Untrusted, bullets, code, first, inline, joined, ours

#: By it the review of a pull request is found again: one, however often it is reviewed.
MARKER = "review"
#: Characters of a commit's id that readers are shown.
SHORT = 12
#: Inline comments of a review: what `PostReviewRequest` takes, and more than a person reads.
MAX_COMMENTS = 50
#: Sizes of an inline comment and of one finding in it.
COMMENT, SENTENCE = 4_000, 1_000

#: Lines that may be commented on, by path.
Placed = Mapping[str, set[int]]


def placed_of(subject: Subject, diff: str) -> Placed:
    """Return the lines that were looked at as changed and that the diff shows: GitHub takes comments on no other."""
    shown = shown_lines(diff)
    return {
        name: {line for line in shown[name] if line in subject.lines[path]}
        for path in subject.files
        if (name := subject.shown.get(path, path)) in shown
    }


async def post(context: TaskContext, result: ReviewResult, placed: Placed) -> tuple[str, Sequence[str]]:
    """Post the review, or edit its body; returns its page, empty in a dry run, and what is to be known of it.

    Raises:
        GitHubError: the gateway refused.
    """
    inputs = context.lease.inputs
    if inputs.dry_run:
        return "", ()
    await context.progress.step("writing the review")
    settings = context.settings
    comments, rest = first(inline_comments(result.findings, placed), MAX_COMMENTS)
    body = body_of(result, model=settings.simulated_model, github=settings.simulated_github)
    request = pb.PostReviewRequest(
        repository=inputs.repository,
        number=inputs.issue_number,
        marker=MARKER,
        body=body.text,
        commit_sha=result.head_sha,
        comments=comments,
        request_id=f"review-{context.lease.reference.fencing_token}",
    )
    async with context.progress.invocation("github.post_review", detail=f"#{inputs.issue_number}"):
        answer = await answered(context.github.PostReview(request, timeout=CALL_SECONDS))
    notes = [f"findings on {rest} more lines have no inline comment"] if rest else []
    return answer.url, [*notes, *answer.notes]


def inline_comments(findings: Sequence[Finding], placed: Placed) -> list[pb.ReviewComment]:
    """Return one comment a line, the worst first; other findings are in the body only."""
    by_line: defaultdict[tuple[str, int], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.line in placed.get(finding.path, ()):
            by_line[finding.path, finding.line].append(finding)
    return [
        pb.ReviewComment(path=path, line=line, body=bullets(found, _said, budget=COMMENT).text)
        for (path, line), found in by_line.items()
    ]


def _said(finding: Finding) -> GitHubMarkdown:
    """Render one finding beside its line."""
    return ours(
        "{rule} (-{points}): {message}",
        rule=code(Untrusted(f"{finding.analyser} {finding.rule}".strip())),
        points=finding.penalty,
        message=inline(Untrusted(finding.message), most=SENTENCE),
    )


def body_of(result: ReviewResult, *, model: bool, github: bool) -> GitHubMarkdown:
    """Return the body.

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

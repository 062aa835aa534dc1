"""Pull request: pushes the change through the git proxy and opens a draft with measured evidence."""

from __future__ import annotations

import asyncio
import re

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome, TaskInputs
from miyabi.coordinator.v1.result_pb2 import ChangeSet, PullRequestResult
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents import labels
from miyabi_agents.agents.gateway_calls import CALL_SECONDS, answered
from miyabi_agents.evidence import evidence
from miyabi_agents.ports import TaskContext
from miyabi_core.grants import branch_of
from miyabi_core.text import (
    CommitMessage,
    GitHubMarkdown,
    Title,
    Untrusted,
    bullets,
    code,
    commit_message,
    folded,
    inline,
    joined,
    listed,
    ours,
    plain_line,
    quoted,
    title,
    without_comments,
)

#: GitHub's limit on a body, in characters; it was measured to count code points, and we count no fewer.
MAX_BODY = 65_536
#: Sizes of what the model said: of the change above the evidence, whole where that is not all of it, and of its
#: documentation. Files take what is left.
WHAT, SUMMARY, DOCUMENTATION = 2_000, 7_000, 2_500
#: Size of the list of what the change lacks.
LACKING = 4_000
#: Notes of the gateway that are kept, and characters of each: what `PullRequestResult.notes` holds.
MAX_NOTES, MAX_NOTE = 100, 1000
#: Commit types of triage's types.
_PREFIXES = {
    "bug": "fix",
    "feature": "feat",
    "refactor": "refactor",
    "docs": "docs",
    "test": "test",
    "deployment": "build",
}
#: An identity that is a user of GitHub's: a login has at most 39 letters, digits and hyphens, and an underscore where
#: an enterprise manages it (GitHub, "Username considerations for external authentication").
_GITHUB_USER = re.compile(r"github/([A-Za-z0-9][A-Za-z0-9_-]{0,38})")
_CONVENTIONAL = re.compile(r"^[a-z]+(\([^)]*\))?!?: ")


class PullRequestAgent:
    """Writes once, however often it is repeated: branch, commit and pull request are the same each time."""

    kind = "pull_request"
    capabilities = frozenset({TaskKind.TASK_KIND_PULL_REQUEST})

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Open the pull request; in a dry run only describe it.

        Raises:
            WorkspaceError: the change does not apply, or the push was refused.
            GitHubError: the gateway refused, as where the issue has another open pull request of ours and the batch's
                request does not accept that; the branch was pushed then, and nothing was opened.
        """
        inputs = task.inputs
        change = inputs.change_set
        if inputs.documentation.HasField("change_set"):
            change = inputs.documentation.change_set
        taken = 0 if inputs.dry_run else await self._taken_off(context)
        # Linear, but of what strangers wrote: no heartbeat waits for it.
        body = await asyncio.to_thread(_rendered, context, change, taken)
        result = PullRequestResult(
            head_branch=branch_of(task.reference.task),
            title=title_of(inputs).text,
            body=body.text,
            dry_run=inputs.dry_run,
        )
        if not inputs.dry_run:
            result.head_sha = await self._push(context, change, result)
            answer = await self._open(context, result)
            result.number, result.url = answer.pull_request.number, answer.pull_request.url
            rewritten = (
                [f"{inputs.base_branch} was rewritten: the branch has {taken} of its former commits"] if taken else []
            )
            result.notes.extend(listed([*rewritten, *answer.notes], MAX_NOTES, longest=MAX_NOTE))
        return Outcome(pull_request=result)

    async def _taken_off(self, context: TaskContext) -> int:
        """Return how many commits that the change stands on the base branch does not have any more."""
        inputs = context.lease.inputs
        return await context.workspaces.taken_off(
            repository=inputs.repository, branch=inputs.base_branch, sha=inputs.base_sha
        )

    async def _push(self, context: TaskContext, change: ChangeSet, result: PullRequestResult) -> str:
        """Commit the change on its branch and push it."""
        inputs = context.lease.inputs
        await context.progress.step("pushing the branch")
        message = message_of(inputs, change)
        opened = context.workspaces.edit(repository=inputs.repository, sha=inputs.base_sha)
        async with opened as tree:
            await tree.apply(change)
            async with context.progress.invocation("git.push", detail=result.head_branch):
                return await tree.commit_and_push(branch=result.head_branch, message=message.text)

    async def _open(self, context: TaskContext, result: PullRequestResult) -> pb.CreatePullRequestResponse:
        """Open the draft."""
        inputs = context.lease.inputs
        await context.progress.step("opening the draft pull request")
        chosen = [labels.label_of("agent", "codegen")]
        if inputs.HasField("review") and not inputs.review.incomplete:
            chosen.append(labels.quality_of(inputs.review.score))
        request = pb.CreatePullRequestRequest(
            repository=inputs.repository,
            head_branch=result.head_branch,
            base_branch=inputs.base_branch,
            title=result.title,
            body=result.body,
            labels=[
                pb.LabelDefinition(name=entry.name, color=entry.color, description=entry.description)
                for entry in chosen
            ],
            request_id=f"pr-{context.lease.reference.fencing_token}",
            reviewers=reviewers_of(inputs.requester),
            only_one=ProblemKind.PROBLEM_KIND_PULL_REQUEST_OPEN not in inputs.overruled,
        )
        async with context.progress.invocation("github.create_pull_request", detail=result.head_branch):
            return await answered(context.github.CreatePullRequest(request, timeout=CALL_SECONDS))


def _rendered(context: TaskContext, change: ChangeSet, taken: int) -> GitHubMarkdown:
    """Return the body with its evidence."""
    inputs, settings = context.lease.inputs, context.settings
    block = evidence(inputs, simulated_model=settings.simulated_model, simulated_github=settings.simulated_github)
    return body_of(inputs, change, block, taken_off=taken)


def reviewers_of(requester: str) -> list[str]:
    """Return whom GitHub asks for a review: who asked for the batch, where that identity is a user of GitHub's.

    Args:
        requester: An identity's name; `github/LOGIN` is that user, any other name is nobody there.
    """
    user = _GITHUB_USER.fullmatch(requester)
    return [user[1]] if user else []


def title_of(inputs: TaskInputs) -> Title:
    """Return the pull request's title: the issue's, with a commit type unless it has one."""
    stranger = Untrusted(without_comments(inputs.issue_title))
    line = plain_line(stranger)
    if _CONVENTIONAL.match(line):
        return title("{line}", line=stranger)
    prefix = Untrusted(_PREFIXES.get(inputs.triage.type, "fix"))
    area = Untrusted(re.sub(r"[^A-Za-z0-9_.-]", "", inputs.triage.area)[:30])
    rest = title("{line}", line=stranger) if line else title("Issue {number}", number=inputs.issue_number)
    if area:
        return title("{prefix}({area}): {rest}", prefix=prefix, area=area, rest=rest)
    return title("{prefix}: {rest}", prefix=prefix, rest=rest)


def message_of(inputs: TaskInputs, change: ChangeSet) -> CommitMessage:
    """Return the commit's message: it closes nothing, for the pull request does."""
    number, repository = inputs.issue_number, Untrusted(inputs.repository)
    last = title("Made by Miyabi for issue {number} of {repository}.", number=number, repository=repository)
    return commit_message(title_of(inputs), Untrusted(without_comments(change.summary)), last=last)


def body_of(inputs: TaskInputs, change: ChangeSet, block: GitHubMarkdown, *, taken_off: int = 0) -> GitHubMarkdown:
    """Return the pull request's body: what it closes, what the model says in short, the evidence, the rest, the files.

    Where commits were taken off the base branch meanwhile, a warning says so above all of it.

    The evidence is whole; what the model says has a size of its own; the list of files takes what is left.
    """
    documented = inputs.documentation.summary if inputs.HasField("documentation") else ""
    summary = Untrusted(without_comments(change.summary))
    short, long = quoted(summary, budget=WHAT), quoted(summary, budget=SUMMARY)
    docs = quoted(Untrusted(without_comments(documented)), budget=DOCUMENTATION)
    parts = [
        _purpose(inputs),
        _lacks(inputs) if inputs.missing else ours(""),
        _warning(inputs, taken_off) if taken_off else ours(""),
        ours("## What the model says of its change\n\n{short}", short=short) if short else short,
        block,
        ours("## Documentation\n\n{docs}", docs=docs) if docs else docs,
        folded("All that the model says of its change", long) if long != short else ours(""),
    ]
    above = joined(parts)
    return joined([above, _files(change, budget=MAX_BODY - above.size)])


def _purpose(inputs: TaskInputs) -> GitHubMarkdown:
    """Say which issue this is for; a merge closes it where nothing is missing."""
    if inputs.missing:
        return ours("For #{number}", number=inputs.issue_number)
    return ours("Closes #{number}", number=inputs.issue_number)


def _lacks(inputs: TaskInputs) -> GitHubMarkdown:
    """Say that the budget ended in the middle, and what the change lacks; a merge then closes nothing."""
    lacking = bullets(inputs.missing, lambda words: inline(Untrusted(words)), budget=LACKING)
    return ours(
        "> [!WARNING]\n> The budget for this issue ended before all of it was done. What is here is proven by the "
        "tests below; it does not close the issue.\n\n## What is missing\n\n{lacking}",
        lacking=lacking,
    )


def _warning(inputs: TaskInputs, taken_off: int) -> GitHubMarkdown:
    """Say that a merge would bring back what was taken off the base branch."""
    return ours(
        "> [!WARNING]\n> The base branch {branch} was rewritten while this was made, and {count} commits that it does "
        "not have any more are part of this pull request. Rebase it before a merge, so that they do not come back.",
        branch=code(Untrusted(inputs.base_branch)),
        count=taken_off,
    )


def _files(change: ChangeSet, *, budget: int) -> GitHubMarkdown:
    """List the files as far as there is room, folded."""

    def fold(content: GitHubMarkdown) -> GitHubMarkdown:
        numbers = {"count": len(change.files), "additions": change.additions, "deletions": change.deletions}
        return folded("Files: {count} (+{additions} -{deletions})", content, **numbers)

    room = budget - fold(ours(" ")).size - len("\n\n")
    return fold(bullets(change.files, lambda file: code(Untrusted(file.path)), budget=room))

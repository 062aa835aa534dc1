"""Pull request: pushes the change through the git proxy and opens a draft with measured evidence."""

from __future__ import annotations

import re

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome, TaskInputs
from miyabi.coordinator.v1.result_pb2 import ChangeSet, PullRequestResult
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents import labels
from miyabi_agents.agents.gateway_calls import CALL_SECONDS, answered
from miyabi_agents.agents.prompts import clean
from miyabi_agents.evidence import evidence
from miyabi_agents.ports import TaskContext

#: GitHub's limits on a title and a body.
MAX_TITLE, MAX_BODY = 256, 65_000
#: Commit types of triage's types.
_PREFIXES = {
    "bug": "fix",
    "feature": "feat",
    "refactor": "refactor",
    "docs": "docs",
    "test": "test",
    "deployment": "build",
}
_CONVENTIONAL = re.compile(r"^[a-z]+(\([^)]*\))?!?: ")


class PullRequestAgent:
    """Writes once, however often it is repeated: branch, commit and pull request are the same each time."""

    kind = "pull_request"
    capabilities = frozenset({TaskKind.TASK_KIND_PULL_REQUEST})

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Open the pull request; in a dry run only describe it.

        Raises:
            WorkspaceError: the change does not apply, or the push was refused.
            GitHubError: the gateway refused.
        """
        inputs = task.inputs
        change = inputs.change_set
        if inputs.documentation.HasField("change_set"):
            change = inputs.documentation.change_set
        settings = context.settings
        block = evidence(inputs, simulated_model=settings.simulated_model, simulated_github=settings.simulated_github)
        result = PullRequestResult(
            head_branch=branch_of(task),
            title=title_of(inputs),
            body=body_of(inputs, change, block),
            dry_run=inputs.dry_run,
        )
        if not inputs.dry_run:
            result.head_sha = await self._push(context, change, result)
            answer = await self._open(context, result)
            result.number, result.url = answer.pull_request.number, answer.pull_request.url
        return Outcome(pull_request=result)

    async def _push(self, context: TaskContext, change: ChangeSet, result: PullRequestResult) -> str:
        """Commit the change on its branch and push it."""
        inputs = context.lease.inputs
        await context.progress.step("pushing the branch")
        message = f"{result.title}\n\n{change.summary}\n\nCloses #{inputs.issue_number}\n"
        opened = context.workspaces.open(
            repository=inputs.repository, sha=inputs.base_sha, label=f"pull-request-{inputs.issue_number}"
        )
        async with opened as tree:
            await tree.apply(change)
            async with context.progress.invocation("git.push", detail=result.head_branch):
                return await tree.commit_and_push(branch=result.head_branch, message=message)

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
        )
        async with context.progress.invocation("github.create_pull_request", detail=result.head_branch):
            return await answered(context.github.CreatePullRequest(request, timeout=CALL_SECONDS))


def branch_of(task: Lease) -> str:
    """Return the branch of a run: the same for every repeat, another for every batch."""
    batch = task.reference.task.split("/")[1]
    return f"miyabi/issue-{task.inputs.issue_number}-{batch[-10:].lower()}"


def title_of(inputs: TaskInputs) -> str:
    """Return the pull request's title: the issue's, with a commit type unless it has one."""
    title = re.sub(r"\s+", " ", clean(inputs.issue_title)).strip() or f"Issue {inputs.issue_number}"
    if not _CONVENTIONAL.match(title):
        prefix = _PREFIXES.get(inputs.triage.type, "fix")
        area = re.sub(r"[^A-Za-z0-9_.-]", "", inputs.triage.area)[:30]
        title = f"{prefix}({area}): {title}" if area else f"{prefix}: {title}"
    return title[:MAX_TITLE]


def body_of(inputs: TaskInputs, change: ChangeSet, block: str) -> str:
    """Return the pull request's body."""
    files = "\n".join(f"- `{file.path}`" for file in change.files)
    documented = inputs.documentation.summary if inputs.HasField("documentation") else ""
    parts = [
        change.summary,
        f"Closes #{inputs.issue_number}",
        f"Files (+{change.additions} -{change.deletions}):\n{files}",
        f"Documentation: {documented}" if documented else "",
        block,
    ]
    return "\n\n".join(filter(None, parts))[:MAX_BODY]

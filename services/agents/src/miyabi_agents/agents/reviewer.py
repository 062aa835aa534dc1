"""Review: every analyser on the changed lines, a score by a table, and the model's remarks for a person."""

from __future__ import annotations

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import ChangeSet
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents.agents import prompts
from miyabi_agents.agents.editing import tool
from miyabi_agents.agents.gateway_calls import CALL_SECONDS, answered
from miyabi_agents.analysers.base import Subject
from miyabi_agents.analysers.python_tools import ALL
from miyabi_agents.analysers.score import changed_lines, on_changed_lines, score
from miyabi_agents.analysers.suite import run_all
from miyabi_agents.errors import AgentError, BudgetError, ModelAnswerError, ModelUnavailableError
from miyabi_agents.ports import TaskContext

TOOL = tool(
    "record_review",
    "Record remarks on the change for a person.",
    {"summary": {"type": "string", "maxLength": 8000}, "findings": {"type": "array", "items": {"type": "string"}}},
)


class ReviewerAgent:
    """Measures a change; in the REVIEW pipeline, that of an existing pull request."""

    kind = "review"
    capabilities = frozenset({TaskKind.TASK_KIND_REVIEW})

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Review the change.

        Raises:
            WorkspaceError: base or head cannot be checked out.
            GitHubError: the pull request cannot be read.
            AgentError: the pull request changes nothing.
        """
        change = task.inputs.change_set if task.inputs.HasField("change_set") else await self._of_pull_request(context)
        inputs = task.inputs
        workspaces, name = context.workspaces, inputs.repository
        before = workspaces.open(repository=name, sha=change.base_sha, label=f"review-base-{inputs.issue_number}")
        after = workspaces.open(repository=name, sha=change.base_sha, label=f"review-{inputs.issue_number}")
        await context.progress.step("analysing the change")
        async with before as base, after as changed:
            await changed.apply(change)
            files = sorted(file.path for file in change.files if not file.deleted)
            subject = Subject(changed.path, base.path, tuple(files))
            found, runs = await run_all(ALL, subject, context.progress)
        lines = changed_lines(change.diff)
        kept = [(name, finding) for name, finding in found if on_changed_lines([finding], lines)]
        return Outcome(review=score(kept, runs, remarks=await self._remarks(task, context, change)))

    async def _remarks(self, task: Lease, context: TaskContext, change: ChangeSet) -> str:
        """Ask the model for remarks; they take no points, so that no answer is no failure."""
        if context.model is None:
            return ""
        await context.progress.step("reading the change")
        prompt = (
            f"{prompts.heading(task)}\n\n{prompts.fence(task.inputs.issue_title)}\n\nThe change:\n"
            f"{prompts.fence(change.diff)}\n\nSay what a reviewer should look at, then call record_review."
        )
        try:
            said = await context.model.call_tool(step="review", system=prompts.SYSTEM, prompt=prompt, tool=TOOL)
        except (ModelUnavailableError, ModelAnswerError, BudgetError):
            return ""
        await context.progress.text_done("review")
        return "\n".join([said["summary"], *(f"- {finding}" for finding in said["findings"])]).strip()

    async def _of_pull_request(self, context: TaskContext) -> ChangeSet:
        """Compute the change of an existing pull request from its head."""
        inputs = context.lease.inputs
        request = pb.GetPullRequestRequest(repository=inputs.repository, number=inputs.issue_number)
        async with context.progress.invocation("github.get_pull_request"):
            answer = await answered(context.github.GetPullRequest(request, timeout=CALL_SECONDS))
        head = answer.pull_request.head_sha
        async with context.workspaces.edit(repository=inputs.repository, sha=head) as tree:
            head_files = {path: tree.read(path) for path in tree.list_files()}
        async with context.workspaces.edit(repository=inputs.repository, sha=inputs.base_sha) as tree:
            known = {path: tree.read(path) for path in tree.list_files()}
            for path, content in head_files.items():
                if known.get(path) != content:
                    tree.write(path, content)
            change = await tree.change_set()
        if not change.files:
            reason = FailureReason.FAILURE_REASON_NO_CHANGE
            raise AgentError(f"pull request #{inputs.issue_number} changes nothing", reason=reason)
        return change

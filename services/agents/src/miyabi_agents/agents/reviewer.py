"""Review: every analyser on the changed lines, a score by a table, and the model's remarks for a person."""

from __future__ import annotations

import asyncio

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import AnalyserRun, ChangeSet
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents.agents import prompts
from miyabi_agents.agents.change_prompt import change_prompt
from miyabi_agents.agents.editing import tool
from miyabi_agents.agents.gateway_calls import CALL_SECONDS, answered
from miyabi_agents.analysers.base import ToolRunner
from miyabi_agents.analysers.exhibits import lay_out
from miyabi_agents.analysers.score import score
from miyabi_agents.analysers.suite import ALL, run_all
from miyabi_agents.errors import AgentError, BudgetError, ModelAnswerError, ModelUnavailableError
from miyabi_agents.ports import TaskContext
from miyabi_agents.sandbox.removal import remove_tree

TOOL = tool(
    "record_review",
    "Record remarks on the change for a person.",
    {"summary": {"type": "string", "maxLength": 8000}, "findings": {"type": "array", "items": {"type": "string"}}},
)

#: Who finds suppressions and edits of configurations, and since when by these rules.
OWN, OWN_VERSION = "miyabi", "1"


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
        await context.progress.step("analysing the change")
        inputs = task.inputs
        folder = await asyncio.to_thread(context.workspaces.scratch, f"review-{inputs.issue_number}")
        try:
            async with context.workspaces.files(repository=inputs.repository, sha=change.base_sha) as base:
                laid = await asyncio.to_thread(lay_out, list(change.files), base, folder)
            runner = ToolRunner(context.sandbox, folder / "scratch")
            await asyncio.to_thread((folder / "scratch").mkdir)
            found, runs = await run_all(ALL, laid.subject, context.progress, runner)
        finally:
            await asyncio.shield(asyncio.to_thread(remove_tree, folder))
        own = [(OWN, finding) for finding in laid.findings]
        runs.append(AnalyserRun(analyser=OWN, version=OWN_VERSION, completed=True))
        return Outcome(review=score([*own, *found], runs, remarks=await self._remarks(task, context, change)))

    async def _remarks(self, task: Lease, context: TaskContext, change: ChangeSet) -> str:
        """Ask the model for remarks; they take no points, so that no answer is no failure."""
        if context.model is None:
            return ""
        await context.progress.step("reading the change")
        prompt = (
            f"{prompts.heading(task)}\n\n{prompts.fence(task.inputs.issue_title)}\n\nThe change:\n"
            f"{change_prompt(change).text}\n\nSay what a reviewer should look at, then call record_review."
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

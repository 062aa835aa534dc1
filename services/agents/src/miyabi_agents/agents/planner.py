"""Plan: turns an issue into one or more implementation steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import PlannedTask, PlanResult
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi_agents.agents import prompts
from miyabi_agents.agents.gateway_calls import read_issue
from miyabi_agents.agents.issue_prompt import issue_prompt
from miyabi_agents.agents.locating import likely_files, locate
from miyabi_agents.agents.prefix import shared_prefix
from miyabi_agents.agents.prefix.tools import RECORD_PLAN
from miyabi_agents.errors import BudgetError, ModelAnswerError, ModelUnavailableError
from miyabi_agents.localisation import Candidate, Locator
from miyabi_agents.localisation.index import LIMIT
from miyabi_agents.ports import TaskContext
from miyabi_agents.verification.ground import try_ground
from miyabi_core.text import first, shortened

#: Longest title of a step.
MAX_TITLE = 300


class PlannerAgent:
    """Asks the model for a plan with the likely files at hand; without one, the plan is one step.

    Steps that the issue itself lists come with the lease and are kept: the model may describe them, and adds files.

    Args:
        locator: Finds the likely files, and makes the map of the repository.
    """

    kind = "plan"
    capabilities = frozenset({TaskKind.TASK_KIND_PLAN})

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Plan the change.

        Raises:
            GitHubError: the issue cannot be read.
            WorkspaceError: the base cannot be checked out.
            ToolchainMissingError: a program that the tests need is not on this machine.
            EnvironmentBuildError: the tests' environment cannot be built, or base's own tests cannot be loaded.
        """
        issue = await read_issue(context)
        await context.progress.step("finding the files")
        candidates = await locate(context, self._locator, issue)
        if task.inputs.pipeline == Pipeline.PIPELINE_FIX:
            # Before money is spent: a change that nothing can verify is not worth a model's call.
            await try_ground(context, [candidate.path for candidate in first(candidates, LIMIT)[0]])
        found, candidates, ruled = await self._decide(task, context, issue_prompt(task, issue).text, candidates)
        if ruled:
            title = shortened(issue.title, MAX_TITLE) or "Make the change"
            found = {
                "tasks": [{"title": title, "description": title, "depends_on": []}],
                "files": [candidate.path for candidate in candidates],
                "notes": "",
            }
        if listed := list(task.inputs.listed_steps):
            found |= {"tasks": [_kept(step, found["tasks"]) for step in listed]}
        return Outcome(plan=_result(found, ruled=ruled))

    async def _decide(
        self, task: Lease, context: TaskContext, issue: str, candidates: list[Candidate]
    ) -> tuple[dict[str, Any], list[Candidate], bool]:
        """Ask the model; returns the likely files too, and whether none answered."""
        if context.model is None:
            return {}, list(first(candidates, LIMIT)[0]), True
        shared = await shared_prefix(context, self._locator)
        candidates = await likely_files(context, candidates, issue=issue, shared=shared)
        await context.progress.step("planning")
        files = prompts.named(
            "Files that may matter:", [f"{entry.path} ({', '.join(entry.reasons)})" for entry in candidates]
        )
        steps = prompts.listing("The issue lists these steps:", [step.title for step in task.inputs.listed_steps])
        kept = "Keep to the listed steps and their titles." if steps else "Use one task unless the change has parts."
        prompt = (
            f"{issue}\n\n{files}\n\n{prompts.fence(steps) if steps else ''}\n\nPlan the smallest change that resolves "
            f"the issue. {kept} Then call record_plan."
        )
        try:
            found = await context.model.call_tool(step="plan", shared=shared, prompt=prompt, tool=RECORD_PLAN)
        except (ModelUnavailableError, ModelAnswerError, BudgetError):
            return {}, candidates, True
        await context.progress.text_done("plan")
        return found, candidates, False


def _kept(step: PlannedTask, planned: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a listed step, described by the plan where the plan has it and the issue does not describe it."""
    same = next((entry["description"] for entry in planned if entry["title"] == step.title), "")
    return {
        "title": step.title,
        "description": step.description or same or step.title,
        "depends_on": list(step.depends_on),
    }


def _result(found: dict[str, Any], *, ruled: bool) -> PlanResult:
    """Render a plan; a step never waits for one that is not there, and steps never wait for one another in a circle."""
    steps = found["tasks"]
    before = acyclic([step["depends_on"] for step in steps])
    return PlanResult(
        tasks=[
            PlannedTask(
                title=step["title"],
                description=step["description"],
                depends_on=before[position],
            )
            for position, step in enumerate(steps)
        ],
        files=found["files"],
        notes=found["notes"],
        by_rules=ruled,
    )


def acyclic(wanted: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return for each step those that come before it, without the wishes that would close a circle."""
    chosen: list[set[int]] = [set() for _ in wanted]

    def reached(start: int) -> set[int]:
        seen, ahead = {start}, [start]
        while ahead:
            fresh = chosen[ahead.pop()] - seen
            seen |= fresh
            ahead += fresh
        return seen

    for position, others in enumerate(wanted):
        for other in others:
            if other < len(wanted) and position not in reached(other):
                chosen[position].add(other)
    return [sorted(others) for others in chosen]

"""Triage: type, priority, severity, complexity, size and area of an issue, as labels and a short analysis."""

from __future__ import annotations

from typing import Any

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import TriageResult
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_agents import labels
from miyabi_agents.agents import prompts
from miyabi_agents.agents.comparing import compared
from miyabi_agents.agents.gateway_calls import CALL_SECONDS, answered, read_issue
from miyabi_agents.agents.issue_prompt import issue_prompt
from miyabi_agents.agents.triage_rules import by_rules
from miyabi_agents.errors import BudgetError, ModelAnswerError, ModelUnavailableError
from miyabi_agents.localisation import Locator
from miyabi_agents.ports import TaskContext
from miyabi_agents.verification.ground import survey
from miyabi_core.text import shortened

#: Families that triage decides.
FAMILIES = ("type", "priority", "severity", "complexity")

TOOL = {
    "name": "record_triage",
    "description": "Record what kind of issue this is.",
    "input_schema": {
        "type": "object",
        "properties": {
            **{family: {"type": "string", "enum": labels.values_of(family)} for family in FAMILIES},
            "size": {"type": "string", "enum": ["XS", "S", "M", "L", "XL"]},
            "area": {"type": "string", "maxLength": 100},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "analysis": {"type": "string", "maxLength": 8000},
        },
        "required": [*FAMILIES, "size", "area", "confidence", "analysis"],
    },
}


class TriageAgent:
    """Decides labels; sets them unless it is a dry run. Of a duplicate of another issue nothing but that is said.

    Args:
        locator: Finds the files that an issue is likely about, for the comparison with others.
    """

    kind = "triage"
    capabilities = frozenset({TaskKind.TASK_KIND_TRIAGE})

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Triage the issue.

        Raises:
            GitHubError: the issue cannot be read, or the labels cannot be set.
            ConfigError: the issue is to be fixed, and nothing says how the repository's tests are run.
            WorkspaceError: the base cannot be checked out.
        """
        await self._look_for_tests(task, context)
        await context.progress.step("reading the issue")
        issue = await read_issue(context)
        alike = await compared(context, self._locator, issue)
        if alike.duplicate:
            return Outcome(triage=TriageResult(duplicates=alike.judgements))
        told = issue_prompt(task, issue)
        found, ruled = await self._decide(context, issue, told.text)
        chosen = [labels.label_of(family, found[family]) for family in FAMILIES]
        chosen.append(labels.label_of("agent", "triage"))
        change = labels.change_labels(issue.labels, chosen)
        names = list(change.result)
        if not task.inputs.dry_run:
            names = await self._set(task, context, change)
        return Outcome(
            triage=TriageResult(
                **{family: found[family] for family in FAMILIES},
                size=found["size"],
                area=found["area"],
                confidence=found["confidence"],
                analysis=found["analysis"],
                labels=names,
                by_rules=ruled,
                # Rules read the whole issue, and the models of later steps what this one saw.
                notes=told.notes if context.model is not None else (),
                duplicates=alike.judgements,
            )
        )

    async def _look_for_tests(self, task: Lease, context: TaskContext) -> None:
        """Make sure, where the issue is to be fixed, that tests are recognised, before a model is paid."""
        inputs = task.inputs
        if inputs.pipeline != Pipeline.PIPELINE_FIX or not inputs.base_sha:
            return
        async with context.workspaces.files(repository=inputs.repository, sha=inputs.base_sha) as base:
            await survey(context, base)

    async def _decide(self, context: TaskContext, issue: pb.Issue, text: str) -> tuple[dict[str, Any], bool]:
        """Ask the model; where none answers, go by rules and say so."""
        await context.progress.step("analysing")
        if context.model is not None:
            prompt = (
                f"{text}\n\nSay in a few sentences what this issue is about, then call "
                "record_triage. Answer in the language of the issue."
            )
            try:
                found = await context.model.call_tool(step="analysis", system=prompts.SYSTEM, prompt=prompt, tool=TOOL)
                await context.progress.text_done("analysis")
                return found, False
            except (ModelUnavailableError, ModelAnswerError, BudgetError):
                await context.progress.step("no model answers: by rules")
        return by_rules(issue.title, prompts.clean(issue.body)), True

    async def _set(self, task: Lease, context: TaskContext, change: labels.LabelChange) -> list[str]:
        """Set the labels; returns those that the issue carries then."""
        await context.progress.step("labelling")
        definitions = [
            pb.LabelDefinition(name=label.name, color=label.color, description=shortened(label.description, 100))
            for label in change.add
        ]
        request = pb.SetLabelsRequest(
            repository=task.inputs.repository,
            number=task.inputs.issue_number,
            add=definitions,
            remove=change.remove,
            request_id=f"triage-{task.reference.fencing_token}",
        )
        async with context.progress.invocation("github.set_labels"):
            answer = await answered(context.github.SetLabels(request, timeout=CALL_SECONDS))
        return sorted(answer.labels)

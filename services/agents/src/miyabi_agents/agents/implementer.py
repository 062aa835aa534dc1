"""Implement: changes a checkout with tools, then writes tests for every changed file side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, Outcome
from miyabi.coordinator.v1.result_pb2 import ChangedExpectation, ChangeSet, PlannedTask
from miyabi.coordinator.v1.state_pb2 import FailureReason
from miyabi_agents.agents import prompts
from miyabi_agents.agents.change_prompt import change_prompt
from miyabi_agents.agents.desk import Desk, open_desk
from miyabi_agents.agents.edit_policy import problem_of
from miyabi_agents.agents.editing import Attempts
from miyabi_agents.agents.gateway_calls import read_issue
from miyabi_agents.agents.issue_prompt import issue_prompt
from miyabi_agents.agents.locating import likely_files, locate
from miyabi_agents.agents.prefix.tools import FINISH_CHANGE, FINISH_TESTS
from miyabi_agents.errors import AgentError, ModelUnavailableError
from miyabi_agents.localisation import Locator
from miyabi_agents.ports import TaskContext, Tree
from miyabi_agents.verification.targets import is_test
from miyabi_core.text import both_ends, enumerated, exact

_CHANGE_TASK = (
    "Look at the code, make the smallest right change with the tools, and call finish_change. "
    "Tests are written afterwards."
)
_TRIED_CHANGE_TASK = (
    "Look at the code. Where the issue describes a behaviour, reproduce it first: run a test or a command that shows "
    "it. Make the smallest right change with the tools, run the tests, and mend what they show. Then call "
    "finish_change. More tests are written afterwards."
)
_TEST_TASK = (
    "Add tests that fail without the change and pass with it, beside the tests that are there. Edit an existing "
    "test only where the change makes its expectation wrong, and name it in changed_expectations. "
)
#: Longest summary of a change.
MAX_SUMMARY_CHARACTERS = 8000
#: Refused attempts that a failure names, so that its message has room for them; the event log has all.
MOST_NAMED = 3
#: Files that tests can be written for.
SOURCE_SUFFIXES = frozenset({".py", ".js", ".ts", ".svelte", ".go", ".rs", ".java", ".rb", ".c", ".cpp"})


class ImplementerAgent:
    """Makes the change of one step on top of the steps before it; its outcome is the whole change so far.

    Args:
        locator: Makes the map of the repository, and finds the likely files where no plan names them.
    """

    kind = "implement"
    capabilities = frozenset({TaskKind.TASK_KIND_IMPLEMENT})

    def __init__(self, locator: Locator) -> None:
        self._locator = locator

    async def run(self, task: Lease, context: TaskContext) -> Outcome:
        """Make the change.

        Raises:
            ModelUnavailableError: there is no model; changes cannot be made by rules.
            ModelAnswerError: the model's answers could not be used.
            NoProgressError: the model went in circles, or did not come to an end.
            WorkspaceError: the base cannot be checked out.
            AgentError: nothing was changed (`NO_CHANGE`).
        """
        if context.model is None:
            raise ModelUnavailableError("no model is configured, and a change cannot be made by rules")
        inputs = task.inputs
        issue = await read_issue(context)
        text = issue_prompt(task, issue).text
        async with open_desk(task, context, context.model, self._locator) as desk:
            said = await self._change(task, context, desk=desk, issue=text)
            change = await self._measured(context, desk.tree)
            if not task.fix_round:
                _refuse_nothing(change, inputs.change_set, desk.attempts)
            tests = await self._write_tests(task, context, desk=desk, change=change, issue=text)
            whole = await self._measured(context, desk.tree)
            # In a fix round the sources may be right already, and only their tests wanting.
            _refuse_nothing(whole, inputs.change_set, desk.attempts)
            whole.attempts_refused.extend(desk.attempts.told(inputs.change_set.attempts_refused))
            return Outcome(change_set=_complete(whole, task, said, tests))

    async def _change(self, task: Lease, context: TaskContext, *, desk: Desk, issue: str) -> dict[str, Any]:
        """Let the model change the sources."""
        await context.progress.step("changing the code")
        inputs = task.inputs
        likely = list(inputs.plan.files)
        if not likely:
            candidates = await locate(context, self._locator, await read_issue(context))
            found = await likely_files(context, candidates, issue=issue, shared=desk.prefix)
            likely = [candidate.path for candidate in found]
        step = inputs.plan.tasks[inputs.plan_step] if 0 <= inputs.plan_step < len(inputs.plan.tasks) else None
        parts = [
            issue,
            prompts.listing("Files that may matter:", likely),
            _step_text(step) if step else "",
            prompts.evidence_text(task),
            _TRIED_CHANGE_TASK if desk.trying else _CHANGE_TASK,
        ]
        said = await desk.talk(step="change", prompt="\n\n".join(filter(None, parts)), finish=FINISH_CHANGE)
        await context.progress.text_done("change")
        return said

    async def _write_tests(
        self, task: Lease, context: TaskContext, *, desk: Desk, change: ChangeSet, issue: str
    ) -> list[dict[str, Any]]:
        """Write tests for every changed source file, all at once."""
        sources = _to_be_tested(change, task)
        await context.progress.step(f"writing tests for {len(sources)} files")
        can_run = desk.trying is not None
        async with asyncio.TaskGroup() as tasks:
            conversations = []
            for path in sources:
                prompt = _test_prompt(task, issue, path, change, can_run=can_run)
                talk = desk.talk(step=f"tests of {path}", prompt=prompt, finish=FINISH_TESTS)
                conversations.append(tasks.create_task(talk))
        for path in sources:
            await context.progress.text_done(f"tests of {path}")
        return [conversation.result() for conversation in conversations]

    async def _measured(self, context: TaskContext, tree: Tree) -> ChangeSet:
        """Compute the change from the checkout."""
        async with context.progress.invocation("git.diff"):
            return await tree.change_set()


def _step_text(step: PlannedTask) -> str:
    """Show the step of the plan that is to be done; the issue may have listed it, so it is data."""
    words = f"{step.title}\n{step.description}"
    return f"Your step:\n{prompts.fence(words)}"


def _refuse_nothing(change: ChangeSet, before: ChangeSet, attempts: Attempts) -> None:
    """Make sure that there is a change, beyond that of the steps before; what was refused is said with the failure.

    Raises:
        AgentError: there is none: no change is not success; or it touches what it may not.
    """
    problem = problem_of(change.files)
    if problem:
        reason = FailureReason.FAILURE_REASON_MODEL_ANSWER
        raise AgentError(f"the change is not taken: {problem}", reason=reason, retryable=False)
    if not change.files or change.digest == before.digest:
        reason = FailureReason.FAILURE_REASON_NO_CHANGE
        refused = enumerated(attempts.told(), MOST_NAMED, by=" | ")
        tried = f"; it tried, and was refused: {refused}" if refused else ""
        raise AgentError(f"the model changed nothing{tried}", reason=reason, retryable=False)


def _to_be_tested(change: ChangeSet, task: Lease) -> list[str]:
    """Return the source files that this step changed; in a fix round all, for it may be the tests that are wanting."""
    before = {} if task.fix_round else {file.path: file.content for file in task.inputs.change_set.files}
    return [
        file.path
        for file in change.files
        if not file.deleted and _is_source(file.path) and before.get(file.path) != file.content
    ]


def _is_source(path: str) -> bool:
    """Tell whether tests are to be written for a file."""
    return PurePosixPath(path).suffix in SOURCE_SUFFIXES and not is_test(path)


def _test_prompt(lease: Lease, issue: str, path: str, change: ChangeSet, *, can_run: bool) -> str:
    """Ask for the tests of one file."""
    diff = change_prompt(change).text
    evidence = prompts.evidence_text(lease)
    run = "Run them with run_tests, and mend what fails. " if can_run else ""
    task = f"{_TEST_TASK}{run}Then call finish_tests."
    parts = (issue, f"Write tests for {exact(path)}.", f"The change:\n{diff}", evidence, task)
    return "\n\n".join(filter(None, parts))


def _complete(change: ChangeSet, task: Lease, said: dict[str, Any], tests: Sequence[dict[str, Any]]) -> ChangeSet:
    """Add what was said to what was measured; a later step of a plan adds to the summary of those before it."""
    before = task.inputs.change_set
    entries = [*said["changed_expectations"], *(entry for answer in tests for entry in answer["changed_expectations"])]
    known = {entry.test: entry.reason for entry in before.changed_expectations}
    known.update((entry["test"], entry["reason"]) for entry in entries)
    earlier = [before.summary] if before.summary and not task.fix_round else []
    change.summary = both_ends("\n\n".join([*earlier, said["summary"]]), MAX_SUMMARY_CHARACTERS)
    change.changed_expectations.extend(ChangedExpectation(test=test, reason=known[test]) for test in sorted(known))
    return change

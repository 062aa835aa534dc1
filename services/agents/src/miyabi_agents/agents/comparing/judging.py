"""Finds whether an issue is a duplicate of suspects: by the likely files of both, then as the fast model sees it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import timedelta

from miyabi.coordinator.v1.batch_pb2 import DuplicateSuspect
from miyabi.coordinator.v1.result_pb2 import DuplicateJudgement
from miyabi.github_gateway.v1.github_gateway_service_pb2 import Issue
from miyabi_agents.agents import prompts
from miyabi_agents.agents.gateway_calls import read_issue
from miyabi_agents.agents.locating import locate
from miyabi_agents.errors import BudgetError, GitHubError, ModelAnswerError, ModelUnavailableError
from miyabi_agents.localisation import Locator
from miyabi_agents.ports import TaskContext
from miyabi_core.text import exact, first, shortened

#: Likely files of each issue that are compared: a fix touches one of so many in nine cases of ten.
MOST_FILES = 10
#: Tokens of each issue that the model reads: what is asked for stands in its first pages.
ISSUE_TOKENS = 6_000
#: Tokens of the answer: a verdict, a quotation, a sentence.
ANSWER_TOKENS = 1_024
#: How long it is waited for.
PATIENCE = timedelta(seconds=60)
#: Longest quotation and longest reason that are recorded, in characters.
MOST_SAID = 500

TOOL = {
    "name": "record_duplicate",
    "description": "Record whether one change would resolve both issues.",
    "input_schema": {
        "type": "object",
        "properties": {
            "same": {"type": "boolean"},
            "quote": {"type": "string", "minLength": 1, "maxLength": MOST_SAID},
            "reason": {"type": "string", "minLength": 1, "maxLength": MOST_SAID},
        },
        "required": ["same", "quote", "reason"],
    },
}


@dataclass(frozen=True)
class Compared:
    """What was found of the suspects up to the first that the issue is a duplicate of; `duplicate`: there is one."""

    judgements: tuple[DuplicateJudgement, ...] = ()
    duplicate: bool = False


async def compared(context: TaskContext, locator: Locator, issue: Issue) -> Compared:
    """Compare the lease's issue with its suspects, likest first.

    A suspect of which the text is not sure is one only where both issues are likely about a same file and a model that
    read both says so. One of which it is sure is one unless a model refuses it.

    Args:
        context: The task's.
        locator: Finds the files that an issue is likely about.
        issue: The lease's.

    Raises:
        WorkspaceError: the base cannot be checked out.
    """
    judgements: list[DuplicateJudgement] = []
    for suspect in context.lease.inputs.suspects:
        found = await _judged(context, locator, issue, suspect)
        judgements += [found] if found is not None else []
        if found.confirmed if found is not None else suspect.sure:
            return Compared(tuple(judgements), duplicate=True)
    return Compared(tuple(judgements))


async def _judged(
    context: TaskContext, locator: Locator, issue: Issue, suspect: DuplicateSuspect
) -> DuplicateJudgement | None:
    """Return what is found of one suspect; None where nobody could judge."""
    if context.model is None:
        return None
    await context.progress.step(f"comparing with #{suspect.issue_number}")
    try:
        other = await read_issue(context, suspect.issue_number)
    except GitHubError as error:
        await context.progress.step(
            f"#{suspect.issue_number} cannot be read: {shortened(exact(str(error)), MOST_SAID)}"
        )
        return None
    mine, its = [await _likely(context, locator, entry) for entry in (issue, other)]
    files = [path for path in mine if path in its]
    judgement = DuplicateJudgement(issue_number=suspect.issue_number, files=files)
    if not files and not suspect.sure:
        judgement.reason = "No file is likely to be touched by both."
        return judgement
    return await _asked(context, judgement, issue, other)


async def _likely(context: TaskContext, locator: Locator, issue: Issue) -> list[str]:
    """Return the files that an issue is likely about, best first."""
    found = await locate(context, locator, issue)
    return [candidate.path for candidate in first(found, MOST_FILES)[0]]


async def _asked(
    context: TaskContext, judgement: DuplicateJudgement, issue: Issue, other: Issue
) -> DuplicateJudgement | None:
    """Let the fast model judge; None where it does not answer, or quotes what stands in neither issue."""
    assert context.model is not None
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            found = await context.model.call_tool(
                step="comparison", system=prompts.SYSTEM, prompt=_prompt(context, judgement, issue, other), tool=TOOL,
                repairs=1, answer=ANSWER_TOKENS,
            )  # fmt: skip
    except (TimeoutError, ModelUnavailableError, ModelAnswerError, BudgetError) as error:
        why = shortened(exact(str(error)), MOST_SAID) or "it took too long"
        await context.progress.step(f"no model compares it with #{judgement.issue_number}: {why}")
        return None
    await context.progress.text_done("comparison")
    if not any(_plain(found["quote"]) in _plain(_text(entry)) for entry in (issue, other)):
        await context.progress.step("the model quotes what stands in neither issue: its answer is not used")
        return None
    judgement.confirmed, judgement.quote, judgement.reason = found["same"], found["quote"], found["reason"]
    return judgement


def _prompt(context: TaskContext, judgement: DuplicateJudgement, issue: Issue, other: Issue) -> str:
    """Return both issues as data, with the files that both are likely about."""
    files = prompts.named("Files that both are likely about:", list(judgement.files))
    texts = (
        f"Issue #{entry.number}:\n{prompts.fenced(prompts.within(_text(entry), ISSUE_TOKENS), secrets.token_hex(8))}"
        for entry in (issue, other)
    )
    parts = [prompts.heading(context.lease), *texts, files]
    question = (
        "Would one and the same change resolve both? Issues about one part of the code that ask for different things "
        "are not the same, nor are those of which one asks for more. Call record_duplicate: quote, word for word, the "
        "passage of either issue that shows it, and give your reason in one sentence."
    )
    return "\n\n".join([*filter(None, parts), question])


def _text(issue: Issue) -> str:
    """Return title and body as a model sees them."""
    return f"{prompts.clean(issue.title)}\n\n{prompts.clean(issue.body)}"


def _plain(text: str) -> str:
    """Return a text in which quotations are looked for: line breaks and spaces count alike."""
    return " ".join(text.split())

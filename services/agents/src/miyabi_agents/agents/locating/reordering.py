"""Lets the fast model put located files in order, once and for little; whatever goes wrong, they stay as they were."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from miyabi_agents.agents.prefix.tools import MAX_ORDERED, RECORD_ORDER
from miyabi_agents.agents.prompts import fenced
from miyabi_agents.errors import BudgetError, ModelAnswerError, ModelUnavailableError
from miyabi_agents.localisation import Candidate, outline
from miyabi_agents.localisation.reading.text import text_of
from miyabi_agents.localisation.tokens import terms_of, words
from miyabi_agents.model import SharedPrefix, Tier
from miyabi_agents.ports import TaskContext
from miyabi_agents.toolchains.port import BaseFiles
from miyabi_core.text import enumerated, exact, first, shortened

#: Definitions of a file that are shown: those that share words with the issue first, up to a page of names.
MAX_DEFINITIONS = 30
#: Longest line of a file.
MAX_LINE = 1_200
#: Share of what is left of the budget that the call may take: the order is a help, the change is the work.
MOST_SHARE = 0.1
#: Tokens of the answer: twenty numbers and a sentence.
ANSWER_TOKENS = 1_024
#: How long it is waited for; a busy API is needed for the change.
PATIENCE = timedelta(seconds=30)
#: Longest reason that is said.
MAX_REASON = 200


@dataclass(frozen=True)
class _Skipped(Exception):  # noqa: N818 - nothing went wrong
    """The order stays as it is, for a reason that is said."""

    why: str


async def reordered(
    context: TaskContext, candidates: Sequence[Candidate], *, issue: str, shared: SharedPrefix
) -> list[Candidate]:
    """Return the same files, the first of them in the order that the fast model sees in their outlines.

    One call, within a tenth of what is left of the budget. No file is added and none is lost: numbers that the model
    does not name keep their order behind those that it does.

    Args:
        context: The task's.
        candidates: Best first.
        issue: As models are shown it.
        shared: What conversations begin with.

    Raises:
        WorkspaceError: the base cannot be read.
    """
    asked, others = first(candidates, MAX_ORDERED)[0], candidates[MAX_ORDERED:]
    try:
        order = await _ordered(context, asked, issue, shared)
    except _Skipped as skipped:
        await context.progress.step(f"the likely files stay in the order of their words: {skipped.why}")
        return list(candidates)
    return [*permuted(asked, order), *others]


async def _ordered(
    context: TaskContext, candidates: Sequence[Candidate], issue: str, shared: SharedPrefix
) -> list[int]:
    """Ask the model.

    Raises:
        _Skipped: there is no answer that can be used.
    """
    if context.model is None:
        raise _Skipped("no model is configured")
    inputs = context.lease.inputs
    async with context.workspaces.files(repository=inputs.repository, sha=inputs.base_sha) as base:
        shown = await asyncio.to_thread(_outlined, base, candidates, set(words(issue)))
    prompt = (
        f"{issue}\n\nFiles that may have to be changed, each with its number and what it defines:\n"
        f"{fenced(shown, secrets.token_hex(8))}\n\nWhich of them does the change that resolves the issue touch? Think "
        "of where the cause is, not of where it shows. Name the numbers of all that may be, the likeliest first, by "
        "calling record_order at once."
    )
    if not context.model.affords(prompt, tier=Tier.FAST, shared=shared, answer=ANSWER_TOKENS, share=MOST_SHARE):
        raise _Skipped(f"another order may cost more than {MOST_SHARE:.0%} of what is left of the budget")
    await context.progress.step(f"putting {len(candidates)} likely files in order")
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            found = await context.model.call_tool(
                step="order", shared=shared, prompt=prompt, tool=RECORD_ORDER, repairs=0, answer=ANSWER_TOKENS
            )
    except TimeoutError as error:
        raise _Skipped(f"the model did not answer within {PATIENCE.total_seconds():.0f} seconds") from error
    except (ModelUnavailableError, ModelAnswerError, BudgetError) as error:
        raise _Skipped(shortened(exact(str(error)), MAX_REASON)) from error
    await context.progress.text_done("order")
    order = [int(number) for number in found["order"]]
    if not any(0 < number <= len(candidates) for number in order):
        raise _Skipped("the model named none of them")
    return order


def permuted(candidates: Sequence[Candidate], order: Iterable[int]) -> list[Candidate]:
    """Return candidates in an order of their numbers, from 1; each once, whatever the order holds."""
    named = [number - 1 for number in dict.fromkeys(order) if 0 < number <= len(candidates)]
    rest = [place for place in range(len(candidates)) if place not in named]
    return [candidates[place] for place in (*named, *rest)]


def _outlined(base: BaseFiles, candidates: Sequence[Candidate], asked: Collection[str]) -> str:
    """Return a line a file: its number, its path, what it defines."""
    return "\n".join(
        _line(number, entry.path, text_of(base.read(entry.path) or b""), asked)
        for number, entry in enumerate(candidates, start=1)
    )


def _line(number: int, path: str, text: str, asked: Collection[str]) -> str:
    """Return one file; of many definitions, those that share words with the issue, in their order."""
    names = list(dict.fromkeys(name for _, _, name in outline(path, text)))
    common = {name: sum(term in asked for term in terms_of(name.rpartition(".")[2])) for name in names}
    telling = sorted(names, key=lambda name: -common[name])
    shown = set(first(telling, MAX_DEFINITIONS)[0])
    # Those that are not shown are counted behind the others.
    ordered = [name for name in names if name in shown] + [name for name in names if name not in shown]
    listed = enumerated([exact(name) for name in ordered], MAX_DEFINITIONS)
    return shortened(f"{number}. {exact(path)}: {listed}", MAX_LINE)

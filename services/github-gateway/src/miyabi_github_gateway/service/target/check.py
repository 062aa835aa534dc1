"""Reads how a repository and its issues stand, afresh, and says what of it stands in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.models import Kind, Read, Shape
from miyabi_github_gateway.ports import Fetched, TargetSource
from miyabi_github_gateway.service.caching.flights import Deadline
from miyabi_github_gateway.service.calling import current
from miyabi_github_gateway.service.coalescing.batching import Batcher
from miyabi_github_gateway.service.target.issue_problems import issue_problems
from miyabi_github_gateway.service.target.repository_problems import repository_problems, unknown_of
from miyabi_github_gateway.target_facts import Findings, Problem, RepositoryFacts, Standing, Target

#: What is read of each number; nothing of it is kept.
STANDING = Shape(Kind.STANDING)
#: Numbers that one sentence names; the others are counted.
NAMED = 20


class TargetCheck:
    """Says what stands in the way of work.

    Args:
        source: Reads what is not of one number.
        batcher: Reads how numbers stand, many with one query, within the budget.
    """

    def __init__(self, source: TargetSource, batcher: Batcher) -> None:
        self._source = source
        self._batcher = batcher

    async def check(self, target: Target, *, timeout: timedelta) -> Findings:
        """Check; nothing comes from a cache, and nothing is written.

        Args:
            target: What is to be worked on.
            timeout: Time of the caller.

        Raises:
            RepositoryNotFoundError: there is no such repository, or no such branch.
            RateLimitedError: a limit would be passed before the caller's time.
            GitHubUnavailableError: GitHub did not answer.
            GitHubForbiddenError: the credential is not accepted.
            ReadTimedOutError: the time was over first.
        """
        deadline = asyncio.get_running_loop().time() + timeout.total_seconds()
        try:
            async with asyncio.TaskGroup() as tasks:
                asked = tasks.create_task(self._source.repository(target))
                numbers = tasks.create_task(self._standings(target, deadline))
        except BaseExceptionGroup as group:
            raise _first(group) from group
        facts, (standings, unknown) = asked.result(), numbers.result()
        problems = list(repository_problems(target, facts))
        if standings:
            me = await self._source.account(target.repository)
            for number in sorted(standings):
                problems += _of_number(target, standings[number], facts=facts, me=me)
        return Findings(tuple(problems), (*unknown_of(target, facts), *unknown), facts.ours)

    async def _standings(self, target: Target, deadline: float) -> tuple[dict[int, Standing], list[str]]:
        """Read how each number stands; returns also what could not be found out.

        Raises:
            MiyabiError: not one of them could be read.
        """
        if not target.numbers:
            return {}, []
        found: dict[Read, Fetched] = {}

        async def deliver(things: Mapping[Read, Fetched]) -> None:
            found.update(things)

        reads = [Read(target.repository, STANDING, number) for number in target.numbers]
        limit = Deadline(deadline, current().lane)
        await self._batcher.read(STANDING, reads, ids={}, deadline=limit, deliver=deliver)
        failed = {read.number: value for read, value in found.items() if isinstance(value, MiyabiError)}
        if len(failed) == len(reads):
            raise next(iter(failed.values()))
        standings = {read.number: value for read, value in found.items() if isinstance(value, Standing)}
        missing = [read.number for read, value in found.items() if value is None]
        moved, unasked = await self._source.moved(target.repository, missing)
        standings |= moved
        gone = sorted(set(missing) - moved.keys() - set(unasked))
        return standings, _unknown(target, standings, failed=failed, missing=gone, unasked=unasked)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that callers are told."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _of_number(target: Target, standing: Standing, *, facts: RepositoryFacts, me: str) -> list[Problem]:
    """Return what of a number stands in the way; a number of the other kind is none of the caller's."""
    if standing.is_pull_request != target.review and not standing.moved_to:
        return []
    return list(issue_problems(target, standing, ours=facts.ours.get(standing.number), me=me))


def _unknown(
    target: Target,
    standings: Mapping[int, Standing],
    *,
    failed: Mapping[int, MiyabiError],
    missing: Sequence[int],
    unasked: Sequence[int],
) -> list[str]:
    """Return what of the numbers could not be found out, a sentence each."""
    kind, other = ("pull request", "issue") if target.review else ("issue", "pull request")
    strangers = [
        number
        for number, standing in sorted(standings.items())
        if standing.is_pull_request != target.review and not standing.moved_to
    ]
    mentions = [number for number, standing in sorted(standings.items()) if standing.unread_mentions]
    sentences = [
        (f"No {kind} of this number is to be seen", missing),
        ("Whether it was transferred was not looked up", unasked),
        (f"No {kind}, but the number of {'an' if other == 'issue' else 'a'} {other}", strangers),
        ("Not every mention was read, so that a pull request may be open all the same", mentions),
    ]
    said = [_sentence(text, numbers) for text, numbers in sentences if numbers]
    reasons: dict[str, list[int]] = {}
    for number, error in sorted(failed.items()):
        reasons.setdefault(error.message, []).append(number)
    return said + [_sentence(f"Could not be read ({reason.rstrip('.')})", where) for reason, where in reasons.items()]


def _sentence(text: str, numbers: Sequence[int]) -> str:
    """Return a sentence on some numbers, which names the first of them and counts the others."""
    more = len(numbers) - NAMED
    listed = ", ".join(f"#{number}" for number in numbers[:NAMED])
    return f"{text}: {listed}{f' and {more} more' if more > 0 else ''}."

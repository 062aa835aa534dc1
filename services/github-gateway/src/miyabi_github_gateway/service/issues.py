"""Reads issues by number: one that cannot be read harms only itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from miyabi_core.errors import MiyabiError, UnavailableError
from miyabi_github_gateway.errors import GitHubForbiddenError, GitHubRefusedError, MalformedAnswerError
from miyabi_github_gateway.models import Issue, IssueAnswer, IssueField, Kind, Read, Shape
from miyabi_github_gateway.service.reads import PATIENCE, ReadThrough

#: What may be wrong with one issue while others can be read; anything else is wrong with the call.
OF_ONE_ISSUE = (UnavailableError, MalformedAnswerError, GitHubRefusedError, GitHubForbiddenError)


class IssueLoader:
    """Streams issues as they come."""

    def __init__(self, reads: ReadThrough) -> None:
        self._reads = reads

    async def load(
        self,
        repository: str,
        numbers: Sequence[int],
        *,
        fields: frozenset[IssueField],
        fresh: bool = False,
        timeout: timedelta = PATIENCE,
    ) -> AsyncIterator[list[IssueAnswer]]:
        """Yield answers as they come, each number once; those that cannot be read come last, with the reason.

        Raises:
            MiyabiError: the repository cannot be read at all, a limit is in the way, or no issue could be read.
        """
        shape = Shape(Kind.ISSUE, fields)
        reads = [Read(repository, shape, number) for number in numbers]
        failed: list[tuple[int, MiyabiError]] = []
        async for found in self._reads.load(reads, fresh=fresh, timeout=timeout):
            answers = []
            for read, outcome in found.items():
                if not isinstance(outcome, MiyabiError):
                    assert outcome.value is None or isinstance(outcome.value, Issue)
                    answers.append(IssueAnswer(read.number, outcome.value, age=outcome.age, cause=outcome.cause))
                elif isinstance(outcome, OF_ONE_ISSUE):
                    failed.append((read.number, outcome))
                else:
                    raise outcome
            if answers:
                yield answers
        if failed and len(failed) == len(reads):
            raise failed[0][1]
        if failed:
            yield [IssueAnswer(number, error=error.message) for number, error in failed]

"""Makes issues of GraphQL's objects: what is long is paged to its end, what only REST knows is read there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.adapters.graphql import values
from miyabi_github_gateway.adapters.graphql.pages import Pages
from miyabi_github_gateway.adapters.rest.reads import RestReads
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.models import IssueField, Read
from miyabi_github_gateway.ports import Fetched

#: Characters of text that are turned into values before others get the event loop: some 5 ms.
CHARACTERS_AT_ONCE = 500_000
#: What a comment costs beside its characters.
COMMENT_CHARACTERS = 500


class IssueAssembly:
    """Completes and builds issues."""

    def __init__(self, transport: GitHubTransport, rest: RestReads) -> None:
        self._rest = rest
        self._pages = Pages(transport)

    async def build(self, raws: Mapping[Read, Any], fields: frozenset[IssueField]) -> dict[Read, Fetched]:
        """Return each issue, or why it could not be completed."""
        failed: dict[Read, Fetched] = dict(await self._pages.complete(raws, fields))
        blocked: dict[Read, tuple[int, ...]] = {}
        if IssueField.RELATIONS in fields:
            for read, found in (await self._blocked_by([read for read in raws if read not in failed])).items():
                if isinstance(found, MiyabiError):
                    failed[read] = found
                else:
                    blocked[read] = found
        good = {read: raw for read, raw in raws.items() if read not in failed}
        return failed | await build_each(good, lambda read, raw: values.issue(raw, blocked_by=blocked.get(read, ())))

    async def _blocked_by(self, reads: Sequence[Read]) -> dict[Read, tuple[int, ...] | MiyabiError]:
        """Read what blocks each issue; the published GraphQL schema has no field for it."""

        async def one(read: Read) -> tuple[int, ...] | MiyabiError:
            try:
                return await self._rest.blocked_by(read.repository, read.number)
            except MiyabiError as error:
                return error

        async with asyncio.TaskGroup() as tasks:
            asked = {read: tasks.create_task(one(read)) for read in reads}
        return {read: task.result() for read, task in asked.items()}


async def build_each(raws: Mapping[Read, Any], build: Callable[[Read, Any], Any]) -> dict[Read, Fetched]:
    """Build each value; one that is malformed is an error of its own. Others get the event loop in between."""
    found: dict[Read, Fetched] = {}
    characters = 0
    for read, raw in raws.items():
        try:
            value = build(read, raw)
        except MiyabiError as error:
            value = error
        found[read] = value
        comments = getattr(value, "comments", ())
        characters += COMMENT_CHARACTERS + sum(len(comment.body) + COMMENT_CHARACTERS for comment in comments)
        if characters > CHARACTERS_AT_ONCE:
            characters = 0
            await asyncio.sleep(0)
    return found

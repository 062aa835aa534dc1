"""Asks GitHub how many of our pull requests are open, for many repositories in one query."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from gql import gql

from miyabi_github_gateway.adapters.sending.transport import GitHubTransport

#: What the heads of our pull requests begin with.
OURS = "miyabi/"
#: Repositories of one query; a hundred cost one point.
AT_ONCE = 25
#: GitHub's largest page.
PAGE = 100


def open_pull_requests(repositories: Sequence[str], after: Sequence[str | None]) -> str:
    """Return the query for the heads of open pull requests, one page of each repository.

    Args:
        repositories: `owner/name`.
        after: Cursor of each page; None: the first.
    """
    aliases = []
    for index, (repository, cursor) in enumerate(zip(repositories, after, strict=True)):
        owner, _, name = map(json.dumps, repository.partition("/"))
        page = f"first: {PAGE}" + (f", after: {json.dumps(cursor)}" if cursor else "")
        aliases.append(
            f"r{index}: repository(owner: {owner}, name: {name}) {{ pullRequests(states: OPEN, {page}) {{ "
            "nodes { headRefName isCrossRepository } pageInfo { hasNextPage endCursor } } }"
        )
    return f"query OpenPullRequests {{ {' '.join(aliases)} }}"


class OpenPullRequestCounter:
    """Counts by heads: nothing else tells which pull requests are ours, whoever's credential opened them."""

    def __init__(self, transport: GitHubTransport) -> None:
        self._transport = transport

    async def count(self, repositories: Sequence[str]) -> dict[str, int]:
        """Return the number of ours that are open; a repository that cannot be seen is missing.

        Raises:
            MiyabiError: GitHub did not answer.
        """
        owners: dict[str, list[str]] = defaultdict(list)
        for repository in repositories:
            owners[repository.partition("/")[0]].append(repository)
        async with asyncio.TaskGroup() as tasks:
            counting = [
                tasks.create_task(self._count(owner, names[start : start + AT_ONCE]))
                for owner, names in owners.items()
                for start in range(0, len(names), AT_ONCE)
            ]
        return {name: number for task in counting for name, number in task.result().items()}

    async def _count(self, owner: str, repositories: list[str]) -> dict[str, int]:
        """Page one owner's repositories to the end."""
        found: dict[str, int] = {}
        pages: dict[str, str | None] = dict.fromkeys(repositories)
        while pages:
            names = list(pages)
            query = open_pull_requests(names, list(pages.values()))
            result = await self._transport.execute(gql(query), owner=owner)
            pages = {}
            for index, name in enumerate(names):
                page = ((result.data or {}).get(f"r{index}") or {}).get("pullRequests")
                if page is None:
                    continue
                found[name] = found.get(name, 0) + sum(map(_is_ours, page["nodes"]))
                if page["pageInfo"]["hasNextPage"]:
                    pages[name] = page["pageInfo"]["endCursor"]
        return found


def _is_ours(node: dict[str, Any] | None) -> bool:
    """Return whether a pull request is one of ours."""
    return node is not None and not node["isCrossRepository"] and str(node["headRefName"]).startswith(OURS)

"""Finds our open pull requests by the names of our branches, each of which tells its issue."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from miyabi_github_gateway.adapters.graphql.reply import reply_of
from miyabi_github_gateway.adapters.graphql.request import PreparedRequest
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.errors import MalformedAnswerError
from miyabi_github_gateway.target_facts import OpenPullRequest

#: GitHub's largest page.
PAGE = 100
#: Our branches whose names have `$query` in them, each with its open pull request: `$owner`, `$name`, `$after`.
OUR_BRANCHES = (
    "query OurBranches($owner: String!, $name: String!, $after: String, $query: String) { "
    "repository(owner: $owner, name: $name) { "
    f'refs(refPrefix: "refs/heads/miyabi/", query: $query, first: {PAGE}, after: $after) {{ '
    "nodes { name associatedPullRequests(first: 1, states: [OPEN]) { nodes { number url isCrossRepository } } } "
    "pageInfo { hasNextPage endCursor } } } }"
)
#: What the names of our branches begin with.
_OURS = "miyabi/"
#: The issue in the name of a branch of ours (`miyabi_core.grants.branch_of`).
_ISSUE = re.compile(r"(?:miyabi/)?issue-(\d{1,9})-")


def issue_of(branch: str) -> int | None:
    """Return the issue that a branch of ours is for; None: its name tells none."""
    found = _ISSUE.match(branch)
    return int(found[1]) if found else None


class OurBranches:
    """Asks GitHub for our branches with their open pull requests."""

    def __init__(self, transport: GitHubTransport) -> None:
        self._transport = transport

    async def open(self, repository: str, *, issue: int = 0) -> AsyncIterator[tuple[str, int, OpenPullRequest]]:
        """Yield branch, issue and pull request of each open one, all pages.

        Args:
            repository: `owner/name`.
            issue: Only those for this one; 0: all.

        Raises:
            MalformedAnswerError: a documented field is missing.
            MiyabiError: GitHub did not answer.
        """
        owner, _, name = repository.partition("/")
        cursor: str | None = None
        more = True
        while more:
            variables = {"owner": owner, "name": name, "after": cursor, "query": f"issue-{issue}-" if issue else None}
            request = PreparedRequest(OUR_BRANCHES, variables, requests=1 + PAGE)
            page = reply_of(await self._transport.execute(request, owner=owner)).at("repository", "refs")
            if page is None:
                raise MalformedAnswerError
            for node in page["nodes"]:
                number = issue_of(node["name"])
                if number is not None and issue in {0, number}:
                    for pull in _of_branch(node):
                        yield f"{_OURS}{node['name']}", number, pull
            more, cursor = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]


def _of_branch(node: Mapping[str, Any]) -> list[OpenPullRequest]:
    """Return the open pull request of a branch of ours; a fork's branch of the same name is not ours."""
    pulls = node["associatedPullRequests"]["nodes"]
    return [
        OpenPullRequest(pull["number"], pull["url"], "", ours=True) for pull in pulls if not pull["isCrossRepository"]
    ]

"""Reads how issues and pull requests stand, up to a hundred with one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from miyabi_github_gateway.adapters.graphql.issue_assembly import build_each
from miyabi_github_gateway.adapters.graphql.reply import problem_at, reply_of
from miyabi_github_gateway.adapters.graphql.request import PreparedRequest
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.adapters.target.target_queries import CLOSED_BY, CONNECTIONS, check_numbers, unknown_fields
from miyabi_github_gateway.adapters.writing.open_pull_requests import OURS
from miyabi_github_gateway.errors import GitHubRefusedError, MalformedAnswerError
from miyabi_github_gateway.models import Read, Shape
from miyabi_github_gateway.ports import Brought, Fetched
from miyabi_github_gateway.target_facts import OpenPullRequest, Standing


class StandingSource:
    """Implements `ports.BatchSource` for standings; all numbers of a query are of one repository."""

    def __init__(self, transport: GitHubTransport) -> None:
        self._transport = transport
        self._without: frozenset[str] = frozenset()

    async def read(self, shape: Shape, wanted: Sequence[Read], *, ids: Mapping[Read, str], patient: bool) -> Brought:
        """Read; see the port."""
        del shape, ids
        owner, _, name = wanted[0].repository.partition("/")
        variables = {"owner": owner, "name": name} | {f"i{j}": read.number for j, read in enumerate(wanted)}
        while True:
            text = check_numbers(len(wanted), without=self._without)
            request = PreparedRequest(text, variables, requests=CONNECTIONS * len(wanted))
            try:
                reply = reply_of(await self._transport.execute(request, owner=owner, patient=patient))
                break
            except GitHubRefusedError as error:
                lacks = unknown_fields(error.message) & {CLOSED_BY} - self._without
                if not lacks:
                    raise
                self._without |= lacks
        paths = {read: ("r0", f"i{j}") for j, read in enumerate(wanted)}
        found: dict[Read, Fetched] = {read: problem_at(reply, path, read) for read, path in paths.items()}
        raws = {read: reply.at(*path) for read, path in paths.items() if found[read] is None and reply.at(*path)}
        return Brought(found | await build_each(raws, _standing), reply.seconds, reply.size_bytes)


def _standing(read: Read, raw: Mapping[str, Any]) -> Standing:
    """Build a standing.

    Raises:
        MalformedAnswerError: a documented field is missing or of another kind.
    """
    try:
        is_pull_request = raw["__typename"] == "PullRequest"
        home = raw["repository"]["nameWithOwner"]
        is_home = home.casefold() == read.repository.casefold() and raw["number"] == read.number
        pull_requests, more, unread = ((), 0, False) if is_pull_request else _pull_requests(raw)
        return Standing(
            number=read.number,
            id=raw["id"],
            is_pull_request=is_pull_request,
            closed=(raw["pullState"] if is_pull_request else raw["issueState"]) != "OPEN",
            locked=raw["locked"],
            assignees=() if is_pull_request else tuple(node["login"] for node in raw["assignees"]["nodes"] if node),
            pull_requests=pull_requests,
            more_pull_requests=more,
            unread_mentions=unread,
            moved_to="" if is_home else f"{home}#{raw['number']}",
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedAnswerError from error


def _pull_requests(raw: Mapping[str, Any]) -> tuple[tuple[OpenPullRequest, ...], int, bool]:
    """Return the open pull requests that will close an issue, how many more there are, and whether some are unread."""
    if CLOSED_BY in raw:
        linked = raw[CLOSED_BY] or {"nodes": (), "totalCount": 0}
        nodes = [node for node in linked["nodes"] if node]
        return _open(nodes), max(0, linked["totalCount"] - len(linked["nodes"])), False
    mentions = raw["timelineItems"]
    sources = [node["source"] for node in mentions["nodes"] if node and node.get("willCloseTarget")]
    return _open([source for source in sources if source]), 0, mentions["pageInfo"]["hasNextPage"]


def _open(nodes: Sequence[Mapping[str, Any]]) -> tuple[OpenPullRequest, ...]:
    """Build those that are open."""
    return tuple(
        OpenPullRequest(
            node["number"],
            node["url"],
            (node["author"] or {}).get("login", ""),
            ours=not node["isCrossRepository"] and node["headRefName"].startswith(OURS),
        )
        for node in nodes
        if node["state"] == "OPEN"
    )

"""Pages an issue's comments, labels, assignees and sub-issues to their end, many in one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miyabi_core.errors import MiyabiError
from miyabi_github_gateway.adapters.graphql import queries
from miyabi_github_gateway.adapters.graphql.request import PreparedRequest
from miyabi_github_gateway.adapters.graphql.values import meaning
from miyabi_github_gateway.adapters.sending.transport import GitHubTransport
from miyabi_github_gateway.errors import MalformedAnswerError
from miyabi_github_gateway.models import IssueField, Read

#: Pages of one query: as many nodes as a first batch of issues asks for.
PAGES_AT_ONCE = 25


@dataclass
class _Open:
    """A connection of which more is to come."""

    read: Read
    field: IssueField
    node: str
    connection: dict[str, Any]

    @property
    def cursor(self) -> str:
        """Where the next page begins."""
        return str(self.connection["pageInfo"]["endCursor"])


class Pages:
    """Reads what comes after the first page."""

    def __init__(self, transport: GitHubTransport) -> None:
        self._transport = transport

    async def complete(self, raws: Mapping[Read, Any], fields: frozenset[IssueField]) -> dict[Read, MiyabiError]:
        """Append every further page to the raw issues; returns those that could not be completed, with the reason."""
        failed: dict[Read, MiyabiError] = {}
        left = [entry for read, raw in raws.items() for entry in _open(read, raw, fields)]
        while left:
            chosen, left = left[:PAGES_AT_ONCE], left[PAGES_AT_ONCE:]
            chosen = [entry for entry in chosen if entry.read not in failed]
            if chosen:
                left = await self._next(chosen, failed) + left
        return failed

    async def _next(self, chosen: list[_Open], failed: dict[Read, MiyabiError]) -> list[_Open]:
        """Read one page of each; returns those of which still more is to come."""
        variables = {f"d{index}": entry.node for index, entry in enumerate(chosen)}
        variables |= {f"a{index}": entry.cursor for index, entry in enumerate(chosen)}
        text = queries.more_pages(tuple(entry.field for entry in chosen))
        try:
            result = await self._transport.execute(
                PreparedRequest(text, variables, requests=len(chosen)), owner=chosen[0].read.owner
            )
        except MiyabiError as error:
            failed |= {entry.read: error for entry in chosen}
            return []
        errors = {error.path[0]: error for error in result.errors or [] if error.path}
        more = []
        for index, entry in enumerate(chosen):
            name = queries.CONNECTIONS[entry.field][0]
            page = ((result.data or {}).get(f"p{index}") or {}).get(name)
            said = errors.get(f"p{index}")
            if page is None or said is not None:
                # A page with a hole would look like a whole one.
                problem = meaning(said, entry.read.repository) if said else None
                failed[entry.read] = problem or MalformedAnswerError()
                continue
            entry.connection["nodes"] += page["nodes"]
            entry.connection["pageInfo"] = page["pageInfo"]
            if page["pageInfo"]["hasNextPage"]:
                more.append(entry)
        return more


def _open(read: Read, raw: Mapping[str, Any], fields: frozenset[IssueField]) -> list[_Open]:
    """Return the connections of an issue of which more is to come."""
    found = []
    for field, (name, _) in queries.CONNECTIONS.items():
        connection = raw.get(name) if field in fields else None
        if connection and connection["pageInfo"]["hasNextPage"]:
            found.append(_Open(read, field, str(raw["id"]), connection))
    return found

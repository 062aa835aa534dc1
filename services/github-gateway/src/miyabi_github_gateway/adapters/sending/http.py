"""Asks GitHub over REST and GraphQL as the owner's credential; refusals become errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from miyabi_github_gateway.adapters.sending.outgoing import TRIES, Request
from miyabi_github_gateway.adapters.sending.refusals import message_of, missing_permission
from miyabi_github_gateway.adapters.sending.sending import Sender
from miyabi_github_gateway.errors import GitHubForbiddenError, GitHubRefusedError
from miyabi_github_gateway.models import Credential
from miyabi_github_gateway.ports import Credentials
from miyabi_github_gateway.service.calling import current
from miyabi_github_gateway.service.governor import Ask, Cost


@dataclass(frozen=True)
class _Owner:
    """A `outgoing.Principal`: the credential of an owner, whichever it is at the time."""

    credentials: Credentials
    name: str

    async def credential(self) -> Credential:
        """Return the owner's credential."""
        return await self.credentials.of(self.name)

    def refused(self, credential: Credential) -> None:
        """Pass it on."""
        self.credentials.refused(credential)


class GitHubHttp:
    """Asks GitHub for what belongs to repositories and accounts.

    Args:
        api_url: Base of the REST API.
        graphql_url: The GraphQL endpoint.
        credentials: Where the credential of a repository's owner comes from.
        sender: Sends.
    """

    def __init__(self, api_url: str, graphql_url: str, credentials: Credentials, sender: Sender) -> None:
        self.sender = sender
        self._api_url = api_url.rstrip("/")
        self._graphql_url = graphql_url
        self._credentials = credentials

    async def graphql(
        self,
        body: Mapping[str, Any],
        *,
        operation: str,
        owner: str = "",
        cost: Cost = Cost.READ,
        tries: int = TRIES,
        points: int = 1,
    ) -> httpx.Response:
        """Send a query; only the transport's errors and refusals are raised, GraphQL's own are in the answer.

        Args:
            body: Query, variables, operation's name.
            operation: For logs.
            owner: Account of the repositories that are asked for: its credential and its budget are used.
            cost: What it is to GitHub's limits. Whatever is sent here may be sent twice, as labels may be set twice.
            tries: How often it is sent at most; a batch asks for one, since it is halved rather than repeated.
                An answer that only says to wait does not count.
            points: That the query takes off the hour, by `query_cost`.

        Raises:
            GitHubUnavailableError: no answer, or a server error, after all repeats.
            RateLimitedError: the wait would pass the caller's time.
            MalformedAnswerError: no GraphQL answer, after all repeats.
        """
        ask = Ask("graphql", cost, current().lane, max(1, points))
        request = Request("POST", self._graphql_url, operation, ask, {"json": body}, tries)
        return await self.sender.send(request, _Owner(self._credentials, owner))

    async def rest(
        self, method: str, path: str, *, cost: Cost = Cost.READ, repeatable: bool | None = None, **options: Any
    ) -> httpx.Response:
        """Send a REST request; 404 comes back as an answer, since only the caller knows what is missing.

        Args:
            method: HTTP method.
            path: Below the REST API's base.
            cost: What it is to GitHub's limits.
            repeatable: Whether doing it twice is the same as doing it once; default: unless it creates content. A
                request that is not is sent again only where GitHub cannot have acted on it.
            options: Passed to httpx: `json`, `params`, `headers`.

        Raises:
            GitHubForbiddenError: 401 or 403 that is no limit.
            GitHubRefusedError: 4xx that says why.
            GitHubUnavailableError: no answer, or a server error, after all repeats.
            MayHaveActedError: the same, of a request that must not be repeated unseen: look whether it was done.
            RateLimitedError: the wait would pass the caller's time.
            MalformedAnswerError: the answer is not JSON, after all repeats.
        """
        may_repeat = cost is not Cost.NOTIFY if repeatable is None else repeatable
        repository = _repository_of(path)
        ask = Ask("core", cost, current().lane)
        request = Request(method, f"{self._api_url}{path}", path, ask, options, may_repeat=may_repeat)
        answer = await self.sender.send(request, _Owner(self._credentials, repository.partition("/")[0]))
        if answer.status_code in {401, 403}:
            raise GitHubForbiddenError(
                repository, message_of(answer), missing=missing_permission(answer), status=answer.status_code
            )
        if answer.status_code >= 400 and answer.status_code != 404:
            raise GitHubRefusedError(message_of(answer))
        return answer


def _repository_of(path: str) -> str:
    """Return `owner/name` of a REST path."""
    parts = path.split("/")
    return "/".join(parts[2:4]) if len(parts) > 3 and parts[1] == "repos" else ""

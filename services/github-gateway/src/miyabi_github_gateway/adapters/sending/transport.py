"""Our transport for gql: one httpx client, and status, headers and partial data come back with each result."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx
from gql import GraphQLRequest
from gql.transport import AsyncTransport
from graphql import ExecutionResult, GraphQLError

from miyabi_github_gateway.adapters.graphql.query_cost import query_points
from miyabi_github_gateway.adapters.graphql.request import PreparedRequest
from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.sending.outgoing import TRIES
from miyabi_github_gateway.adapters.sending.refusals import message_of, missing_permission
from miyabi_github_gateway.errors import GitHubForbiddenError, GitHubRefusedError, MalformedAnswerError
from miyabi_github_gateway.service.governor import Cost


class GitHubTransport(AsyncTransport):
    """Sends gql's requests through the gateway's own client, so that they are paced like all others."""

    def __init__(self, http: GitHubHttp) -> None:
        self._http = http

    async def connect(self) -> None:
        """Do nothing: the client connects by itself."""

    async def close(self) -> None:
        """Do nothing: the client belongs to the process."""

    async def execute(
        self, request: GraphQLRequest, *, owner: str = "", patient: bool = True, cost: Cost = Cost.READ, **_: Any
    ) -> ExecutionResult:
        """Send a query; data and errors come back side by side, as GitHub mixes them.

        Args:
            request: What is asked.
            owner: Account of the repositories that are asked for, for the credential; default: the variable `owner`.
            cost: What it is to GitHub's limits; a mutation that may be repeated is a `WRITE`.
            patient: Repeat what fails on the way; False for batches, which are halved rather than repeated.

        Raises:
            GitHubForbiddenError: the credential is not accepted.
            GitHubRefusedError: GitHub does not take the query.
            MalformedAnswerError: the answer is no GraphQL answer.
        """
        payload = request.payload
        variables = payload.get("variables") or {}
        answer = await self._http.graphql(
            payload,
            operation=str(payload.get("operationName") or "query"),
            owner=owner or str(variables.get("owner", "")),
            cost=cost,
            tries=TRIES if patient else 1,
            points=request.points
            if isinstance(request, PreparedRequest)
            else query_points(request.document, variables),
        )
        return _result(answer)

    def subscribe(self, request: GraphQLRequest) -> AsyncGenerator[ExecutionResult, None]:
        """Refuse: GitHub has no subscriptions.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("GitHub has no GraphQL subscriptions")


def _result(answer: httpx.Response) -> ExecutionResult:
    """Return what an answer says.

    Raises:
        GitHubForbiddenError: the credential is not accepted.
        GitHubRefusedError: GitHub does not take the query.
        MalformedAnswerError: the answer is no GraphQL answer.
    """
    if answer.status_code in {401, 403}:
        raise GitHubForbiddenError(
            "", message_of(answer), missing=missing_permission(answer), status=answer.status_code
        )
    if answer.status_code >= 400:
        raise GitHubRefusedError(message_of(answer))
    body = json_of(answer)
    if not isinstance(body, dict) or not ({"data", "errors"} & set(body)):
        raise MalformedAnswerError
    errors = [
        GraphQLError(str(error.get("message", "")), path=error.get("path"), extensions={"type": error.get("type", "")})
        for error in body.get("errors") or []
    ]
    said = {
        "headers": dict(answer.headers),
        "seconds": answer.elapsed.total_seconds(),
        "bytes": len(answer.content),
    }
    return ExecutionResult(data=body.get("data"), errors=errors or None, extensions=said)

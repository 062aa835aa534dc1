"""Sends requests to GitHub: credential, pacing, retries, and refusals as errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx

from miyabi_core.logging import get_logger
from miyabi_github_gateway.adapters.authorized import AuthorizedClient
from miyabi_github_gateway.errors import (
    GitHubForbiddenError,
    GitHubRefusedError,
    GitHubUnavailableError,
    MalformedAnswerError,
    RateLimitedError,
)
from miyabi_github_gateway.ports import Credentials
from miyabi_github_gateway.service.governor import Cost, Governor

#: One answer of GitHub; its own limit is 10 s, after which it gives up by itself.
TIMEOUT_SECONDS = 15.0
#: The whole of a call with its waits and repeats, where the caller set no deadline.
CALL_SECONDS = 60.0
#: Repeats of a request that failed on the way or at GitHub.
TRIES = 4
#: First pause before a repeat; it doubles.
BACKOFF_SECONDS = 0.25
#: Statuses that a repeat may mend.
_REPEATABLE = (500, 502, 503, 504)
#: Pause after a secondary limit without `retry-after`, as GitHub documents it.
SECONDARY_PAUSE_SECONDS = 60.0
#: GitHub's API version that the shapes here are of.
API_VERSION = "2022-11-28"

_LOG = get_logger(__name__)


class GitHubHttp:
    """One HTTP client, with one connection pool, for the whole process.

    Args:
        api_url: Base of the REST API.
        graphql_url: The GraphQL endpoint.
        credentials: Where the credential of a repository's owner comes from.
        governor: Lets requests through.
    """

    def __init__(self, *, api_url: str, graphql_url: str, credentials: Credentials, governor: Governor) -> None:
        headers = {
            "accept": "application/vnd.github+json",
            "user-agent": "miyabi-github-gateway",
            "x-github-api-version": API_VERSION,
        }
        self.governor = governor
        self._api_url = api_url.rstrip("/")
        self._graphql_url = graphql_url
        limits = httpx.Limits(
            max_connections=governor.max_concurrency, max_keepalive_connections=governor.max_concurrency
        )
        self._client = httpx.AsyncClient(
            headers=headers, timeout=TIMEOUT_SECONDS, limits=limits, follow_redirects=False
        )
        self._authorized = AuthorizedClient(self._client, credentials)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def graphql(
        self, body: Mapping[str, Any], *, operation: str, owner: str = "", tries: int = TRIES
    ) -> httpx.Response:
        """Send a query; only the transport's errors and refusals are raised, GraphQL's own are in the answer.

        Args:
            body: Query, variables, operation's name.
            operation: For logs.
            owner: Account of the repositories that are asked for: its credential is used.
            tries: How often it is sent at most; a batch asks for one, since it is halved rather than repeated.
                An answer that only says to wait does not count.

        Raises:
            GitHubUnavailableError: no answer, or a server error, after all repeats.
            RateLimitedError: the wait would pass the caller's time.
        """
        return await self._send(
            "POST", self._graphql_url, "graphql", Cost.READ, what=operation, tries=tries, owner=owner, json=body
        )

    async def rest(self, method: str, path: str, *, cost: Cost = Cost.READ, **options: Any) -> httpx.Response:
        """Send a REST request; 404 comes back as an answer, since only the caller knows what is missing.

        Raises:
            GitHubForbiddenError: 401 or 403 that is no limit.
            GitHubRefusedError: 4xx that says why.
            GitHubUnavailableError: no answer, or a server error, after all repeats.
            RateLimitedError: the wait would pass the caller's time.
        """
        options |= {"what": path, "owner": _repository_of(path).partition("/")[0]}
        answer = await self._send(method, f"{self._api_url}{path}", "core", cost, **options)
        if answer.status_code in {401, 403}:
            raise GitHubForbiddenError(_repository_of(path), message_of(answer))
        if answer.status_code >= 400 and answer.status_code != 404:
            raise GitHubRefusedError(message_of(answer))
        return answer

    async def _send(
        self, method: str, url: str, resource: str, cost: Cost, *, what: str, tries: int = TRIES, **options: Any
    ) -> httpx.Response:
        """Send with pacing; repeat what failed on the way, wait where GitHub asks for it."""
        deadline = time.time() + CALL_SECONDS
        failures = 0
        for attempt in range(1, TRIES + 1):
            async with self.governor.admitted(resource, cost, deadline=deadline):
                answer = await self._try(method, url, **options)
            wait = BACKOFF_SECONDS * 2 ** (attempt - 1)
            if isinstance(answer, httpx.Response):
                self.governor.heard(answer.headers)
                limited = limit_pause(answer)
                if limited is None and answer.status_code not in _REPEATABLE:
                    return answer
                if limited is not None:
                    self.governor.refused(resource, limited)
                    wait = 0.0
            _LOG.warning("github.failed", what=what, attempt=attempt, answer=str(answer)[:200])
            if cost is Cost.NOTIFY and not (isinstance(answer, httpx.Response) and limited is not None):
                break  # it may have been done: only the writer, who can look, may repeat it
            failures += wait > 0
            if failures >= tries:
                break
            if attempt < TRIES:
                await asyncio.sleep(wait)
        if isinstance(answer, httpx.Response):
            if (pause := limit_pause(answer)) is not None:
                raise RateLimitedError(resource, timedelta(seconds=pause))
            raise GitHubUnavailableError(f"HTTP {answer.status_code}", status=answer.status_code)
        raise GitHubUnavailableError(type(answer).__name__) from answer

    async def _try(self, method: str, url: str, **options: Any) -> httpx.Response | httpx.HTTPError:
        """Send once; a failure on the way is returned."""
        try:
            return await self._authorized.send(method, url, **options)
        except httpx.HTTPError as error:
            return error


def limit_pause(answer: httpx.Response) -> float | None:
    """Return the seconds that GitHub asks to wait, or None where the answer is no rate limit.

    A limit is 403 or 429 with `retry-after`, with nothing remaining, or with words on a secondary limit; for GraphQL
    it is also 200 with an error of type RATE_LIMITED.
    """
    headers = answer.headers
    if answer.status_code in {403, 429}:
        if "retry-after" in headers:
            return float(headers["retry-after"])
        if headers.get("x-ratelimit-remaining") == "0":
            return max(1.0, float(headers.get("x-ratelimit-reset", "0")) - time.time())
        if "secondary rate limit" in answer.text or answer.status_code == 429:
            return SECONDARY_PAUSE_SECONDS
    if answer.status_code == 200 and b"RATE_LIMITED" in answer.content and "errors" in json_of(answer):
        errors = json_of(answer)["errors"]
        if any(error.get("type") == "RATE_LIMITED" for error in errors):
            return max(1.0, float(headers.get("x-ratelimit-reset", "0")) - time.time())
    return None


def json_of(answer: httpx.Response) -> Any:
    """Return the answer's JSON.

    Raises:
        MalformedAnswerError: it is none.
    """
    try:
        return answer.json()
    except ValueError as error:
        raise MalformedAnswerError from error


def message_of(answer: httpx.Response) -> str:
    """Return what GitHub says of a refusal, with the fields at fault."""
    try:
        body = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    details = [
        str(error.get("message") or error.get("code") or error)
        for error in body.get("errors", [])
        if isinstance(error, dict)
    ]
    return "; ".join([str(body.get("message", f"HTTP {answer.status_code}")), *details])


def _repository_of(path: str) -> str:
    """Return `owner/name` of a REST path."""
    parts = path.split("/")
    return "/".join(parts[2:4]) if len(parts) > 3 and parts[1] == "repos" else ""

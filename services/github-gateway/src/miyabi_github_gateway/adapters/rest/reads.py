"""Reads over REST what GraphQL does not have, each with its ETag: what has not changed costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from cachetools import LRUCache

from miyabi_github_gateway.adapters.rest.values import pull_request
from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.errors import RepositoryNotFoundError
from miyabi_github_gateway.models import PullRequest
from miyabi_github_gateway.service.caching.metrics import reads

#: GitHub's largest page.
PAGE = 100
#: Bytes of answers that are kept to be asked for again; an answer takes 5 to 50 KB.
KEPT_BYTES = 16 << 20


class RestReads:
    """Conditional requests: an answer is kept with its ETag and asked for again with `If-None-Match`.

    GitHub answers 304 without counting it against the primary limit (docs.github.com, "Best practices for using the
    REST API"). Each answer is as fresh as an unconditional one.
    """

    def __init__(self, http: GitHubHttp) -> None:
        self._http = http
        self._kept: LRUCache[str, tuple[str, bytes]] = LRUCache(KEPT_BYTES, getsizeof=_weight)

    async def get(self, path: str, parameters: Mapping[str, str | int]) -> Any:
        """Return an answer's JSON; None for 404.

        Raises:
            GitHubForbiddenError, GitHubRefusedError, GitHubUnavailableError, RateLimitedError: as `GitHubHttp.rest`.
            MalformedAnswerError: it is no JSON.
        """
        key = f"{path}?{sorted(parameters.items())}"
        tag, known = self._kept.get(key, ("", b""))
        headers = {"if-none-match": tag} if tag else {}
        answer = await self._http.rest("GET", path, params=dict(parameters), headers=headers)
        if answer.status_code == 304:
            reads("rest", "unchanged").inc()
            return msgspec.json.decode(known)
        reads("rest", "miss").inc()
        if answer.status_code == 404:
            self._kept.pop(key, None)
            return None
        found = json_of(answer)
        if (new := answer.headers.get("etag")) and len(answer.content) < KEPT_BYTES // 4:
            self._kept[key] = (new, answer.content)
        return found

    async def blocked_by(self, repository: str, number: int) -> tuple[int, ...]:
        """Read the issues of the same repository that block one, all pages.

        Raises:
            MiyabiError: see `get`.
        """
        found: list[int] = []
        page = 1
        while True:
            path = f"/repos/{repository}/issues/{number}/dependencies/blocked_by"
            entries = await self.get(path, {"per_page": PAGE, "page": page}) or []
            home = f"/repos/{repository}".casefold()
            found += [entry["number"] for entry in entries if _home(entry).endswith(home)]
            if len(entries) < PAGE:
                return tuple(found)
            page += 1

    async def pull_request_of(self, repository: str, head_branch: str) -> PullRequest | None:
        """Read the open pull request of a head branch of the same repository, or None.

        Raises:
            RepositoryNotFoundError: there is no such repository to be seen.
            MiyabiError: see `get`.
        """
        owner = repository.partition("/")[0]
        found = await self.get(f"/repos/{repository}/pulls", {"head": f"{owner}:{head_branch}", "state": "open"})
        if found is None:
            raise RepositoryNotFoundError(repository)
        return pull_request(found[0]) if found else None


def _home(entry: Mapping[str, Any]) -> str:
    """Return the address of an issue's repository."""
    return str(entry.get("repository_url", "")).casefold()


def _weight(entry: tuple[str, bytes]) -> int:
    """Return the bytes that an answer takes."""
    return len(entry[1]) + 500

"""Sends single requests with the credential of their owner, and the credential to no other host."""

from __future__ import annotations

from typing import Any

import httpx

from miyabi_github_gateway.errors import GitHubRefusedError
from miyabi_github_gateway.ports import Credentials

#: GitHub redirects a renamed repository once; a chain is a mistake.
MOST_REDIRECTS = 3


class AuthorizedClient:
    """An httpx client that adds the credential to each request.

    Args:
        client: Follows no redirects by itself.
        credentials: Where the credential of an owner comes from.
    """

    def __init__(self, client: httpx.AsyncClient, credentials: Credentials) -> None:
        self._client = client
        self._credentials = credentials

    async def send(self, method: str, url: str, *, owner: str, **options: Any) -> httpx.Response:
        """Send a request; an answer 401 is tried again once, with another credential where there is one.

        A redirect is followed within the same scheme, host and port only.

        Args:
            method: HTTP method.
            url: Whole address.
            owner: Account whose repositories it is about; empty: none.
            options: Passed to httpx: `json`, `params`, `headers`.

        Raises:
            httpx.HTTPError: no answer.
            GitHubRefusedError: the answer leads to another host.
            RepositoryNotFoundError: the App is not installed at the owner.
            GitHubUnavailableError: there is no credential to be had.
        """
        credential = await self._credentials.of(owner)
        answer = await self._redirected(method, url, token=credential.token, **options)
        if answer.status_code == 401 and credential.token:
            self._credentials.refused(credential)
            other = await self._credentials.of(owner)
            if other.token != credential.token:
                answer = await self._redirected(method, url, token=other.token, **options)
        return answer

    async def _redirected(self, method: str, url: str, *, token: str, **options: Any) -> httpx.Response:
        """Send a request and follow where it leads."""
        given = options.pop("headers", None) or {}
        headers = {**given, "authorization": f"Bearer {token}"} if token else given
        origin = _origin(httpx.URL(url))
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._client.request(method, url, headers=headers, **options)
            if not answer.has_redirect_location or answer.next_request is None:
                return answer
            target = answer.next_request.url
            if _origin(target) != origin:
                raise GitHubRefusedError("it leads to another host, where no credential is sent")
            if answer.status_code == 303:
                method, options = "GET", {}
            url = str(target)
            options.pop("params", None)  # they are part of the address that was answered
        raise GitHubRefusedError("it leads from one address to the next")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return what must not change: scheme, host and port."""
    return url.scheme, url.host, url.port

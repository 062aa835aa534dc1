"""Knows as whom GitHub is written to, so that our own comments and issues are told from others'."""

from __future__ import annotations

from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.errors import GitHubForbiddenError
from miyabi_github_gateway.ports import Credentials


class Accounts:
    """The account behind each credential; GitHub is asked once for each token.

    Args:
        http: Asks GitHub whose a token is, within its budget.
        credentials: Know the account of an App.
    """

    def __init__(self, http: GitHubHttp, credentials: Credentials) -> None:
        self._http = http
        self._credentials = credentials
        self._logins: dict[str, str] = {}

    async def login(self, owner: str) -> str:
        """Return the account that writes at an owner carry; empty where GitHub does not tell, as of a workflow's token.

        Raises:
            AppNotInstalledError: the App is not installed at that owner.
            GitHubForbiddenError: GitHub does not accept the credential.
            GitHubUnavailableError: GitHub did not answer; a guess could make someone else's comment pass for ours.
            RateLimitedError: the wait would be too long.
        """
        known = await self._credentials.account(owner)
        if known:
            return known
        credential = await self._credentials.of(owner)
        if not credential.token:
            return ""
        if credential.scope not in self._logins:
            self._logins[credential.scope] = await self._asked()
        return self._logins[credential.scope]

    async def _asked(self) -> str:
        """Ask GitHub."""
        try:
            answer = await self._http.rest("GET", "/user")
        except GitHubForbiddenError as error:
            if error.status != 403:
                raise
            return ""  # the token is of no account
        body = json_of(answer)
        return str(body.get("login") or "") if isinstance(body, dict) else ""

"""Asks GitHub who may do what."""

from __future__ import annotations

from urllib.parse import quote

from miyabi_github_gateway.adapters.sending.answers import json_of
from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.errors import GitHubForbiddenError

#: Permissions that let someone push; GitHub answers with these and `read` or `none`, whatever the role's own name.
WRITING = frozenset({"admin", "maintain", "write"})


class GitHubPermissions:
    """Implements `ports.Permissions` with GitHub's own answer for a collaborator."""

    def __init__(self, http: GitHubHttp) -> None:
        self._http = http

    async def may_write(self, repository: str, login: str) -> bool:
        """Tell whether an account has write access or more; whoever is unknown has none."""
        path = f"/repos/{repository}/collaborators/{quote(login, safe='')}/permission"
        try:
            answer = await self._http.rest("GET", path)
        except GitHubForbiddenError:
            # The credential may not ask: nobody is let in on trust.
            return False
        if answer.status_code == 404:
            return False
        body = json_of(answer)
        return isinstance(body, dict) and body.get("permission") in WRITING

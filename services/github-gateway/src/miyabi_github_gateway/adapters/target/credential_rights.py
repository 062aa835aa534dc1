"""Finds out what the credential may do: of an App by its installation, of a classic token by its scopes."""

from __future__ import annotations

from miyabi_github_gateway.adapters.sending.http import GitHubHttp
from miyabi_github_gateway.adapters.sending.refusals import scopes_of
from miyabi_github_gateway.errors import RepositoryNotFoundError
from miyabi_github_gateway.ports import Credentials
from miyabi_github_gateway.target_facts import CredentialKind, Rights


class CredentialRights:
    """Asks GitHub what the credential of a repository's owner may do there.

    Args:
        http: Asks over REST: only its headers tell a classic token's scopes.
        credentials: Know an App's permissions.
    """

    def __init__(self, http: GitHubHttp, credentials: Credentials) -> None:
        self._http = http
        self._credentials = credentials

    async def of(self, repository: str, *, role: str) -> Rights:
        """Return the rights; *role* is the account's in the repository, empty where GitHub did not tell.

        Raises:
            RepositoryNotFoundError: there is no such repository to be seen.
            MiyabiError: GitHub did not answer.
        """
        permissions = await self._credentials.permissions(repository)
        if permissions is not None:
            return Rights(CredentialKind.APP, permissions, role=role)
        answer = await self._http.rest("GET", f"/repos/{repository}")
        if answer.status_code == 404:
            raise RepositoryNotFoundError(repository)
        scopes = scopes_of(answer)
        kind = CredentialKind.FINE_GRAINED if scopes is None else CredentialKind.CLASSIC
        return Rights(kind, scopes=scopes or frozenset(), role=role)

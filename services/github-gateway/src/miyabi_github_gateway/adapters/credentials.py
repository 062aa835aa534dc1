"""The credentials that GitHub is asked with: one token, or a GitHub App's installation tokens."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import jwt

from miyabi_core.logging import get_logger
from miyabi_github_gateway.adapters.secret_files import RotatingSecret
from miyabi_github_gateway.errors import (
    AppNotInstalledError,
    GitHubForbiddenError,
    GitHubUnavailableError,
    MalformedAnswerError,
)
from miyabi_github_gateway.models import Credential

#: GitHub takes a JWT of at most ten minutes; a minute of it is left for clocks that differ.
JWT_SECONDS = 540
#: GitHub advises to date a JWT back, against clocks that differ (docs: generating a JWT for a GitHub App).
JWT_BACKDATE_SECONDS = 60
#: An installation token lasts an hour; the next is fetched so long before, that a long clone does not outlive it.
REFRESH_AHEAD_SECONDS = 600
#: A token with less than this left is not used even where GitHub gives no other.
LEAST_SECONDS = 60
#: Where an App is installed is read again at most this often for an owner that was not found.
INSTALLATIONS_SECONDS = 60
#: GitHub's largest page.
_PAGE = 100
#: One answer of GitHub.
_TIMEOUT_SECONDS = 10.0

_LOG = get_logger(__name__)


def fingerprint(token: str) -> str:
    """Return a name for a token that does not tell it: part of a digest; tokens are random, so it cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


def _client(api_url: str) -> httpx.AsyncClient:
    """Return a client for requests about the credential itself; it follows no redirect."""
    headers = {"accept": "application/vnd.github+json", "user-agent": "miyabi-github-gateway"}
    return httpx.AsyncClient(
        base_url=api_url.rstrip("/"), headers=headers, timeout=_TIMEOUT_SECONDS, follow_redirects=False
    )


class TokenCredentials:
    """Implements `ports.Credentials` with one token for every owner.

    Args:
        secret: The token; an empty one means that GitHub is asked without.
        api_url: Base of the REST API, asked once for the token's account.
    """

    def __init__(self, secret: RotatingSecret, *, api_url: str) -> None:
        self._secret = secret
        self._client = _client(api_url)
        self._logins: dict[str, str] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def of(self, owner: str) -> Credential:
        """Return the token as it is now.

        Raises:
            CredentialMissingError: its file cannot be read.
        """
        del owner
        token = self._secret.read()
        return Credential(token, f"token:{fingerprint(token)}" if token else "anonymous")

    def refused(self, credential: Credential) -> None:
        """Note it in the log: a token is replaced by whoever wrote its file."""
        _LOG.warning("credential.refused", scope=credential.scope)

    async def login(self, owner: str) -> str:
        """Return the account that the token stands for; empty where GitHub does not tell, as for a workflow's token."""
        credential = await self.of(owner)
        if not credential.token:
            return ""
        if credential.scope not in self._logins:
            try:
                answer = await self._client.get("/user", headers={"authorization": f"Bearer {credential.token}"})
            except httpx.HTTPError:
                return ""
            if answer.status_code >= 500:
                return ""
            self._logins[credential.scope] = str(_object(answer).get("login", "")) if answer.is_success else ""
        return self._logins[credential.scope]


@dataclass(frozen=True)
class _Installation:
    """Where an App is installed."""

    id: int
    login: str  #: the account that the App's writes carry
    suspended: bool


@dataclass(frozen=True)
class _Held:
    """An installation's token."""

    credential: Credential
    expires_at: float


class AppCredentials:
    """Implements `ports.Credentials` with a GitHub App: a token for each installation, fetched ahead of its end.

    Args:
        app_id: The App's id or client id: the JWT's issuer.
        key: Its private key, PEM.
        api_url: Base of the REST API.
        clock: Seconds since the epoch; tests give their own.

    Source: docs.github.com, authenticating as a GitHub App installation.
    """

    def __init__(
        self, app_id: str, key: RotatingSecret, *, api_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._app_id = app_id
        self._key = key
        self._clock = clock
        self._client = _client(api_url)
        self._installations: dict[str, _Installation] = {}
        self._listed_at = float("-inf")
        self._listing = asyncio.Lock()
        self._tokens: dict[int, _Held] = {}
        self._fetching: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def of(self, owner: str) -> Credential:
        """Return the token of the installation at an owner; with an empty owner, of any installation.

        Raises:
            AppNotInstalledError: the App is not installed there, or is suspended.
            GitHubForbiddenError: GitHub does not accept the key.
            GitHubUnavailableError: no token was to be had.
        """
        installation = await self._installation(owner)
        held = self._tokens.get(installation.id)
        if held is not None and held.expires_at - self._clock() > REFRESH_AHEAD_SECONDS:
            return held.credential
        async with self._fetching[installation.id]:
            held = self._tokens.get(installation.id)
            if held is None or held.expires_at - self._clock() <= REFRESH_AHEAD_SECONDS:
                held = await self._renewed(installation, held)
        return held.credential

    def refused(self, credential: Credential) -> None:
        """Forget a token, and where the App is installed: one of them is not true any more."""
        _LOG.warning("credential.refused", scope=credential.scope)
        for number, held in list(self._tokens.items()):
            if held.credential == credential:
                del self._tokens[number]
        self._listed_at = float("-inf")

    async def login(self, owner: str) -> str:
        """Return the account that the App's writes carry: `slug[bot]`."""
        return (await self._installation(owner)).login

    async def _installation(self, owner: str) -> _Installation:
        """Return where the App is installed."""
        found = self._known(owner)
        if found is None:
            async with self._listing:
                found = self._known(owner)
                if found is None and self._clock() - self._listed_at >= INSTALLATIONS_SECONDS:
                    self._installations = await self._list()
                    self._listed_at = self._clock()
                    found = self._known(owner)
        if found is None or found.suspended:
            raise AppNotInstalledError(owner, suspended=found is not None)
        return found

    def _known(self, owner: str) -> _Installation | None:
        """Look an owner up; an App with one installation needs no owner."""
        if not owner:
            return next(iter(self._installations.values()), None)
        return self._installations.get(owner.casefold())

    async def _list(self) -> dict[str, _Installation]:
        """Read where the App is installed, all pages."""
        found: dict[str, _Installation] = {}
        page = 1
        while True:
            entries = await self._ask("GET", "/app/installations", params={"per_page": _PAGE, "page": page})
            try:
                for entry in entries:
                    installation = _Installation(
                        int(entry["id"]), f"{entry['app_slug']}[bot]", bool(entry.get("suspended_at"))
                    )
                    found[str(entry["account"]["login"]).casefold()] = installation
            except (KeyError, TypeError, ValueError) as error:
                raise MalformedAnswerError from error
            if len(entries) < _PAGE:
                return found
            page += 1

    async def _renewed(self, installation: _Installation, held: _Held | None) -> _Held:
        """Fetch a token; where GitHub gives none, the old one serves as long as it lasts."""
        try:
            answer = await self._ask("POST", f"/app/installations/{installation.id}/access_tokens")
            expires_at = datetime.fromisoformat(answer["expires_at"]).timestamp()
            credential = Credential(str(answer["token"]), f"installation:{installation.id}")
        except GitHubUnavailableError:
            if held is None or held.expires_at - self._clock() < LEAST_SECONDS:
                raise
            return held
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedAnswerError from error
        self._tokens[installation.id] = _Held(credential, expires_at)
        _LOG.info("credential.renewed", scope=credential.scope)
        return self._tokens[installation.id]

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask GitHub as the App itself."""
        authorization = {"authorization": f"Bearer {self._jwt()}"}
        try:
            answer = await self._client.request(method, path, headers=authorization, **options)
        except httpx.HTTPError as error:
            raise GitHubUnavailableError(type(error).__name__) from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise GitHubUnavailableError(f"HTTP {answer.status_code}", status=answer.status_code)
        if not answer.is_success:
            raise GitHubForbiddenError("", f"the App is not accepted (HTTP {answer.status_code})")
        try:
            return answer.json()
        except ValueError as error:
            raise MalformedAnswerError from error

    def _jwt(self) -> str:
        """Return a JWT for the App (RS256), signed with the key as it is now."""
        now = int(self._clock())
        claims = {"iat": now - JWT_BACKDATE_SECONDS, "exp": now + JWT_SECONDS, "iss": self._app_id}
        try:
            return jwt.encode(claims, self._key.read(), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            # Without its cause: the library's words may quote the key.
            raise GitHubForbiddenError("", "the App's private key cannot be used") from None


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    """Return an answer's JSON object; an empty one where it is none."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
